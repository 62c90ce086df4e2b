#!/usr/bin/env bash
# The monitoring stack in containers: StatsD, Graphite, Grafana and the reference servers.
#
#   monitoring/compose.sh [--prod] up|down|reset|status|check
#
# up      builds loadgen's image, starts everything, waits until all of it is healthy
# down    stops and removes the containers; what Graphite and Grafana stored is kept
# reset   removes the containers and all that they stored, and starts anew
# status  lists the containers and their health
# check   whether Docker is here and takes the files; starts nothing
#
# --prod adds docker-compose.prod.yml for up, reset and check; it needs GRAFANA_ADMIN_PASSWORD.
#
# Environment, with what holds unless it is set: MONITORING_BIND (127.0.0.1), MONITORING_STATSD_PORT
# (8125), MONITORING_GRAPHITE_PORT (8081), MONITORING_GRAFANA_PORT (3000), MONITORING_GRPC_PORT
# (50051), MONITORING_WEBSOCKET_PORT (8080), and MONITORING_{GRAPHITE,GRAFANA,BACKEND}_CPUS.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
}

say() {
  printf 'monitoring: %s\n' "$@"
}

fail() {
  printf 'monitoring: %s\n' "$@" >&2
  exit 1
}

native="Without containers the same stack, but for Grafana, starts with \`monitoring/native.sh start\`."

files=(--file "$here/docker-compose.yml")
prod=
if [[ ${1:-} == --prod ]]; then
  prod=1
  shift
fi
command=${1:-}
case $command in
  up | reset | check)
    [[ -z $prod ]] || files+=(--file "$here/docker-compose.prod.yml")
    ;;
  # Both go by the name of the stack, and need no password.
  down | status) ;;
  help | --help | -h)
    usage
    exit
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac
if [[ $# -gt 1 ]]; then
  usage >&2
  exit 2
fi

# Fills `compose` with the command that is Docker Compose, version 2.24.4 or later: `!override`
# came with it.
find_compose() {
  local version major minor patch rest
  if ! command -v docker >/dev/null; then
    fail "docker is not installed: nothing called \`docker\` is on the PATH." \
      "Install Docker Engine with its compose plugin: https://docs.docker.com/engine/install/" "$native"
  fi
  if version=$(docker compose version --short 2>/dev/null); then
    compose=(docker compose)
  elif version=$(docker-compose version --short 2>/dev/null); then
    compose=(docker-compose)
  else
    fail "docker is here, its compose plugin is not: \`docker compose version\` fails." \
      "Install the plugin (package docker-compose-plugin, or docker-compose-v2 on Ubuntu):" \
      "https://docs.docker.com/compose/install/linux/" "$native"
  fi
  version=${version#v}
  IFS=.-+ read -r major minor patch rest <<<"$version"
  if [[ ! $major$minor$patch =~ ^[0-9]+$ ]] ||
    ((major * 1000000 + minor * 1000 + patch < 2024004)); then
    fail "Docker Compose 2.24.4 or later is needed, and \`${compose[*]}\` is $version." \
      "https://docs.docker.com/compose/install/linux/" "$native"
  fi
  compose+=("${files[@]}")
}

find_engine() {
  local said
  if ! said=$(docker version --format '{{.Server.Version}}' 2>&1); then
    fail "Docker's engine does not answer:" "  ${said##*$'\n'}" \
      "Is it running (systemctl status docker), and may you use it (group docker)?" "$native"
  fi
}

check_files() {
  "${compose[@]}" config --quiet ||
    fail "Docker Compose does not take the files, see above."
}

up() {
  # What the image says of itself.
  LOADGEN_VERSION=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
  LOADGEN_REVISION=$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)
  export LOADGEN_VERSION LOADGEN_REVISION
  say "builds loadgen's image (minutes the first time) and starts the stack"
  if ! "${compose[@]}" up --detach --build --remove-orphans --wait --wait-timeout 300; then
    "${compose[@]}" ps --all || true
    fail "not everything came up, see above; what a service says: ${compose[*]} logs SERVICE" \
      "Where a port is taken, choose another: MONITORING_GRAFANA_PORT=3001 $0 ${prod:+--prod }up"
  fi
  local bind=${MONITORING_BIND:-127.0.0.1} host
  host=$bind
  [[ $bind != 0.0.0.0 ]] || host=127.0.0.1
  say "everything is up" \
    "  Grafana    http://$host:${MONITORING_GRAFANA_PORT:-3000}/d/loadgen-overview" \
    "  StatsD     $host:${MONITORING_STATSD_PORT:-8125} (UDP)" \
    "  gRPC       $host:${MONITORING_GRPC_PORT:-50051}" \
    "  WebSocket  $host:${MONITORING_WEBSOCKET_PORT:-8080}"
  local run="cargo run --release -- run --scenario stress_all --duration 60s"
  run+=" --grpc-target $host:${MONITORING_GRPC_PORT:-50051}"
  run+=" --websocket-target $host:${MONITORING_WEBSOCKET_PORT:-8080}"
  run+=" --statsd $host:${MONITORING_STATSD_PORT:-8125}"
  if [[ -z $prod ]]; then
    say "  Graphite   http://$host:${MONITORING_GRAPHITE_PORT:-8081}"
    run+=" --graphite http://$host:${MONITORING_GRAPHITE_PORT:-8081}"
  fi
  say "a load to look at:" "  $run"
}

# The image of Graphite declares folders as volumes that have no name; they would be left behind
# with every container.
down() {
  "${compose[@]}" rm --stop --force --volumes
  "${compose[@]}" down --remove-orphans
}

find_compose
# No engine is needed to read the files.
check_files
case $command in
  check)
    find_engine
    say "Docker is here and takes the files"
    ;;
  status)
    find_engine
    "${compose[@]}" ps --all
    ;;
  up)
    find_engine
    up
    ;;
  down)
    find_engine
    down
    say "stopped; what was stored is kept: \`$0 up\` goes on with it, \`$0 reset\` deletes it"
    ;;
  reset)
    find_engine
    "${compose[@]}" down --volumes --remove-orphans
    say "what was stored is deleted"
    up
    ;;
esac
