#!/usr/bin/env bash
# A load from several machines that have ssh and Open MPI, and no cluster: a shard for each slot of a host file, and
# one result of all of them:
#
#   docs/mpirun/loadgen.sh HOSTS checkout.yaml --target api.example.com:443
#
# HOSTS is a host file of Open MPI, lines like `load-1.example.com slots=1`. Behind it stands what `loadgen run` takes.
# Every machine needs loadgen, what the scenario is made of in the same place as here, and lets this one in by ssh
# without a question. Here loadgen-TIME is made:
#
#   shards/N.json, shards.log      what each shard measured, and what they said
#   whole.json, report.html, junit.xml      the result of the whole
#
# COORDINATOR_PORT is a free port of the first host at which all meet: they then begin at the same moment, and stop
# together. Without it each begins when mpirun gets to it.
#
# The exit code is the whole's: 0 where it passed, 99 where a threshold failed, 100 where it is invalid, because a
# shard was lost, say. LOADGEN names the program unless it is `loadgen`, SSH the one to reach machines with unless it
# is `ssh`, MPIRUN_FLAGS what mpirun is to be told besides.
set -euo pipefail

if [[ $# -lt 2 ]]; then
  echo "usage: loadgen.sh HOSTS SCENARIO [FLAG OF loadgen run...]" >&2
  exit 2
fi
hosts=$1
shift
export LOADGEN=${LOADGEN:-loadgen}
whole=$PWD/loadgen-$(date +%Y%m%dT%H%M%S)
export SHARDS=$whole/shards
mkdir "$whole"
mkdir "$SHARDS"
ssh=${SSH:-ssh}

export LOADGEN_COORDINATOR_TOKEN=${LOADGEN_COORDINATOR_TOKEN:-$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')}
together=()
if [[ -n ${COORDINATOR_PORT:-} ]]; then
  together=(--coordinator "$(awk '!/^[[:space:]]*#/ && NF { print $1; exit }' "$hosts"):$COORDINATOR_PORT")
fi

# A shard that fails or is killed ends no other one: mpirun would have it so, and is not told. The rest is measured, and
# the verdict says what is missing. Where mpirun itself has to end, shards have a while to write what they did.
# Ctrl-C stops all shards at once, and a second one cuts off what is under way. mpirun itself would let half a minute
# pass before it told them: it is kept from Ctrl-C in a session of its own, and passes on SIGUSR1 as soon as it has it.
# shellcheck disable=SC2016,SC2086
setsid mpirun --hostfile "$hosts" --map-by node --mca plm_rsh_agent "$ssh" --mca odls_base_sigkill_timeout 30 \
  ${MPIRUN_FLAGS:-} -x LOADGEN -x SHARDS -x LOADGEN_COORDINATOR_TOKEN bash -c 'mkdir -p "$SHARDS"
    (trap "" USR1; NO_COLOR=1 exec "$LOADGEN" run "$@" --shard auto --out "json=$SHARDS/$OMPI_COMM_WORLD_RANK.json") &
    shard=$!
    trap "kill -TERM $shard" USR1 TERM
    code=0
    wait $shard || code=$?
    # A signal ends the waiting, and not the shard.
    while kill -0 $shard 2>/dev/null; do code=0; wait $shard || code=$?; done
    [[ $code -eq 0 ]] || echo "shard $OMPI_COMM_WORLD_RANK ended with exit code $code" >&2' shard "$@" "${together[@]}" \
  >"$whole/shards.log" 2>&1 </dev/null &
mpirun=$!
trap 'kill -USR1 $mpirun' INT TERM
code=0
wait $mpirun || code=$?
while kill -0 $mpirun 2>/dev/null; do code=0; wait $mpirun || code=$?; done
trap - INT TERM
[[ $code -eq 0 ]] || echo "mpirun ended with exit code $code: shards.log says why" >&2

# Results come from where they were written; in a folder that all machines share they are here already.
while read -r host; do
  $ssh -n "$host" "tar -C $(printf %q "$SHARDS") -cf - ." | tar -C "$SHARDS" --skip-old-files -xf - ||
    echo "there is nothing to be had from $host" >&2
done < <(awk '!/^[[:space:]]*#/ && NF { print $1 }' "$hosts")

# Of a shard that was killed it takes the journal.
exec "$LOADGEN" merge --strict "$SHARDS" \
  --out "json=$whole/whole.json" --out "html=$whole/report.html" --out "junit=$whole/junit.xml"
