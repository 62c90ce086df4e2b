#!/usr/bin/env bash
# Whether what Graphite shows is what loadgen counted: loads against real StatsD, carbon and
# graphite-web, started by monitoring/native.sh on free ports.
#
#   tests/monitoring/run.sh [TEST...]     TEST like test_ledger.Ledger.test_high_rate; all unless told
#
# LOADGEN names the binary; unless it is set, the release build is taken. Needs what native.sh needs,
# and the first time PyPI and npm's registry within reach. What is missing fails the tests: nothing
# is skipped.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
export CARGO_TARGET_DIR=$target

LOADGEN=${LOADGEN:-$target/release/loadgen}
if [[ ! -x $LOADGEN ]]; then
  echo "no loadgen binary at $LOADGEN: build one with \`cargo build --release\`, or set LOADGEN" >&2
  exit 1
fi
LOADGEN=$(realpath "$LOADGEN")
export LOADGEN

# The software is the one that `just monitoring-native` uses; data and ports are the tests' own.
export MONITORING_TESTS=$target/monitoring-tests
export MONITORING_PICTURES=$target/monitoring/pictures
export MONITORING_SOFTWARE=${MONITORING_SOFTWARE:-$target/monitoring/software}
mkdir -p "$MONITORING_TESTS"

# Tests that are cut off must leave nothing running.
stop_all() {
  local folder
  for folder in "$MONITORING_TESTS"/*/; do
    [[ ! -d $folder/run ]] || MONITORING_FOLDER=$folder "$root/monitoring/native.sh" stop >/dev/null
  done
}
trap stop_all EXIT

# Python with Grafana's SDK, in which the dashboards are written.
python=$root/monitoring/grafana/python

echo "monitoring of $LOADGEN"
cd "$here"
export PYTHONPATH=$here:$root/tests/counterparts PYTHONDONTWRITEBYTECODE=1
# An environment that names targets would change where the tests send.
unset GRPC_HOST GRPC_PORT WEBSOCKET_HOST WEBSOCKET_PORT STATSD_HOST STATSD_PORT GRAPHITE_URL
unset "${!OTEL_@}"
if [[ $# -gt 0 ]]; then
  timeout --kill-after=10 900 "$python" -m unittest -v "$@"
else
  timeout --kill-after=10 900 "$python" -m unittest discover -v
fi
