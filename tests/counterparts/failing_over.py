"""Proxies in front of three gRPC servers that a run starts and kills, and what their own logs say of it.

    just failover [ROUNDS] [PROXY...]

prints what loadgen says of each failover beside what the proxy's log says, medians of the rounds, in seconds.
"""

import contextlib
import dataclasses
import json
import pathlib
import re
import socket
import statistics
import sys
import tempfile
import threading
import time

from harness import Foreign, Run, free_port

# What it takes to say that something is over, in seconds, as in loadgen's definitions.
SETTLE = 0.5
NAMES = ("b1", "b2", "b3")


@dataclasses.dataclass(order=True)
class Given:
    """A request that a proxy gave to a server, by the proxy's own log."""

    at: float
    port: int
    is_ok: bool


class Listening:
    """When a port of this machine is listened at and when not, by the kernel's own table. Use it in a `with`."""

    def __init__(self, port):
        self._pattern = re.compile(rf" 0100007F:{port:04X} 00000000:0000 0A ")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.gone = []
        self.back = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _watch(self):
        table, was = pathlib.Path("/proc/net/tcp"), False
        while not self._over.wait(0.002):
            listens = bool(self._pattern.search(table.read_text(encoding="ascii")))
            if was != listens:
                (self.back if listens else self.gone).append(time.time())
                was = listens


def figures(log, port, gone, back):
    """What the log of a proxy says of a server that was gone and came back: seconds from either, and counts."""
    log = sorted(it for it in log)
    ports = {it.port for it in log if it.port}
    before = [it for it in log if gone - 3 <= it.at < gone]
    away = [it for it in log if gone <= it.at < back]
    # Whoever has nobody to name has failed with the one that is gone.
    of_it = [it for it in away if it.port in (port, 0)]
    # What was under way when it went has begun a little before.
    found = {"lost": sum(not it.is_ok for it in log if it.at >= gone - 0.1), "detected": 0.0, "relapses": 0}
    last = gone
    for it in of_it:
        if it.at - last >= SETTLE:
            break
        last = it.at
    found["detected"] = last - gone if back - last >= SETTLE else None
    if found["detected"] is not None:
        found["relapses"] = sum(it.at > last for it in of_it)
    recovered = gone
    for it in log:
        if it.at < gone or it.is_ok:
            continue
        if it.at - recovered >= SETTLE:
            break
        recovered = it.at
    found["recovered"] = recovered - gone
    share = sum(it.port == port for it in before) / len(before)
    assert 0.8 < share * len(ports) < 1.2, f"{share} of {len(ports)}"
    returned = next((it.at for it in log if it.at >= back and it.port == port and it.is_ok), None)
    found["returned"] = returned and returned - back
    found["rebalanced"] = None
    if returned is not None:
        ends = max(it.at for it in log) - 1
        for begin in (it.at for it in log if back <= it.at <= ends):
            window = [it for it in log if begin <= it.at < begin + 1]
            if abs(sum(it.port == port for it in window) / len(window) / share - 1) <= 0.2:
                found["rebalanced"] = begin - back
                break
    return found


class Proxy:
    """A proxy with a log, in front of servers on these ports. Use it in a `with`."""

    def __init__(self, ports):
        self.ports = ports
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self._folder.name, "log")
        self._program = None

    def __enter__(self):
        self._program = self.start()
        self._program.__enter__()
        return self

    def __exit__(self, *_):
        self._program.__exit__()

    def log(self):
        """Its log, once it has ended."""
        with self._folder:
            lines = self.path.read_text(encoding="utf-8").splitlines()
            return [self.given(line) for line in lines]

    def start(self):
        """The program."""
        raise NotImplementedError

    def given(self, line):
        """What a line of its log says."""
        raise NotImplementedError


