"""Balancers as processes, ours and other people's, and servers with a journal behind them."""

import collections
import json
import os
import pathlib
import queue
import re
import signal
import socket
import subprocess
import tempfile
import urllib.request

import grpc
from google.protobuf import json_format
from harness import HERE, LOADGEN, PATIENCE, Foreign, free_port, tool, wait_for
from prometheus_client.parser import text_string_to_metric_families
from server import ITEM, STATUS_MESSAGE
from shop.v1 import item_pb2, shop_pb2, shop_pb2_grpc

# How much more of everything `just proof-balance` asks for.
ROUNDS = int(os.environ.get("PROOF_ROUNDS", "1"))
# Who is dead refuses connections, and is out after five of them; who stands still, after a second. A machine that is
# busy for less takes nobody for dead.
CHECKS = {"interval": "200ms", "timeout": "200ms", "rise": 1, "fall": 5}


class Process:
    """A process, of loadgen unless told, that says on a line of its standard output where it listens.

    Use it in a `with`.
    """

    def __init__(self, *command, program=LOADGEN, environment=None, stderr=None):
        self._start([program, *command], environment, stderr)

    def _start(self, command, environment=None, stderr=None):
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
            env={**os.environ, **(environment or {})},
        )
        line = self._process.stdout.readline()
        self.port = int(re.search(r" listening on \S*:(\d+) ", line)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.send(signal.SIGCONT)
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def send(self, what):
        """Sends it a signal."""
        if self._process.poll() is None:
            self._process.send_signal(what)

    def freeze(self):
        """Stops it where it stands."""
        self.send(signal.SIGSTOP)
        stat = pathlib.Path(f"/proc/{self._process.pid}/stat")
        wait_for("it stands", lambda: ") T " in stat.read_text(encoding="utf-8"))

    def go_on(self):
        """Lets it run again."""
        self.send(signal.SIGCONT)

    def memory(self, file, key):
        """A figure of its memory, in KiB."""
        text = pathlib.Path(f"/proc/{self._process.pid}/{file}").read_text(encoding="utf-8")
        return int(re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)[1])

    def ended(self):
        """Its exit code, once it has ended."""
        return self._process.wait(timeout=PATIENCE)


def serve(name, port=0):
    """A backend that tells its name at the beginning of every connection, and then sends back what it gets."""
    return Process(
        "serve", "tcp", "--address", f"127.0.0.1:{port}", "--id", name, "--identity-on-connect"
    )


def serve_http(name):
    """A backend over HTTP that tells its name in a header."""
    return Process("serve", "http", "--address", "127.0.0.1:0", "--id", name)


class Journaled(Process):
    """A server on Node that keeps a journal: `kind` is `http`, `h2` or `tcp`. Use it in a `with`.

    The journal goes on where it starts again.
    """

    def __init__(self, kind, name, folder, *, port=0, host="127.0.0.1", backlog=511):
        self.name = name
        self._path = pathlib.Path(folder, name)
        script = HERE / "server_journal.cjs"
        self._command = lambda port: [
            *(tool("node"), script, kind, name, self._path, str(port), host, str(backlog))
        ]
        self._start(self._command(port))

    def kill(self):
        """Ends it as a crash would."""
        self.send(signal.SIGKILL)
        self.ended()

    def again(self):
        """Starts it again on the same port."""
        self._process.stdout.close()
        self._start(self._command(self.port))

    def journal(self):
        """What it has written down so far, in order."""
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def ids(self, what):
        """The ids of the requests of which it has written this down, one for each time."""
        return [it["id"] for it in self.journal() if it["what"] == what]


def balance(*backends, flags=()):
    """Our balancer over these backends."""
    named = [f"--backend=127.0.0.1:{it}" for it in backends]
    return Process("balance", "tcp", "--listen", "127.0.0.1:0", *named, *flags)


def service(name, *ports, **fields):
    """A service for all paths over these backends, checked often."""
    return {
        "name": name,
        "routes": [{"path": "/**"}],
        "backends": [{"address": f"127.0.0.1:{port}"} for port in ports],
        "health": {"interval": "100ms", "rise": 1, "fall": 2},
    } | fields


