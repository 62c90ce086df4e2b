"""What loadgen says of who answered, through Envoy, Traefik, nginx, HAProxy and ours, beside what these say."""

import collections
import json
import unittest

import trustme
from balancing import FOREIGN, Balancer, Configured, serve, serve_http, service
from harness import Foreign, Run, Serve, free_port, servers
from proxies import Haproxy
from test_identity import Folder

NAMES = ("b1", "b2", "b3")
HELLO = {"grpc": {"method": "loadgen.v1.Greeter/Hello"}}


class Counts(unittest.TestCase):
    """Each server's count is the balancer's own: the tests are made below, for each program and what goes through."""

    def through(self, program, what):
        kind, protocol, step, unit, fields = WHAT[what]
        named = [self.enterContext(_serve(protocol, name)) for name in NAMES]
        ports = [it.port for it in named]
        with _front(program, kind, ports) as front:
            plan = {
                "name": what,
                "targets": [f"127.0.0.1:{front.port}"],
                "load": {"closed": {"users": 6, "iterations": 90}},
                "steps": [step],
                **fields,
            }
            with Run(plan) as running:
                (found,) = running.result()["scenarios"]
            pool = front.pool()["backends"] if program == "ours" else []
        counted = {int(it["address"].rsplit(":", 1)[1]): it["opened"] for it in pool} or _logged(program, front.log)
        told = {it["id"]: it[unit] for it in servers(found)}
        # Traefik has no word on connections. To the others of them, the look whether they listen is one more.
        if (program, kind) != ("traefik", "tcp"):
            more = {name: counted[port] - told[name] for name, port in zip(NAMES, ports, strict=True)}
            looked = kind == "tcp" and program != "ours"
            self.assertEqual(sorted(more.values()), [0, 0, int(looked)], more)
        self.assertEqual(sum(it["requests"] for it in servers(found)), 90)
        # They take turns, so each gets its part to a unit or two, whoever does more than one thing at a time.
        self.assertLessEqual(max(told.values()) - min(told.values()), 2, told)


def _serve(protocol, name):
    if protocol == "tcp":
        return serve(name)
    if protocol == "http":
        return serve_http(name)
    server = Serve("--id", name, protocol=protocol)
    server.port = int(server.address.rsplit(":", 1)[1])
    return server


def _front(program, kind, ports):
    if program != "ours":
        return FOREIGN[program](kind, *ports)
    if kind == "tcp":
        return Configured("tcp", {"backends": [{"address": f"127.0.0.1:{it}"} for it in ports], "health": "off"})
    protocol = {"http": "http/1.1", "h2": "h2"}[kind]
    return Balancer(service("all", *ports, protocol=protocol, health="off"))


def _logged(program, log):
    """How often a program wrote that it sent something to a port."""
    if program == "traefik":
        log = [json.loads(line).get("ServiceAddr", "") for line in log]
    return collections.Counter(int(it.rsplit(":", 1)[1]) for it in log if it.rsplit(":", 1)[-1].isdigit())


# What goes through: how the balancer speaks, whom it is for, a step, what of a server's row the balancer counts too.
CHAT = {"method": "loadgen.v1.Greeter/Chat", "message": {"text": "ping"}, "repeat": 3}
OPENED = {"connection_per": "iteration"}
GREETED = {"identify": {"greeting": "(.+)"}, **OPENED}
WHAT = {
    "unary": ("h2", "grpc", HELLO, "requests", {}),
    "streams": ("h2", "grpc", {"grpc": CHAT}, "requests", {}),
    "websocket": ("http", "websocket", {"websocket": {"path": "/ping", "send": {"text": "x"}}}, "connections", OPENED),
    "http": ("http", "http", {"http": {"path": "/hello"}}, "requests", {}),
    "tcp": ("tcp", "tcp", {"tcp": {"send": {"text": "x\n"}, "receive": {"until": "\n"}}}, "connections", GREETED),
}


def _count(program, what):
    return lambda self: self.through(program, what)


for program in (*FOREIGN, "ours"):
    for what in WHAT:
        setattr(Counts, f"test_{program}_{what}", _count(program, what))


