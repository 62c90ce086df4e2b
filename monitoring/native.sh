#!/usr/bin/env bash
# The monitoring stack without containers: StatsD, carbon and graphite-web, on loopback.
#
#   monitoring/native.sh start|stop|restart|status|clean
#
# start    installs what is missing (npm, PyPI), starts what does not run, waits until a count that
#          is sent to StatsD comes back from graphite-web
# stop     ends all
# restart  stop and start; with a PART (statsd, carbon, graphite-web) that one alone, as in `stop PART`
# status   says what runs; exit code 1 unless all do
# clean    stops, and deletes the data and the logs
#
# Environment, with what holds unless it is set:
#   MONITORING_FOLDER              target/monitoring: data, logs, pid files, settings
#   MONITORING_SOFTWARE            $MONITORING_FOLDER/software: where it is installed
#   MONITORING_STATSD_PORT         8125, UDP
#   MONITORING_STATSD_ADMIN_PORT   8126
#   MONITORING_CARBON_PORT         2003
#   MONITORING_CARBON_PICKLE_PORT  2004
#   MONITORING_CARBON_QUERY_PORT   7002
#   MONITORING_GRAPHITE_PORT       8081
#
# Needs Python 3.11 with venv, node (before 23), npm, and the cairo library for pictures.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
folder=${MONITORING_FOLDER:-${CARGO_TARGET_DIR:-$root/target}/monitoring}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
software=${MONITORING_SOFTWARE:-$folder/software}
mkdir -p "$software"
software=$(cd "$software" && pwd)

export MONITORING_STATSD_ADDRESS=127.0.0.1
export MONITORING_STATSD_PORT=${MONITORING_STATSD_PORT:-8125}
export MONITORING_STATSD_ADMIN_PORT=${MONITORING_STATSD_ADMIN_PORT:-8126}
export MONITORING_CARBON_PORT=${MONITORING_CARBON_PORT:-2003}
pickle_port=${MONITORING_CARBON_PICKLE_PORT:-2004}
query_port=${MONITORING_CARBON_QUERY_PORT:-7002}
graphite_port=${MONITORING_GRAPHITE_PORT:-8081}

parts=(carbon graphite-web statsd)
venv=$software/venv
python=$venv/bin/python
node_modules=$software/node/node_modules
# The longest that one part may take to be ready, in seconds.
patience=60

fail() {
  printf 'monitoring: %s\n' "$@" >&2
  exit 1
}

say() {
  printf 'monitoring: %s\n' "$@"
}

log_of() {
  printf '%s/log/%s.log' "$folder" "$1"
}

# The process of a part, if it runs. A process that has got the number of one that ended is not it:
# every part has its folder of settings in its command line.
pid_of() {
  local pid
  pid=$(cat "$folder/run/$1.pid" 2>/dev/null) || return 1
  [[ -n $pid && -r /proc/$pid/cmdline ]] || return 1
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep --quiet --fixed-strings "$folder/conf" || return 1
  printf '%s' "$pid"
}

# Whether a process is there with any of its threads. One that is over may stand in the list until
# somebody asks for its exit code; and while a thread is left, so are its ports.
is_there() {
  grep --quiet '^State:[[:space:]]*[^ZX]' "/proc/$1/task/"*/status 2>/dev/null
}

find_python() {
  local candidate
  for candidate in python3 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
      printf '%s' "$candidate"
      return
    fi
  done
  fail "Python 3.11 is needed, and not found; graphite-web 1.1.10 cannot be built by a later one." \
    "Install it (Debian 12: apt-get install python3 python3-venv), as python3 or python3.11 on the PATH."
}

check_tools() {
  find_python >/dev/null
  command -v node >/dev/null ||
    fail "node is not installed (Debian: apt-get install nodejs npm)"
  node -e 'process.exit(typeof require("util").log === "function" ? 0 : 1)' 2>/dev/null ||
    fail "StatsD 0.9.0 needs a node before 23, and $(command -v node) is $(node --version)"
  if ! "$(find_python)" -c 'import ctypes.util, sys; sys.exit(not ctypes.util.find_library("cairo"))'; then
    fail "the cairo library is not installed: graphite-web cannot start without it" \
      "(Debian: apt-get install libcairo2)"
  fi
}

