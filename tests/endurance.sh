#!/usr/bin/env bash
# How loadgen holds out: the shipped scenario `connection_endurance` for many minutes against
# `loadgen serve websocket`, which cuts each connection after so many messages. Every ten seconds a
# row with the memory and the open connections of both; at the end how much the memory has grown
# since the first minute, and what the report says of connections.
#
#   tests/endurance.sh [MINUTES]     20 unless told
#
# LOADGEN names the binary; unless it is set, the release build. CUT_AFTER is the number of messages
# after which a connection is cut, 250 unless told: each user's once in about two minutes, and each
# time in place of an answer, so that one iteration in 125 fails and the threshold of 1 % holds.
# MOST_GROWTH_KIB is how much memory may grow, 4096 unless told. Ends with 1 when it has grown more,
# when a connection that was cut was not opened again, or when loadgen ends otherwise than with 0 or
# 99. All that it starts ends with it.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
minutes=${1:-20}
cut_after=${CUT_AFTER:-250}
most_growth_kib=${MOST_GROWTH_KIB:-4096}
LOADGEN=${LOADGEN:-${CARGO_TARGET_DIR:-$root/target}/release/loadgen}
if [[ ! $minutes =~ ^[0-9]+$ || $minutes -lt 3 || $minutes -gt 1440 ]]; then
  echo "MINUTES is a whole number from 3 to 1440: memory is compared with that after one" >&2
  exit 2
fi
if [[ ! -x $LOADGEN ]]; then
  echo "no loadgen binary at $LOADGEN: build one with \`cargo build --release\`, or set LOADGEN" >&2
  exit 2
fi
unset WEBSOCKET_HOST WEBSOCKET_PORT

work=$(mktemp -d)
server=""
client=""
finish() {
  # `timeout` and terminals signal a whole group, and so twice.
  trap '' INT TERM
  local pid
  for pid in $client $server; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

: >"$work/serve"
"$LOADGEN" serve websocket --address 127.0.0.1:0 --cut-after "$cut_after" --threads 1 \
  >"$work/serve" </dev/null &
server=$!
address=""
for _ in {1..100}; do
  address=$(awk '/ listening on / { print $4; exit }' "$work/serve")
  [[ -n $address ]] && break
  sleep 0.1
done
if [[ -z $address ]]; then
  echo "the server did not start" >&2
  exit 1
fi

# Drain and good-byes take a moment; a run that does not end is ended.
timeout --kill-after=10 $((minutes * 60 + 60)) \
  "$LOADGEN" run --scenario connection_endurance --protocol websocket --duration "${minutes}m" \
  --websocket-target "$address" --quiet --out "json=$work/result.json" </dev/null &
client=$!
# The child of `timeout` is what is measured.
sleep 0.5
measured=$(pgrep --parent "$client")

resident_kib() { awk '/^VmRSS:/ { print $2 }' "/proc/$1/status" 2>/dev/null || true; }
sockets() { find "/proc/$1/fd" -lname 'socket:*' 2>/dev/null | wc -l; }

echo "connection_endurance for $minutes min against $address, cut after $cut_after messages"
printf '%8s %12s %12s %12s %12s\n' second "run KiB" "run sockets" "serve KiB" "serve sockets"
begun=$SECONDS
after_a_minute=0
latest=0
while kill -0 "$client" 2>/dev/null; do
  now=$((SECONDS - begun))
  resident=$(resident_kib "$measured")
  if [[ -n $resident && $now -lt $((minutes * 60)) ]]; then
    latest=$resident
    [[ $after_a_minute -gt 0 || $now -lt 60 ]] || after_a_minute=$resident
    printf '%8d %12d %12d %12d %12d\n' "$now" "$resident" "$(sockets "$measured")" \
      "$(resident_kib "$server")" "$(sockets "$server")"
  fi
  # Short naps, so that the end is not waited for.
  for _ in {1..10}; do
    kill -0 "$client" 2>/dev/null && sleep 1
  done
done
code=0
wait "$client" || code=$?
client=""

growth=$((latest - after_a_minute))
echo "exit code $code; memory of the run grew by $growth KiB after the first minute"
python3 - "$work/result.json" <<'PYTHON'
import json, sys

document = json.load(open(sys.argv[1], encoding="utf-8"))
(scenario,) = document["scenarios"]
connections, ledger = scenario["connections"], scenario["ledger"]
series = scenario["series"]
quiet = sum(1 for point in series if not point.get("connections", {}).get("dropped"))
print("verdict", document["verdict"]["status"], *document["verdict"]["reasons"], sep="; ")
print("ledger", ledger)
print("outcomes", scenario["outcomes"])
print("connections", {key: connections[key] for key in ("opened", "failed", "dropped")})
print(f"points of the series: {len(series)}, without a dropped connection: {quiet}")
if ledger["started"] != ledger["completed"] + ledger["failed"] + ledger["interrupted"]:
    sys.exit("the ledger does not balance")
if sum(scenario["outcomes"].values()) != ledger["completed"] + ledger["failed"]:
    sys.exit("the outcomes do not add up")
left = connections["opened"] - connections["dropped"]
users = max(point["users"] for point in series)
if connections["dropped"] == 0 or not 0 <= left <= users + 2:
    sys.exit(f"{left} connections were left at the end, of {users} users")
PYTHON
if [[ $growth -gt $most_growth_kib ]]; then
  echo "that is more than $most_growth_kib KiB" >&2
  exit 1
fi
[[ $code -eq 0 || $code -eq 99 ]] || exit 1
