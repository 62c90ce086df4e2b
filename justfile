# What developers run by hand and CI runs for everyone: `just` lists it, `just ci` is all of it.
# CI calls these recipes through .ci/run, which also installs what a bare machine lacks.

set shell := ["bash", "-euo", "pipefail", "-c"]

tools := justfile_directory() / "target/tools/bin"

# Tools that .ci/run has built here are found, others on the PATH too.
export PATH := tools + ":" + env("PATH")

[private]
default:
    @just --list --unsorted

# All tests that need nothing but Rust
test:
    cargo test --workspace

# Formatting, checked and not changed
fmt:
    cargo fmt --all --check

# Lints, warnings denied
clippy:
    cargo clippy --workspace --all-targets -- -D warnings

# Lints of the library with the feature of one protocol alone, and with none; some minutes
features:
    for features in "" grpc websocket http tcp; do \
      cargo clippy -p loadgen-core --no-default-features --features "$features" -- -D warnings; \
    done

# API documentation, warnings denied
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Licences, sources and bans of dependencies (advisories: `just advisories`)
deny:
    cargo deny check --hide-inclusion-graph bans licenses sources

# Known vulnerabilities of dependencies; fetches the advisory database from GitHub
advisories:
    cargo deny check advisories

# Whether the checked-in JSON Schemas are what the types say (also part of `test`)
schema-check:
    cargo test -p loadgen-core schema

# Writes the JSON Schemas anew
schema:
    LOADGEN_UPDATE_SCHEMA=1 cargo test -p loadgen-core schema

# Writes docs/kubernetes/load.yaml anew, as `loadgen kubernetes` prints it
manifests:
    LOADGEN_UPDATE_MANIFESTS=1 cargo test -p loadgen-cli --test kubernetes the_folder

# The book, into target/book
book: links
    mdbook build docs

# Whether what the documents link to within the repository is there
links:
    #!/usr/bin/env bash
    set -euo pipefail
    missing=0
    for file in *.md docs/src/*.md monitoring/*.md tests/*/*.md; do
      while IFS= read -r link; do
        if [[ ! -e $(dirname "$file")/$link ]]; then
          echo "$file: nothing at $link" >&2
          missing=1
        fi
      done < <(grep -oE '\]\([^)#:]+' "$file" | cut -c3- | grep -v '^https$' || true)
    done
    exit "$missing"