# Each is installed once for each list of versions, and not while a part runs with what is there.
install() {
  local stamp=$venv/requirements.txt base log=$folder/log/install.log part
  for part in "${parts[@]}"; do
    ! pid_of "$part" >/dev/null || return 0
  done
  if ! cmp --silent "$here/native/requirements.txt" "$stamp"; then
    base=$(find_python)
    "$base" -c 'import ensurepip, venv' 2>/dev/null ||
      fail "Python's venv is not installed (Debian: apt-get install python3-venv)"
    say "installs carbon and graphite-web from PyPI into $venv"
    rm -rf "$venv"
    "$base" -m venv "$venv"
    local pip=("$venv/bin/pip" install --quiet --disable-pip-version-check)
    # The packages' own idea of where they belong is /opt/graphite.
    if ! (
      export GRAPHITE_NO_PREFIX=1
      grep -E '^(setuptools|wheel)==' "$here/native/requirements.txt" >"$venv/build.txt"
      "${pip[@]}" --requirement "$venv/build.txt" &&
        "${pip[@]}" --no-build-isolation --requirement "$here/native/requirements.txt"
    ) >"$log" 2>&1; then
      tail -n 30 "$log" >&2
      fail "the installation from PyPI failed; all it said is in $log"
    fi
    cp "$here/native/requirements.txt" "$stamp"
  fi
  stamp=$software/node/installed.json
  if ! cmp --silent "$here/native/package-lock.json" "$stamp"; then
    command -v npm >/dev/null || fail "npm is not installed (Debian: apt-get install npm)"
    say "installs StatsD from npm into $software/node"
    rm -rf "$software/node"
    mkdir -p "$software/node"
    cp "$here/native/package.json" "$here/native/package-lock.json" "$software/node"
    if ! npm ci --prefix "$software/node" --no-audit --no-fund --ignore-scripts --omit=optional >"$log" 2>&1; then
      tail -n 30 "$log" >&2
      fail "the installation from npm failed; all it said is in $log"
    fi
    cp "$here/native/package-lock.json" "$stamp"
  fi
}

# The shared settings as they are, but for carbon's ports.
configure() {
  local conf=$folder/conf file
  mkdir -p "$conf" "$folder/data/whisper" "$folder/log/webapp" "$folder/run"
  for file in config.js storage-schemas.conf storage-aggregation.conf local_settings.py; do
    ln -sf "$here/graphite/$file" "$conf/$file"
  done
  sed -E \
    -e "s/^(LINE_RECEIVER_PORT) *=.*/\1 = $MONITORING_CARBON_PORT/" \
    -e "s/^(PICKLE_RECEIVER_PORT) *=.*/\1 = $pickle_port/" \
    -e "s/^(CACHE_QUERY_PORT) *=.*/\1 = $query_port/" \
    -e "s|^(GRAPHITE_URL) *=.*|\1 = http://127.0.0.1:$graphite_port|" \
    "$here/graphite/carbon.conf" >"$conf/carbon.conf"
  if [[ ! -s $folder/data/secret ]]; then
    (umask 077 && "$python" -c 'import secrets; print(secrets.token_hex(32))' >"$folder/data/secret")
  fi
  # The folders above carbon's and graphite-web's code are not theirs.
  export GRAPHITE_ROOT=$folder/data GRAPHITE_STORAGE_DIR=$folder/data GRAPHITE_CONF_DIR=$conf
  # By another name: Django refuses to look for files where it would collect them.
  ln -sfn "$venv/webapp/content" "$conf/static"
  export GRAPHITE_LOG_DIR=$folder/log/webapp GRAPHITE_WEBAPP_DIR=$venv/webapp GRAPHITE_STATIC_ROOT=$conf/static
  export GRAPHITE_CARBONLINK_HOSTS=127.0.0.1:$query_port
  GRAPHITE_SECRET_KEY=$(cat "$folder/data/secret")
  export GRAPHITE_SECRET_KEY
  export GRAPHITE_SETTINGS_MODULE=local_settings DJANGO_SETTINGS_MODULE=graphite.settings
  export PYTHONPATH=$conf PYTHONUNBUFFERED=1 MONITORING_CARBON_HOST=127.0.0.1
}

