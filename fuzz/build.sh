#!/bin/sh
# Builds what ./run.sh runs, with the stable toolchain: ./build.sh [TARGET...], all of them unless told
#
# `cargo fuzz` wants a nightly compiler for its sanitizer. The coverage that guides the fuzzer comes
# from an LLVM pass that the stable compiler has too, and panics need no sanitizer to be found.
# Prints the folder of the programs.
set -eu

cd "$(dirname "$0")"
build=${CARGO_TARGET_DIR:-target}/stable
host=$(rustc -vV | sed -n 's/^host: //p')
# The flag names the programs; without one all are built.
for target in "$@"; do
    shift
    set -- "$@" --bin "$target"
done
# With --target, build scripts are built without these flags.
CARGO_TARGET_DIR=$build RUSTFLAGS="${RUSTFLAGS:-} -Cpasses=sancov-module \
 -Cllvm-args=-sanitizer-coverage-level=3 \
 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
 -Cllvm-args=-sanitizer-coverage-pc-table \
 -Cllvm-args=-sanitizer-coverage-trace-compares \
 -Ccodegen-units=1 --cfg fuzzing" \
    cargo build --release --target "$host" "$@"
echo "$build/$host/release"