class Distribution(unittest.TestCase):
    """Shares that are as they should be, and such as are not, of servers behind real proxies."""

    def judged(self, front, plan, exit_code):
        """The run through this proxy, and its expectations by what is expected."""
        plan = {"name": "shares", "targets": [f"127.0.0.1:{front.port}"], "steps": [HELLO], "thresholds": [], **plan}
        with Run(plan) as running:
            (found,) = running.result(exit_code)["scenarios"]
        return found

    def split(self, weights):
        """What is said where 70 to 30 is expected of a proxy that has these weights."""
        named = [self.enterContext(Serve("--id", it)) for it in NAMES[:2]]
        servers = "".join(f"server {it.address} weight={weight};" for it, weight in zip(named, weights, strict=True))
        expected = {"distribution": {"weights": {"b1": 70, "b2": 30}, "within": "5%"}}
        plan = {"load": {"closed": {"users": 8, "iterations": 4000}}, "expect": expected}
        with _nginx(servers) as front:
            holds = weights == (70, 30)
            found = self.judged(front, plan, 0 if holds else 99)
        (expectation,) = found["expectations"]
        self.assertEqual(expectation["verdict"], "holds" if holds else "fails", expectation)
        return expectation["observed"]

    def test_seventy_to_thirty_is_told_from_sixty_two_to_thirty_eight(self):
        self.split((70, 30))
        self.assertIn("62", self.split((62, 38)))

    def dispersion(self, turns):
        """χ² over its degrees of freedom, of servers that take turns in this way."""
        named = [self.enterContext(Serve("--id", f"b{it}", "--threads", "1")) for it in range(8)]
        plan = {"load": {"closed": {"users": 8, "iterations": 4000}}, "thresholds": ["balance.dispersion < 1000"]}
        with _nginx(f"{turns} zone pool 64k; " + "".join(f"server {it.address};" for it in named)) as front:
            found = self.judged(front, plan, 0)
        (threshold,) = found["thresholds"]
        return threshold["observed"]

    def test_turns_and_chance(self):
        """By chance it is 1 on the average; with 8 servers one of 500 runs is outside."""
        self.assertLess(self.dispersion(""), 0.01)
        by_chance = self.dispersion("random;")
        self.assertTrue(0.1 < by_chance < 3.4, by_chance)