# Fails if a port that a part wants is another's.
check_ports() {
  local taken
  taken=$("$python" - "$@" <<'PYTHON'
import socket, sys
for want in sys.argv[1:]:
    name, kind, port = want.split(":")
    try:
        with socket.socket(type=socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as found:
            if kind == "tcp":
                # Connections that ended a moment ago do not count.
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(("127.0.0.1", int(port)))
    except (OSError, OverflowError, ValueError) as error:
        print(f"port {port}/{kind} cannot be had: {getattr(error, 'strerror', None) or error}; set {name} to take another")
PYTHON
  )
  if [[ -n $taken ]]; then
    while IFS= read -r line; do printf 'monitoring: %s\n' "$line" >&2; done <<<"$taken"
    fail "not started. \`ss -lntup\` shows who has them."
  fi
}

launch() {
  local part=$1
  shift
  say "starts $part"
  setsid nohup "$@" </dev/null >>"$(log_of "$part")" 2>&1 &
  printf '%s\n' $! >"$folder/run/$part.pid"
}

# Waits until a part that was just launched answers, or says why it will not.
await() {
  local part=$1 until=$((SECONDS + patience)) pid
  pid=$(cat "$folder/run/$1.pid")
  shift
  until "$@" 2>/dev/null; do
    if ! is_there "$pid"; then
      tail -n 20 "$(log_of "$part")" >&2
      fail "$part ended while it started; above is the end of $(log_of "$part")"
    fi
    if ((SECONDS >= until)); then
      tail -n 20 "$(log_of "$part")" >&2
      fail "$part did not answer within $patience s; above is the end of $(log_of "$part")"
    fi
    sleep 0.1
  done
}

connects() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1")
}

carbon_answers() {
  connects "$MONITORING_CARBON_PORT" && connects "$query_port" && connects "$pickle_port"
}

web_answers() {
  "$python" - "http://127.0.0.1:$graphite_port/version/" <<'PYTHON'
import sys, urllib.request
urllib.request.urlopen(sys.argv[1], timeout=5).read()
PYTHON
}

statsd_answers() {
  local said
  exec 3<>"/dev/tcp/127.0.0.1/$MONITORING_STATSD_ADMIN_PORT" || return 1
  printf 'health\n' >&3
  read -r -t 5 said <&3
  exec 3>&-
  [[ $said == "health: up" ]]
}

# A count goes the whole way: to StatsD over UDP, to carbon, and out of graphite-web.
whole_way() {
  "$python" - "$MONITORING_STATSD_PORT" "$graphite_port" "$patience" <<'PYTHON'
import json, socket, sys, time, urllib.request
statsd, graphite, patience = map(int, sys.argv[1:])
began = int(time.time())
query = f"http://127.0.0.1:{graphite}/render?target=stats.counters.statsd.started.count&format=json&from={began - 1}"
with socket.socket(type=socket.SOCK_DGRAM) as to_statsd:
    to_statsd.sendto(b"statsd.started:1|c", ("127.0.0.1", statsd))
until = time.monotonic() + patience
while True:
    try:
        with urllib.request.urlopen(query, timeout=10) as answer:
            if any(point[0] for series in json.load(answer) for point in series["datapoints"]):
                break
    except OSError:
        # graphite-web fails when it reads a file that carbon is just making.
        pass
    if time.monotonic() > until:
        sys.exit(1)
    time.sleep(0.1)
PYTHON
}

start_carbon() {
  # One that was killed has left its own behind, and it would be believed.
  rm -f "$folder/data/carbon-cache-a.pid"
  launch carbon "$python" "$venv/bin/carbon-cache.py" "--config=$folder/conf/carbon.conf" --nodaemon start
  await carbon carbon_answers
}

start_graphite_web() {
  local log=$folder/log/migrate.log
  if ! "$venv/bin/django-admin" migrate --run-syncdb >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail "graphite-web's database could not be made; all that was said is in $log"
  fi
  launch graphite-web "$venv/bin/gunicorn" "--pythonpath=$folder/conf" "--bind=127.0.0.1:$graphite_port" \
    --workers=2 --timeout=60 --no-control-socket graphite.wsgi:application
  await graphite-web web_answers
}

start_statsd() {
  launch statsd node "$node_modules/statsd/stats.js" "$folder/conf/config.js"
  await statsd statsd_answers
}