# Fuzzes every target for a short time, with the stable toolchain
fuzz-short seconds="20":
    for target in fuzz/fuzz_targets/*.rs; do fuzz/run.sh "$(basename "$target" .rs)" {{ seconds }}; done

# Fuzzes what reads texts with so many mutated inputs each
fuzz-parsers inputs="1000000":
    for target in scenario_parser yaml_parser thresholds units message_json proto_text expressions data_files; do fuzz/run.sh $target 0 -runs={{ inputs }}; done

# Runs the library's examples, as `test` has built them
examples:
    cargo build --workspace --examples
    for example in loadgen-core/examples/*.rs; do "${CARGO_TARGET_DIR:-target}/debug/examples/$(basename "$example" .rs)"; done

# What the engine costs an iteration
bench-engine:
    cargo run --release -p loadgen-benches --bin engine

# Whether the figures are true: start lag, a frozen server, a frozen generator
bench-truth:
    cargo run --release -p loadgen-benches --bin truth

# An outside witness of every printed percentile: `unary`, `streams`, `websocket`, `faults`, all of them without; `quick` takes a minute; `peers` sets wrk, hey, h2load and k6 beside
bench-witness *parts:
    cargo build --release -p loadgen-cli
    LOADGEN="${CARGO_TARGET_DIR:-target}/release/loadgen" cargo run --release -p loadgen-benches --bin witness -- {{ parts }}

# How often the interval of `loadgen capacity` has the capacity, by a thousand simulated searches of each kind of service
capacity-figures:
    cargo test -p loadgen-core --lib -- --ignored --nocapture a_thousand_searches

# What it takes until a run can begin: CSV and JSON lines of up to a million rows, trees of .proto files
bench-load:
    cargo run --release -p loadgen-benches --bin load

# Side by side with h2load, a bare WebSocket loop, wrk, and ghz, k6, hey and fortio where they are; parts: `grpc`, `websocket`, `http`, `open`, `expressions`
bench-compare *parts:
    cargo build --release -p loadgen-cli
    LOADGEN="${CARGO_TARGET_DIR:-target}/release/loadgen" cargo run --release -p loadgen-benches --bin compare -- {{ parts }}

# What StatsD costs the generator, and what one that does not answer does to the load
bench-sinks *rate:
    cargo run --release -p loadgen-benches --bin sinks -- {{ rate }}

# What `--ui` costs the generator with three viewers, thread by thread (Linux): [RATE [SECONDS]]
bench-ui *arguments:
    cargo build --release
    LOADGEN="${CARGO_TARGET_DIR:-target}/release/loadgen" python3 tests/ui_cost.py {{ arguments }}

# What merging the results of 64 shards takes that ran for an hour
bench-merge *arguments:
    cargo run --release -p loadgen-benches --bin merge -- {{ arguments }}

# What a coordinator takes of a core with 64 shards, and with 1,000
bench-coordinator:
    cargo test --release -p loadgen-cli --test coordinate -- --ignored --nocapture a_coordinator_takes_little

# Memory that open WebSocket connections take, side by side
bench-memory: (bench-compare "memory")

# The layer-4 balancer against HAProxy in TCP mode, where that is, and against none; parts: `costs`, `memory`, `latency`
bench-balance *parts:
    cargo build --release -p loadgen-cli
    LOADGEN="${CARGO_TARGET_DIR:-target}/release/loadgen" cargo run --release -p loadgen-benches --bin balance -- {{ parts }}

# `loadgen capacity` on a queue of known capacity, beside halving by hand and a ramp; parts: `search`, `bisection`, `ramp`, a number of rounds (20; an hour and a half), `goal=MS`
bench-capacity *parts:
    cargo build --release -p loadgen-cli
    LOADGEN="${CARGO_TARGET_DIR:-target}/release/loadgen" cargo run --release -p loadgen-benches --bin capacity -- {{ parts }}

# The founding figures, what users cost, and both protocols in one run; parts: `grpc`, `websocket`, `together`
bench-seeds *parts:
    cargo run --release -p loadgen-benches --bin seeds -- {{ parts }}

# Tests against servers and clients that are not ours (needs PyPI, npm, h2load, and Debian's packages for Prometheus, nginx, HAProxy, Redis, nghttpd, SLURM, Open MPI and OpenSSH)
test-counterparts *tests:
    cargo build --release
    LOADGEN="${CARGO_TARGET_DIR:-target}/release/loadgen" tests/counterparts/run.sh {{ tests }}

# Both balancers for longer: so many times the requests of other people's clients, so many rounds of faults
proof-balance rounds="10":
    cargo build --release
    PROOF_ROUNDS={{ rounds }} LOADGEN="${CARGO_TARGET_DIR:-target}/release/loadgen" tests/counterparts/run.sh test_balance_clients $(printf 'test_balance_faults %.0s' $(seq {{ rounds }})) test_balance_names

# How proxies fail over, medians of so many rounds: what loadgen says beside the proxy's own log
failover rounds="5" *proxies:
    cargo build --release
    LOADGEN="${CARGO_TARGET_DIR:-target}/release/loadgen" tests/counterparts/run.sh failing_over {{ rounds }} {{ proxies }}

# StatsD, carbon and graphite-web without containers: `just monitoring-native start|stop|restart|status|clean`
monitoring-native what="start":
    monitoring/native.sh {{ what }}

# The monitoring stack in containers: starts it and says where to look (without Docker: `just monitoring-native`)
monitoring-up:
    monitoring/compose.sh up

# Stops the stack in containers; what it stored is kept
monitoring-down:
    monitoring/compose.sh down

# Deletes what the stack in containers stored, and starts it anew
monitoring-reset:
    monitoring/compose.sh reset

# The stack in containers, as far as it can be checked without a container engine
monitoring-check:
    cargo build --release
    LOADGEN="${CARGO_TARGET_DIR:-target}/release/loadgen" monitoring/check.sh

# Writes the Grafana dashboards anew
dashboards:
    monitoring/grafana/python monitoring/grafana/dashboards.py monitoring/grafana/dashboards

# Whether the dashboards are what is checked in, whole, and ask for metrics there are (needs PyPI and npm)
dashboards-check:
    cd tests/monitoring && ../../monitoring/grafana/python -m unittest test_dashboards test_types

# Whether Graphite shows what loadgen counted, and every panel has its data: real StatsD and Graphite (needs PyPI and npm)
test-monitoring *tests:
    cargo build --release
    LOADGEN="${CARGO_TARGET_DIR:-target}/release/loadgen" tests/monitoring/run.sh {{ tests }}

# Many minutes of 20,000/s, connections that are cut and servers that are killed: memory, ledger, and whether every failure has its reason
soak minutes="60":
    cargo build --release
    LOADGEN="${CARGO_TARGET_DIR:-target}/release/loadgen" tests/soak.py {{ minutes }}

# Many minutes of 100,000 calls a second with the codec of our own, at a server that cuts connections: memory, ledger, and what the server counts
proof-codec minutes="60":
    cargo build --release
    LOADGEN="${CARGO_TARGET_DIR:-target}/release/loadgen" tests/proof_codec.py {{ minutes }}

# The tests of the codec of our own under valgrind, without those that are about other people's: some minutes (Debian: valgrind)
proof-codec-memory:
    cargo test -p loadgen-core --lib --config 'target."cfg(all())".runner = "valgrind --quiet --error-exitcode=1 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite"' \
      http2::machine -- --test-threads 1 --skip oracle --skip other_codec

# What servers say, to the library h2 and to the codec of our own, so many inputs made up by the fuzzer: half an hour
proof-codec-oracle inputs="10000000":
    fuzz/run.sh http2_answers 0 -runs={{ inputs }}

# Kills so many runs at any moment, and looks at what their journals have
test-kills times="50":
    LOADGEN_KILLS={{ times }} cargo test -p loadgen-cli --test journal killed_leaves

# Whether `compare` takes chance for more, with real runs: so many pairs of ten runs each, and all of them divided at random
compare-calibration pairs="1" splits="200":
    cargo build --release
    LOADGEN="${CARGO_TARGET_DIR:-target}/release/loadgen" tests/compare_calibration.py {{ pairs }} {{ splits }}

# A static binary (musl, x86-64) and a wheel of it, into target/dist, and an image where Docker is; all are tried
dist:
    .ci/dist

# Everything CI checks
ci:
    .ci/run