def _nginx(servers):
    port = free_port()
    folders = " ".join(f"{it}_temp_path FOLDER/{it};" for it in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return Foreign(
        "nginx",
        f"""
worker_processes 1; daemon off; pid FOLDER/pid; events {{ worker_connections 1024; }}
http {{
  {folders} access_log off; keepalive_requests 1000000;
  upstream pool {{ {servers} keepalive 64; keepalive_requests 1000000; }}
  server {{ listen 127.0.0.1:{port} http2; location / {{ grpc_pass grpc://pool; }} }}
}}
""",
        port,
    )


class Ring(Haproxy):
    """Who is asked is decided by a header field, on a ring of servers."""

    turns = "hdr(session)\n  hash-type consistent"


class Modulo(Haproxy):
    """The same by the number of servers."""

    turns = "hdr(session)\n  hash-type map-based"


class Stickiness(unittest.TestCase):
    """300 keys, of which those of one server have to move when that is killed."""

    KEY = "session-{{ (user * 37 + iteration) % 300 }}"

    def through(self, kind):
        """What is said of the keys, and whether they stayed as they should."""
        ports = [free_port() for _ in NAMES]
        places = {name: f"127.0.0.1:{it}" for name, it in zip(NAMES, ports, strict=True)}
        with kind(ports) as proxy:
            plan = {
                "name": "keys",
                "targets": [f"127.0.0.1:{proxy.port}"],
                "load": {"open": {"rate": "300/s", "duration": "8s"}},
                "warm_up": "1s",
                "steps": [{"grpc": {**HELLO["grpc"], "metadata": {"session": self.KEY}}}],
                "events": [{"at": "3s", "kill": "b2", "for": "3s"}],
                "expect": {"sticky": {"key": self.KEY}},
                "thresholds": [],
            }
            with Run(plan, suite={"backends": {"serve": "grpc"} | places}) as running:
                (found,) = running.result((0, 99))["scenarios"]
        (expectation,) = found["expectations"]
        return found["stickiness"], expectation

    def test_a_ring_moves_what_has_to_move(self):
        keys, expectation = self.through(Ring)
        self.assertEqual(expectation["verdict"], "holds", expectation)
        self.assertEqual((keys["keys"], keys["breaks"], round(keys["optimum"], 3)), (300, 0, 0.333))
        self.assertEqual({it["from"] for it in keys["moves"] if it["to"] != "b2"}, {"b2"})
        # Those that were first seen while b2 was away have only gone to it since.
        moved = {it["key"] for it in keys["moves"] if it["from"] == "b2"}
        self.assertAlmostEqual(keys["disruption"], len(moved) / 300, places=5)
        # Servers have their parts of the ring by chance.
        self.assertTrue(0.15 < keys["disruption"] < 0.55, keys["disruption"])

    def test_a_table_moves_more(self):
        keys, expectation = self.through(Modulo)
        self.assertEqual(expectation["verdict"], "fails", expectation)
        self.assertGreater(keys["breaks"], 0)
        self.assertGreater(keys["disruption"], 0.5)


VERSIONS = ("v1.1", "v1.2", "v2.1", "v2.2")


class Routing(unittest.TestCase):
    """Agents of four versions through proxies that end TLS and choose servers by a header. Tests are made below."""

    def through(self, program, wrong):
        """One whose rule forgets v2.2 fails, by the name of what leaked and to whom."""
        names = ("v1a", "v1b", "v2a", "v2b")
        ports = [int(self.enterContext(Serve("--id", it)).address.rsplit(":", 1)[1]) for it in names]
        authority, folder = trustme.CA(), self.enterContext(Folder())
        certificate = authority.issue_cert("127.0.0.1")
        pem = certificate.private_key_and_cert_chain_pem.bytes()
        rule = r"v2\.1" if wrong else r"v2\."
        plan = {
            "name": "agents",
            "for_each": {"version": list(VERSIONS)},
            "tls": {"ca_file": folder.write("ca.pem", authority.cert_pem.bytes())},
            "load": {"closed": {"users": 2, "iterations": 40}},
            "steps": [{"grpc": {**CHAT, "metadata": {"agent-version": "{{ version }}"}}}],
            "expect": {"route": {"version": {"v1.*": "v1*", "v2.*": "v2*"}}},
            "thresholds": [],
        }
        with PROXIES[program](ports, rule, pem) as front:
            plan["targets"] = [f"https://127.0.0.1:{front.port}"]
            with Run(plan) as running:
                document = running.result(99 if wrong else 0)
        found = {it["name"].removeprefix("agents-"): it for it in document["scenarios"]}
        for version, scenario in found.items():
            (expectation,) = [it for it in scenario["expectations"] if "route" in it["expression"]]
            leaks = wrong and version == "v2.2"
            self.assertEqual(expectation["verdict"], "fails" if leaks else "holds", expectation)
            answered = {it["id"] for it in servers(scenario)}
            of = "v1" if leaks else version[:2]
            self.assertEqual(answered, {f"{of}a", f"{of}b"}, version)
            if leaks:
                self.assertIn("v1a", expectation["observed"])


def _envoy(ports, rule, pem):
    port = free_port()
    at = lambda it: {"address": {"socket_address": {"address": "127.0.0.1", "port_value": it}}}
    types = "type.googleapis.com/envoy.extensions"
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    agent = {"name": "agent-version", "string_match": {"safe_regex": {"regex": f"{rule}.*"}}}
    chosen = {"match": {"prefix": "/", "headers": [agent]}, "route": {"cluster": "v2"}}
    routes = [chosen, {"match": {"prefix": "/"}, "route": {"cluster": "v1"}}]
    router = {"@type": f"{types}.filters.http.router.v3.Router"}
    manager = {
        "@type": f"{types}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config": router}],
    }
    files = {"certificate_chain": {"filename": "FOLDER/both.pem"}, "private_key": {"filename": "FOLDER/both.pem"}}
    tls = {
        "@type": f"{types}.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"alpn_protocols": ["h2"], "tls_certificates": [files]},
    }
    chain = {
        "transport_socket": {"name": "tls", "typed_config": tls},
        "filters": [{"name": "way", "typed_config": manager}],
    }
    spoken = {"@type": f"{types}.upstreams.http.v3.HttpProtocolOptions"}
    spoken["explicit_http_config"] = {"http2_protocol_options": {}}
    clusters = [
        {
            "name": name,
            "connect_timeout": "5s",
            "typed_extension_protocol_options": {options: spoken},
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [{"endpoint": at(it)} for it in behind]}],
            },
        }
        for name, behind in (("v1", ports[:2]), ("v2", ports[2:]))
    ]
    resources = {"listeners": [{"name": "in", **at(port), "filter_chains": [chain]}], "clusters": clusters}
    return Foreign("envoy", json.dumps({"static_resources": resources}), port, {"both.pem": pem.decode()})


