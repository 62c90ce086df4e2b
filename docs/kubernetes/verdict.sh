#!/usr/bin/env bash
# Waits for a run that `loadgen kubernetes` printed, has its results merged, shows what came of it, and ends as the whole
# did:
#
#   kubectl apply --server-side --filename run.yaml
#   docs/kubernetes/verdict.sh NAME [FLAG OF kubectl, like --namespace load]
#
# The exit code is the whole's: 0 where it passed, 99 where a threshold failed, 100 where it is invalid, because a shard
# was lost, say; 1 where there is no verdict. WAIT is how long the shards may take, those included that wait for a node,
# in seconds: an hour unless told. KUBECTL names the program unless it is `kubectl`.
set -euo pipefail

if [[ $# -eq 0 ]]; then
  echo "usage: verdict.sh NAME [FLAG OF kubectl...]" >&2
  exit 2
fi
name=$1
shift
kubectl=${KUBECTL:-kubectl}
run=app.kubernetes.io/name=loadgen,app.kubernetes.io/instance=$name,app.kubernetes.io/component

# The Job is found by its labels, as a JobSet gives it another name. What cannot be asked for once is asked for again.
over() {
  "$kubectl" get jobs --selector "$run=$1" --output 'jsonpath={.items[*].status.conditions[*].type}' "${@:2}" |
    grep -qwE 'Complete|Failed'
}

wait_for() {
  local component=$1 until=$((SECONDS + $2))
  shift 2
  until over "$component" "$@"; do
    if ((SECONDS >= until)); then
      echo "the pods of $name ($component) did not end in time; \`$kubectl get pods --selector $run=$component $*\` shows them" >&2
      exit 1
    fi
    sleep 2
  done
}

wait_for shard "${WAIT:-3600}" "$@"
"$kubectl" patch job "$name-merge" --patch '{"spec": {"suspend": false}}' "$@" >&2
wait_for merge 600 "$@"
"$kubectl" logs "job/$name-merge" "$@" || echo "its log is not to be had" >&2
code=$("$kubectl" get pods --selector "$run=merge" \
  --output 'jsonpath={.items[*].status.containerStatuses[*].state.terminated.exitCode}' "$@")
if [[ ! $code =~ ^[0-9]+$ ]]; then
  echo "the merging pod of $name left no exit code" >&2
  exit 1
fi
exit "$code"
