#!/usr/bin/env bash
# Checks the stack in containers as far as that can be done without a container engine.
#
#   monitoring/check.sh [TEST...]     TEST like test_containers.Compose; all of them unless told
#
# Scripts with shellcheck, YAML with yamllint, the Dockerfile with hadolint; each is first shown
# something broken, which it must refuse. The compose files are read by Docker Compose itself, and
# looked through as it understood them. The build context is made as .dockerignore leaves it, and
# the Dockerfile's cargo command checks the code in there. The reference servers and their health
# checks run as the compose file says, without the containers around them.
#
# LOADGEN names the binary; unless it is set, the newer of the release and the debug build is taken.
# Needs cargo, python3 with venv, and the first time PyPI within reach. What is missing fails:
# nothing is skipped.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$target/containers"
target=$(cd "$target" && pwd)
work=$target/containers

if [[ -z ${LOADGEN:-} ]]; then
  LOADGEN=$target/release/loadgen
  if [[ $target/debug/loadgen -nt $LOADGEN ]]; then
    LOADGEN=$target/debug/loadgen
  fi
fi
if [[ ! -x $LOADGEN ]]; then
  echo "no loadgen binary: build one with \`cargo build\`, or set LOADGEN" >&2
  exit 1
fi
LOADGEN=$(realpath "$LOADGEN")

# The environment is made once for each set of tools.
venv=$work/venv
stamp=$venv/installed.txt
wanted=$(cat "$here/containers/tools.txt" "$here/containers/requirements.txt")
if [[ ! -f $stamp || $(<"$stamp") != "$wanted" ]]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  pip=("$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary ":all:")
  "${pip[@]}" --require-hashes --no-deps --requirement "$here/containers/tools.txt"
  "${pip[@]}" --requirement "$here/containers/requirements.txt"
  printf '%s\n' "$wanted" >"$stamp"
fi
export PATH=$venv/bin:$PATH

cd "$root"

# A linter that takes everything would pass for ever.
must_refuse() {
  local name=$1 text=$2
  shift 2
  if printf '%s\n' "$text" | "$@" >/dev/null 2>&1; then
    echo "$name takes what is broken: $text" >&2
    exit 1
  fi
}

echo "shellcheck"
# shellcheck disable=SC2016 # It is what the broken script says.
must_refuse shellcheck 'rm $1' shellcheck --shell bash -
shellcheck monitoring/*.sh

echo "yamllint"
yaml=(yamllint --strict --config-file monitoring/.yamllint.yml)
must_refuse yamllint $'a: 1\na: 2' "${yaml[@]}" -
"${yaml[@]}" monitoring/*.yml monitoring/.yamllint.yml monitoring/grafana/provisioning

echo "hadolint"
must_refuse hadolint 'FROM debian:latest' hadolint -
hadolint Dockerfile

# An environment that says something about the stack would change what is checked.
unset "${!MONITORING_@}" "${!GRAFANA_@}" "${!COMPOSE_@}" "${!LOADGEN_@}"
unset "${!OTEL_@}" GRAPHITE_URL STATSD_HOST STATSD_PORT GRPC_HOST GRPC_PORT WEBSOCKET_HOST WEBSOCKET_PORT
export LOADGEN CONTAINERS_WORK=$work PYTHONDONTWRITEBYTECODE=1

echo "servers of $LOADGEN"
cd monitoring/containers
if [[ $# -gt 0 ]]; then
  exec timeout --kill-after=10 900 python3 -m unittest -v "$@"
fi
exec timeout --kill-after=10 900 python3 -m unittest discover -v
