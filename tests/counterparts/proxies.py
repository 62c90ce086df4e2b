"""Envoy, Traefik, nginx, HAProxy and ours in front of gRPC servers, with logs of whom each request was given to."""

import dataclasses
import datetime
import json
import re
import tempfile
import time

from balancing import Balancer, service
from harness import Foreign, free_port


@dataclasses.dataclass(order=True)
class Given:
    """A request that a proxy gave to a server, by the proxy's own log: seconds of the clock, and a port."""

    at: float
    port: int
    is_ok: bool
    # How long it took, in seconds.
    took: float


class Proxy:
    """A proxy with a log, in front of servers on these ports. Use it in a `with`."""

    # From one event to the next, in seconds: by then it has come back to a server.
    apart = 7
    # Whether its log tells of streams that it refuses.
    logs_refused = True

    def __init__(self, ports):
        self.ports = ports
        self.port = free_port()
        self._program = None

    def __enter__(self):
        self._program = self.start()
        self._program.__enter__()
        return self

    def __exit__(self, *_):
        self._program.__exit__()

    def tell(self, what):
        """Sends it a signal."""
        self._program.tell(what)

    def log(self):
        """Whom it gave each request to, in their order, once it has ended."""
        return sorted(self.given(line) for line in self._program.log)

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
    # Of its side towards clients.
    hcm = ""

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
          {self.hcm}
          access_log:
          - name: file
            typed_config:
              "@type": {extensions}.access_loggers.file.v3.FileAccessLog
              path: FOLDER/log
              log_format:
                text_format_source:
                  inline_string: "%START_TIME(%s.%6f)% %UPSTREAM_HOST% %GRPC_STATUS(NUMBER)% %DURATION%\\n"
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
        at, host, status, took = line.split()
        port = int(host.rsplit(":", 1)[1]) if ":" in host else 0
        return Given(float(at), port, status == "0", float(took) / 1000)


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

    # Of its side towards clients.
    transport = ""
    health = "healthCheck: { mode: grpc, interval: 500ms, timeout: 300ms }"

    def start(self):
        servers = ", ".join(f'{{ url: "h2c://127.0.0.1:{it}" }}' for it in self.ports)
        told = free_port()
        config = f"""
entryPoints:
  in: {{ address: "127.0.0.1:{self.port}" {self.transport} }}
  traefik: {{ address: "127.0.0.1:{told}" }}
api: {{ insecure: true }}
providers: {{ file: {{ filename: FOLDER/dynamic.yaml }} }}
accessLog: {{ filePath: FOLDER/log, format: json }}
log: {{ level: ERROR }}
"""
        dynamic = f"""
http:
  routers: {{ all: {{ entryPoints: [in], rule: "PathPrefix(`/`)", service: pool }} }}
  services:
    pool:
      loadBalancer:
        {self.health}
        servers: [ {servers} ]
"""
        # It listens before it knows where to.
        ready = f"http://127.0.0.1:{told}/api/http/routers/all@file"
        return Foreign("traefik", config, self.port, files={"dynamic.yaml": dynamic}, ready=ready)

    def given(self, line):
        entry = json.loads(line)
        whole, fraction = entry["StartUTC"].rstrip("Z").split(".")
        at = time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) - time.timezone + float(f"0.{fraction}")
        port = int(entry["ServiceAddr"].rsplit(":", 1)[1]) if entry.get("ServiceAddr") else 0
        return Given(at, port, entry["DownstreamStatus"] == 200, entry["Duration"] / 1e9)


class Nginx(Proxy):
    """As it is when nothing is said: who has failed is left alone for ten seconds."""

    apart = 16
    # On a connection of a client's.
    requests = 10_000_000
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
  access_log FOLDER/log lb;
  keepalive_requests {self.requests}; http2_max_concurrent_streams 1024;
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
        is_ok = status == "200" and grpc_status in ("0", "-0", "0-", "--")
        return Given(float(end) - float(took), port, is_ok, float(took))


class NginxAll(Nginx):
    """Who has failed is tried again after a second, and its requests go to another."""

    apart = Proxy.apart
    server = "max_fails=1 fail_timeout=1s"
    again = "grpc_connect_timeout 1s; grpc_read_timeout 1s; grpc_next_upstream error timeout non_idempotent;"


class Haproxy(Proxy):
    """A check of the TCP port twice a second; nothing is sent again."""

    logs_refused = False
    turns = "roundrobin"

    server = "check inter 500ms fall 2 rise 1"
    again = ""

    def start(self):
        servers = "".join(f"  server s{it} 127.0.0.1:{it} proto h2 {self.server}\n" for it in self.ports)
        config = f"""
global
  tune.h2.max-concurrent-streams 1024
  log stdout format raw local0 info
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
frontend in
  bind 127.0.0.1:{self.port} proto h2
  log global
  log-format "%Ts.%ms %s %ST %tsc %Ta"
  default_backend pool
backend pool
  balance {self.turns}
{self.again}{servers}"""
        return Foreign("haproxy", config, self.port)

    def log(self):
        # That it stops it says in there, too.
        return sorted(self.given(line) for line in self._program.log if line[:1].isdigit())

    def given(self, line):
        at, server, status, ended, took = line.split()
        port = int(server[1:]) if server.startswith("s") and server[1:].isdigit() else 0
        is_ok = status == "200" and ended.startswith("--")
        return Given(float(at), port, is_ok, float(took) / 1000)


class HaproxyAll(Haproxy):
    """Who fails is marked at once, and its requests go to another."""

    server = Haproxy.server + " observe layer4 error-limit 5 on-error mark-down on-marked-down shutdown-sessions"
    again = "  option redispatch 1\n  retries 2\n  retry-on conn-failure empty-response response-timeout\n"


class Ours(Proxy):
    """Our balancer of HTTP, with its check twice a second."""

    def start(self):
        return Logged(self.ports, self.port)

    def given(self, line):
        found = re.search(
            r'^(\S+)Z DEBUG request .* backend="(?:[^:"]*:(\d+))?" status=(\d+) took=([0-9.]+)(\S+) end="(.*)"', line
        )
        end, port, status, took, unit, how = found.groups()
        end = datetime.datetime.fromisoformat(end).replace(tzinfo=datetime.UTC).timestamp()
        took = float(took) * {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1}[unit]
        return Given(end - took, int(port or 0), status == "200" and how == "whole", took)


class Logged(Balancer):
    """Our balancer of HTTP, whose lines about requests are in `log` once it has ended. Use it in a `with`."""

    def __init__(self, ports, port):
        self.log = []
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8")
        pool = service("pool", *ports, protocol="h2", health={"interval": "500ms", "rise": 1, "fall": 2})
        super().__init__(pool, listen=port, stderr=self._said, flags=["--log-level", "debug"])

    def __exit__(self, *rest):
        super().__exit__(*rest)
        with self._said:
            self._said.seek(0)
            self.log = [line for line in self._said if " DEBUG request " in line]


KINDS = (Envoy, EnvoyChecks, EnvoyAll, Traefik, Nginx, NginxAll, Haproxy, HaproxyAll, Ours)