def _traefik(ports, rule, pem):
    port, told = free_port(), free_port()
    static = {
        "entryPoints": {"in": {"address": f"127.0.0.1:{port}"}, "traefik": {"address": f"127.0.0.1:{told}"}},
        "api": {"insecure": True},
        "providers": {"providersThrottleDuration": "10ms", "file": {"filename": "FOLDER/routes.yaml"}},
        "log": {"level": "ERROR"},
    }
    of = lambda name, rule, priority: {
        "entryPoints": ["in"], "rule": rule, "priority": priority, "service": name, "tls": {}
    }
    server = lambda it: {"url": f"h2c://127.0.0.1:{it}"}
    routes = {
        "routers": {
            "v2": of("v2", f"HeaderRegexp(`agent-version`, `^{rule}`)", 2),
            "v1": of("v1", "PathPrefix(`/`)", 1),
        },
        "services": {
            "v1": {"loadBalancer": {"servers": [server(it) for it in ports[:2]]}},
            "v2": {"loadBalancer": {"servers": [server(it) for it in ports[2:]]}},
        },
    }
    both = {"certFile": "FOLDER/both.pem", "keyFile": "FOLDER/both.pem"}
    files = {
        "routes.yaml": json.dumps({"http": routes, "tls": {"stores": {"default": {"defaultCertificate": both}}}}),
        "both.pem": pem.decode(),
    }
    ready = f"http://127.0.0.1:{told}/api/http/routers/v2@file"
    return Foreign("traefik", json.dumps(static), port, files, ready)


def _nginx_by_version(ports, rule, pem):
    port = free_port()
    folders = " ".join(f"{it}_temp_path FOLDER/{it};" for it in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    v1, v2 = ("".join(f"server 127.0.0.1:{it};" for it in behind) for behind in (ports[:2], ports[2:]))
    config = f"""
worker_processes 1; daemon off; pid FOLDER/pid; events {{ worker_connections 1024; }}
http {{
  {folders} access_log off;
  upstream v1 {{ {v1} keepalive 8; }} upstream v2 {{ {v2} keepalive 8; }}
  map $http_agent_version $pool {{ "~^{rule}" v2; default v1; }}
  server {{
    listen 127.0.0.1:{port} ssl http2; ssl_certificate FOLDER/both.pem; ssl_certificate_key FOLDER/both.pem;
    location / {{ grpc_pass grpc://$pool; }}
  }}
}}
"""
    return Foreign("nginx", config, port, {"both.pem": pem.decode()})


def _haproxy(ports, rule, pem):
    port = free_port()
    server = lambda it: f"  server s{it} 127.0.0.1:{it} proto h2\n"
    v1, v2 = ("".join(server(it) for it in behind) for behind in (ports[:2], ports[2:]))
    config = f"""
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend in
  bind 127.0.0.1:{port} ssl crt FOLDER/both.pem alpn h2
  use_backend v2 if {{ req.hdr(agent-version) -m reg ^{rule} }}
  default_backend v1
backend v1
  balance roundrobin
{v1}backend v2
  balance roundrobin
{v2}"""
    return Foreign("haproxy", config, port, {"both.pem": pem.decode()})


PROXIES = {"envoy": _envoy, "traefik": _traefik, "nginx": _nginx_by_version, "haproxy": _haproxy}


def _route(program, wrong):
    return lambda self: self.through(program, wrong)


for program in PROXIES:
    for wrong in (False, True):
        name = "a_rule_that_forgets_one" if wrong else "the_right_rule"
        setattr(Routing, f"test_{program}_{name}", _route(program, wrong))


if __name__ == "__main__":
    unittest.main()