start() {
  local part wanted=() started=0
  check_tools
  mkdir -p "$folder/log"
  install
  configure
  for part in "$@"; do
    pid_of "$part" >/dev/null && continue
    case $part in
      statsd) wanted+=("MONITORING_STATSD_PORT:udp:$MONITORING_STATSD_PORT"
        "MONITORING_STATSD_ADMIN_PORT:tcp:$MONITORING_STATSD_ADMIN_PORT") ;;
      carbon) wanted+=("MONITORING_CARBON_PORT:tcp:$MONITORING_CARBON_PORT"
        "MONITORING_CARBON_PICKLE_PORT:tcp:$pickle_port"
        "MONITORING_CARBON_QUERY_PORT:tcp:$query_port") ;;
      graphite-web) wanted+=("MONITORING_GRAPHITE_PORT:tcp:$graphite_port") ;;
    esac
  done
  check_ports "${wanted[@]}"
  for part in "$@"; do
    if pid_of "$part" >/dev/null; then
      say "$part runs already"
    else
      "start_${part//-/_}"
      started=1
    fi
  done
  [[ $# -eq ${#parts[@]} ]] || return 0
  if [[ $started -eq 1 ]] && ! whole_way; then
    tail -n 10 "$(log_of carbon)" "$(log_of statsd)" >&2
    fail "all parts run, but a count sent to StatsD did not come back from graphite-web within $patience s;" \
      "above is what carbon and StatsD said last"
  fi
  say "is ready" \
    "  send to        loadgen run … --statsd 127.0.0.1:$MONITORING_STATSD_PORT --graphite http://127.0.0.1:$graphite_port" \
    "  look at        http://127.0.0.1:$graphite_port (Graphite; Grafana's data source is the same address)" \
    "  a picture      http://127.0.0.1:$graphite_port/render?target=stats.counters.loadgen.*.completed.count&target=drawAsInfinite(events('loadgen'))&from=-5min&width=900&height=400" \
    "  ask StatsD     127.0.0.1:$MONITORING_STATSD_ADMIN_PORT (\`counters\`, \`gauges\`, \`stats\`)" \
    "  data and logs  $folder/data, $folder/log" \
    "  end it with    ${MONITORING_FOLDER:+MONITORING_FOLDER=$folder }monitoring/native.sh stop"
}

stop() {
  local part pid until
  for part in "$@"; do
    if ! pid=$(pid_of "$part"); then
      say "$part does not run"
      rm -f "$folder/run/$part.pid"
      continue
    fi
    say "stops $part"
    kill -TERM "$pid" 2>/dev/null || true
    until=$((SECONDS + 20))
    while is_there "$pid"; do
      if ((SECONDS >= until)); then
        say "$part does not end when asked; it is killed"
        kill -KILL -- "-$pid" 2>/dev/null || true
        until=$((SECONDS + 20))
      fi
      sleep 0.05
    done
    rm -f "$folder/run/$part.pid"
  done
}

status() {
  local part pid status=0
  for part in "$@"; do
    if pid=$(pid_of "$part"); then
      say "$part runs (process $pid, log $(log_of "$part"))"
    else
      say "$part does not run"
      status=1
    fi
  done
  return "$status"
}

usage() {
  sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
}

what=${1:-}
[[ $# -eq 0 ]] || shift
for part in "$@"; do
  [[ " ${parts[*]} " == *" $part "* ]] || fail "no part is called \"$part\"; there are: ${parts[*]}"
done
chosen=("$@")
[[ $# -gt 0 ]] || chosen=("${parts[@]}")
backwards=()
for part in "${chosen[@]}"; do backwards=("$part" "${backwards[@]}"); done

case $what in
  start) start "${chosen[@]}" ;;
  # What sends ends before what it sends to.
  stop) stop "${backwards[@]}" ;;
  restart)
    stop "${backwards[@]}"
    start "${chosen[@]}"
    ;;
  status) status "${chosen[@]}" ;;
  clean)
    [[ $# -eq 0 ]] || fail "clean is for all parts together"
    # What `configure` made; without it the folders are somebody else's.
    if [[ ! -L $folder/conf/config.js ]]; then
      say "nothing was ever started in $folder; nothing is deleted"
      exit
    fi
    stop "${backwards[@]}"
    rm -rf "$folder/data" "$folder/log" "$folder/run" "$folder/conf"
    say "has deleted its data and logs; what is installed stays in $software"
    ;;
  -h | --help | help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