class Envoy(Proxy):
    """Active health checks of gRPC twice a second, two that fail; nothing is sent again."""

    extra = ""
    retry = ""

    def start(self):
        ends = "".join(
            f"{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {it} }} }} }} }}, "
            for it in self.ports
        )
        extensions = "type.googleapis.com/envoy.extensions"
        config = f"""
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {self.port} }} }}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": {extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          access_log:
          - name: file
            typed_config:
              "@type": {extensions}.access_loggers.file.v3.FileAccessLog
              path: {self.path}
              log_format:
                text_format_source: {{ inline_string: "%START_TIME(%s.%6f)% %UPSTREAM_HOST% %GRPC_STATUS(NUMBER)%\\n" }}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [ {{ match: {{ prefix: "/" }}, route: {{ cluster: pool, timeout: 0s {self.retry} }} }} ]
          http_filters:
          - name: router
            typed_config: {{ "@type": {extensions}.filters.http.router.v3.Router }}
  clusters:
  - name: pool
    connect_timeout: 1s
    common_lb_config: {{ healthy_panic_threshold: {{ value: 0 }} }}
    {self.extra}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": {extensions}.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{ http2_protocol_options: {{}} }}
    load_assignment: {{ cluster_name: pool, endpoints: [ {{ lb_endpoints: [ {ends} ] }} ] }}
"""
        return Foreign("envoy", config, self.port)

    def given(self, line):
        at, host, status = line.split()
        port = int(host.rsplit(":", 1)[1]) if ":" in host else 0
        return Given(float(at), port, status == "0")


class EnvoyChecks(Envoy):
    """The same, with the checks that make it notice."""

    # Without the second interval, nobody is checked for a minute.
    extra = (
        "health_checks: [ { timeout: 0.3s, interval: 0.5s, no_traffic_interval: 0.5s, unhealthy_threshold: 2, "
        "healthy_threshold: 1, grpc_health_check: {} } ]"
    )


class EnvoyAll(EnvoyChecks):
    """Checks, outlier detection, and calls that are sent again."""

    extra = EnvoyChecks.extra + (
        "\n    outlier_detection: { consecutive_gateway_failure: 5, consecutive_5xx: 5, interval: 0.5s, "
        "base_ejection_time: 1s, max_ejection_percent: 50 }"
        "\n    circuit_breakers: { thresholds: [ { max_retries: 1024 } ] }"
    )
    retry = ', retry_policy: { retry_on: "connect-failure,reset,unavailable", num_retries: 2 }'


class Traefik(Proxy):
    """Active health checks of gRPC twice a second; nothing is sent again."""

    def start(self):
        servers = ", ".join(f'{{ url: "h2c://127.0.0.1:{it}" }}' for it in self.ports)
        config = f"""
entryPoints: {{ in: {{ address: "127.0.0.1:{self.port}" }} }}
providers: {{ file: {{ filename: FOLDER/dynamic.yaml }} }}
accessLog: {{ filePath: "{self.path}", format: json }}
log: {{ level: ERROR }}
"""
        dynamic = f"""
http:
  routers: {{ all: {{ entryPoints: [in], rule: "PathPrefix(`/`)", service: pool }} }}
  services:
    pool:
      loadBalancer:
        healthCheck: {{ mode: grpc, interval: 500ms, timeout: 300ms }}
        servers: [ {servers} ]
"""
        return Foreign("traefik", config, self.port, files={"dynamic.yaml": dynamic})

    def given(self, line):
        entry = json.loads(line)
        whole, fraction = entry["StartUTC"].rstrip("Z").split(".")
        at = time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) - time.timezone + float(f"0.{fraction}")
        port = int(entry["ServiceAddr"].rsplit(":", 1)[1]) if entry.get("ServiceAddr") else 0
        return Given(at, port, entry["DownstreamStatus"] == 200)


