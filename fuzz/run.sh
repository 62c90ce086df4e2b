#!/bin/sh
# Fuzzes one target for a time, with the stable toolchain: ./run.sh TARGET SECONDS [libFuzzer flags]
#
# Fails when the target crashes, and when the fuzzer got no coverage to be guided by.
set -eu

target=${1:?usage: run.sh TARGET SECONDS}
seconds=${2:?usage: run.sh TARGET SECONDS}
shift 2
cd "$(dirname "$0")"
programs=$(./build.sh "$target")

mkdir -p "corpus/$target" "artifacts/$target"
log=artifacts/$target/last.log
status=0
"$programs/$target" -max_total_time="$seconds" -max_len=20000 -timeout=10 \
    -dict=words.dict -artifact_prefix="artifacts/$target/" -print_final_stats=1 "$@" \
    "corpus/$target" "seeds/$target" >"$log" 2>&1 || status=$?
tail -n 20 "$log"
if [ "$status" -ne 0 ]; then
    echo "fuzzing $target found something; the input is in artifacts/$target" >&2
    exit "$status"
fi
if ! grep -q ' cov: [1-9][0-9]' "$log"; then
    echo "fuzzing $target ran without coverage" >&2
    exit 1
fi