class Configured(Process):
    """Our balancer by a configuration, with a status page. Use it in a `with`."""

    def __init__(self, kind, config, *, listen=0, flags=(), **process):
        self._folder = tempfile.TemporaryDirectory()
        path = pathlib.Path(self._folder.name, "balancer.json")
        self.status_port = free_port()
        config = {"status": f"127.0.0.1:{self.status_port}"} | config
        path.write_text(json.dumps(config), encoding="utf-8")
        command = ("balance", kind, "--listen", f"127.0.0.1:{listen}", "--config", str(path), *flags)
        super().__init__(*command, **process)

    def __exit__(self, *rest):
        super().__exit__(*rest)
        self._folder.cleanup()

    def _ask(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}{path}", timeout=PATIENCE) as answer:
            return answer.read()

    def status(self):
        """What its page says, as JSON."""
        return json.loads(self._ask("/status"))

    def metrics(self):
        """The values of each metric, by name and labels in order, as Prometheus reads them."""
        text = self._ask("/metrics").decode()
        found = {}
        for family in text_string_to_metric_families(text):
            for it in family.samples:
                key = (it.name.removeprefix("loadgen_balancer_"), *it.labels.values())
                found[key] = int(it.value)
        return found

    def pool(self):
        """How its backends stand, those of the first service where there are services."""
        status = self.status()
        return status["services"][0]["pool"] if "services" in status else status["pool"]

    def backend(self, port):
        """How the one on this port stands."""
        (found,) = [it for it in self.pool()["backends"] if it["address"].endswith(f":{port}")]
        return found

    def until(self, port, state):
        """Waits until the one on this port is in this state."""
        wait_for(state, lambda: self.backend(port)["state"] == state)


class Balancer(Configured):
    """Our balancer for these services, the first of which is the default one."""

    def __init__(self, *services, environment=None, listen=0, flags=(), stderr=None, **fields):
        config = {"services": services, "default_service": services[0]["name"]} | fields
        super().__init__("http", config, environment=environment, listen=listen, flags=flags, stderr=stderr)

    def requests(self):
        """What it has counted of the first service's requests."""
        return self.status()["services"][0]["requests"]


# Each of them writes down where it sent what it was asked for, and nothing else.
HAPROXY_LOG = '  log stdout format raw local0\n  log-format "%si:%sp"\n'
NGINX_LOG = "log_format whom $upstream_addr; access_log FOLDER/log whom;"


def nginx(*backends):
    """nginx as a proxy of HTTP that keeps connections, round robin."""
    return _nginx("http", *backends)


def haproxy(backends, listen="", send=""):
    """HAProxy in TCP mode, round robin."""
    port = free_port()
    servers = "".join(f"  server b{it} 127.0.0.1:{it} {send}\n" for it in backends)
    config = (
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
        f"{HAPROXY_LOG}listen all\n  bind 127.0.0.1:{port} {listen}\n  balance roundrobin\n{servers}"
    )
    return Foreign("haproxy", config, port)


def _nginx(kind, *backends):
    port = free_port()
    servers = "".join(f"server 127.0.0.1:{it};" for it in backends)
    head = "daemon off; worker_processes 1; pid FOLDER/pid; events { worker_connections 256; }\n"
    if kind == "tcp":
        module = f"{os.environ['NGINX_MODULES']}/ngx_stream_module.so"
        config = f"load_module {module}; {head} stream {{ {NGINX_LOG} upstream all {{ {servers} }}\n"
        config += f"server {{ listen 127.0.0.1:{port}; proxy_pass all; proxy_half_close on; }} }}\n"
        return Foreign("nginx", config, port)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"{kind}_temp_path FOLDER/{kind}; " for kind in kinds)
    places = {
        "http": "proxy_pass http://all; proxy_http_version 1.1; proxy_buffering off; "
        "proxy_request_buffering off; proxy_set_header upgrade $http_upgrade; "
        "proxy_set_header connection $hop;",
        "h2": "grpc_pass grpc://all;",
    }
    listen = {"http": "", "h2": "http2"}
    config = (
        f"{head} http {{ {NGINX_LOG} client_max_body_size 0; {folders}\n"
        f"upstream all {{ {servers} keepalive 8; }} map $http_upgrade $hop {{ default upgrade; '' ''; }}\n"
        f"server {{ listen 127.0.0.1:{port} {listen[kind]}; location / {{ {places[kind]} }} }} }}\n"
    )
    return Foreign("nginx", config, port)


def _haproxy(kind, *backends):
    if kind == "tcp":
        return haproxy(backends)
    port = free_port()
    speaks = {"http": "", "h2": "proto h2"}[kind]
    servers = "".join(f"  server b{it} 127.0.0.1:{it} {speaks}\n" for it in backends)
    config = (
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
        "  timeout tunnel 60s\n  option http-no-delay\n"
        f"{HAPROXY_LOG}listen all\n  bind 127.0.0.1:{port} {speaks}\n  balance roundrobin\n{servers}"
    )
    return Foreign("haproxy", config, port)