class Nginx(Proxy):
    """As it is when nothing is said: who has failed is left alone for ten seconds."""

    server = ""
    again = ""

    def start(self):
        servers = " ".join(f"server 127.0.0.1:{it} {self.server};" for it in self.ports)
        temporary = " ".join(
            f"{it}_temp_path FOLDER/{it};" for it in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config = f"""
worker_processes 1; daemon off; pid FOLDER/pid; events {{ worker_connections 1024; }}
http {{
  {temporary}
  log_format lb "$msec $request_time $status $sent_trailer_grpc_status$sent_http_grpc_status $upstream_addr";
  access_log {self.path} lb;
  keepalive_requests 10000000; http2_max_concurrent_streams 1024;
  upstream pool {{ zone pool 64k; {servers} keepalive 256; keepalive_requests 10000000; }}
  server {{ listen 127.0.0.1:{self.port} http2; location / {{ grpc_pass grpc://pool; {self.again} }} }}
}}
"""
        return Foreign("nginx", config, self.port)

    def given(self, line):
        end, took, status, *rest = line.replace(", ", ",").split(" ")
        grpc_status, upstream = rest[0], rest[-1]
        hosts = [it for it in upstream.split(",") if ":" in it]
        port = int(hosts[-1].rsplit(":", 1)[1]) if hosts else 0
        return Given(float(end) - float(took), port, status == "200" and grpc_status in ("0", "-0", "0-", "--"))


class Haproxy(Proxy):
    """A check of the TCP port twice a second; nothing is sent again."""

    server = "check inter 500ms fall 2 rise 1"
    again = ""

    def __init__(self, ports):
        super().__init__(ports)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._listen)

    def _listen(self):
        with contextlib.suppress(OSError), self.path.open("wb") as log:
            while line := self._socket.recv(4096):
                log.write(line.rstrip(b"\n") + b"\n")

    def __enter__(self):
        self._thread.start()
        return super().__enter__()

    def __exit__(self, *rest):
        super().__exit__(*rest)
        time.sleep(0.2)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as teller:
            teller.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def start(self):
        servers = "".join(f"  server s{it} 127.0.0.1:{it} proto h2 {self.server}\n" for it in self.ports)
        log = self._socket.getsockname()[1]
        config = f"""
global
  log 127.0.0.1:{log} format raw local0 info
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
frontend in
  bind 127.0.0.1:{self.port} proto h2
  log global
  log-format "%Ts.%ms %s %ST %tsc"
  default_backend pool
backend pool
  balance roundrobin
{self.again}{servers}"""
        return Foreign("haproxy", config, self.port)

    def given(self, line):
        at, server, status, ended = line.split()
        port = int(server[1:]) if server.startswith("s") and server[1:].isdigit() else 0
        return Given(float(at), port, status == "200" and ended.startswith("--"))


class HaproxyAll(Haproxy):
    """Who fails is marked at once, and its requests go to another."""

    server = Haproxy.server + " observe layer4 error-limit 5 on-error mark-down on-marked-down shutdown-sessions"
    again = "  option redispatch 1\n  retries 2\n  retry-on conn-failure empty-response response-timeout\n"


KINDS = (Envoy, EnvoyChecks, EnvoyAll, Traefik, Nginx, Haproxy, HaproxyAll)


def fail_over(kind, *, rate=300, at=3.0, away=3.0, lasts=10.0):
    """A run through this kind of proxy in which b2 is killed and comes back.

    What loadgen says of the failover, and what the proxy's log says.
    """
    ports = [free_port() for _ in NAMES]
    places = {name: f"127.0.0.1:{it}" for name, it in zip(NAMES, ports, strict=True)}
    with kind(ports) as proxy, Listening(ports[1]) as listening:
        scenario = {
            "name": "failover",
            "targets": [f"127.0.0.1:{proxy.port}"],
            "load": {"open": {"rate": f"{rate}/s", "duration": f"{lasts}s"}},
            # The proxy was there before its servers were, and has to find them first.
            "warm_up": "2s",
            "steps": [{"grpc": {"method": "loadgen.v1.Greeter/Hello"}}],
            "events": [{"at": f"{at}s", "kill": "b2", "for": f"{away}s"}],
            "thresholds": [],
        }
        with Run(scenario, suite={"backends": {"serve": "grpc"} | places}) as running:
            document = running.result(expect=(0, 99))
        (found,) = document["scenarios"]
    (gone,), (_, back) = listening.gone[:1], listening.back
    (failover,) = found["failovers"]
    return failover, figures(proxy.log(), ports[1], gone, back)


def main(rounds, names):
    """Prints a line for each figure of each proxy."""
    print(f"{'':14}{'':12}{'loadgen':>10}{'its log':>10}")
    for kind in KINDS:
        if names and kind.__name__ not in names:
            continue
        seen = [fail_over(kind) for _ in range(rounds)]
        for figure in ("lost", "detected", "recovered", "rebalanced", "relapses"):
            told = [it.get(figure, it.get(f"{figure}_s")) for it, _ in seen]
            logged = [it[figure] for _, it in seen]
            print(f"{kind.__name__:14}{figure:12}{_median(told):>10}{_median(logged):>10}", flush=True)


def _median(values):
    """Of those that there are; what never was in a round is said."""
    known = [it for it in values if it is not None]
    if len(known) * 2 <= len(values):
        return "never"
    return f"{statistics.median(known):.3f}".rstrip("0").rstrip(".")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1, sys.argv[2:])