def _envoy(kind, *backends):
    port = free_port()
    filters = "type.googleapis.com/envoy.extensions.filters"
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

    def at(port):
        return {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}

    whom = {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": "FOLDER/log",
        "log_format": {"text_format_source": {"inline_string": "%UPSTREAM_HOST%\n"}},
    }
    log = [{"name": "file", "typed_config": whom}]
    manager = {
        "@type": f"{filters}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "delayed_close_timeout": "0s",
        "access_log": log,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "all", "timeout": "0s"}}],
                }
            ]
        },
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{filters}.http.router.v3.Router"}}
        ],
    }
    relay = {
        "@type": f"{filters}.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "in",
        "cluster": "all",
        "access_log": log,
    }
    way = {"name": "way", "typed_config": relay if kind == "tcp" else manager}
    listener = {"name": "in", **at(port), "filter_chains": [{"filters": [way]}]}
    cluster = {
        "name": "all",
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": "all",
            "endpoints": [{"lb_endpoints": [{"endpoint": at(it)} for it in backends]}],
        },
    }
    if kind == "h2":
        spoken = {"explicit_http_config": {"http2_protocol_options": {}}}
        spoken["@type"] = f"type.googleapis.com/{options}"
        cluster["typed_extension_protocol_options"] = {options: spoken}
    resources = {"listeners": [listener], "clusters": [cluster]}
    return Foreign("envoy", json.dumps({"static_resources": resources}), port)


def _traefik(kind, *backends):
    port, told = free_port(), free_port()
    static = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "entryPoints": {
            "in": {"address": f"127.0.0.1:{port}"},
            "traefik": {"address": f"127.0.0.1:{told}"},
        },
        "api": {"insecure": True},
        # It would gather changes for 2 s, the first of them too.
        "providers": {"providersThrottleDuration": "10ms", "file": {"filename": "FOLDER/routes.yaml"}},
        "log": {"level": "ERROR"},
        # It has none of connections.
        "accessLog": {"filePath": "FOLDER/log", "format": "json"},
    }
    scheme = {"http": "http://", "h2": "h2c://", "tcp": ""}[kind]
    key = "address" if kind == "tcp" else "url"
    servers = [{key: f"{scheme}127.0.0.1:{it}"} for it in backends]
    rule = "HostSNI(`*`)" if kind == "tcp" else "PathPrefix(`/`)"
    layer = "tcp" if kind == "tcp" else "http"
    balanced = {"servers": servers}
    routes = {
        "routers": {"all": {"entryPoints": ["in"], "rule": rule, "service": "all"}},
        "services": {"all": {"loadBalancer": balanced}},
    }
    if layer == "tcp":
        # Unless told, it cuts a connection off 100 ms after one side has ended its own.
        balanced["serversTransport"] = "patient"
        routes["serversTransports"] = {"patient": {"terminationDelay": "60s"}}
    # JSON is YAML.
    files = {"routes.yaml": json.dumps({layer: routes})}
    ready = f"http://127.0.0.1:{told}/api/{layer}/routers/all@file"
    return Foreign("traefik", json.dumps(static), port, files, ready)


# Other people's balancers, round robin over backends on these ports: `http` is HTTP/1.1 on both sides with upgrades,
# `h2` HTTP/2 on both sides in plain text, `tcp` bytes.
FOREIGN = {"nginx": _nginx, "haproxy": _haproxy, "envoy": _envoy, "traefik": _traefik}


def ask(port, text=b"hello"):
    """Sends a text, ends its side, and returns the name of who answered and the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(text)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    name, _, rest = answer.partition(b"\n")
    return name.decode(), rest


def connections_to(port):
    """How many connections to this port of loopback are open."""
    ends = f":{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in list(table)[1:]]
    return sum(1 for row in rows if row[1].endswith(ends) and row[3] == "01")


def shares(names):
    """How often each of them is there."""
    return dict(collections.Counter(names))


def call_shop(channel, rounds):
    """Calls of each kind to a shop, so many rounds; how many there were, by the shop's own words."""
    shop = shop_pb2_grpc.ShopStub(channel)
    item = json_format.ParseDict(ITEM, item_pb2.Item())
    lines = [shop_pb2.Line(text=f"line {number}") for number in range(5)]
    for _ in range(rounds):
        assert shop.Find(item, timeout=PATIENCE) == item
        listed = shop.List(shop_pb2.ListRequest(count=20), timeout=PATIENCE)
        assert [it.id for it in listed] == [str(it) for it in range(20)]
        assert shop.Order(iter([item] * 20), timeout=PATIENCE).items == 20
        # Each line is said once the one before has come back.
        heard = queue.Queue()
        talk = shop.Talk(iter(heard.get, None), timeout=PATIENCE)
        for line in lines:
            heard.put(line)
            assert next(talk) == line
        heard.put(None)
        assert list(talk) == []
        try:
            shop.Fail(shop_pb2.FailRequest(code=5, every=1), timeout=PATIENCE)
            raise AssertionError("it should fail")
        except grpc.RpcError as error:
            assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, STATUS_MESSAGE)
    return dict.fromkeys(("find", "list", "order", "talk", "fail_NOT_FOUND"), rounds)
