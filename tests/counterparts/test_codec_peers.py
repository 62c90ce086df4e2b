"""`loadgen run` with the codec of its own at other people's servers and proxies that end connections while calls are
made on them: drains, and servers that go and come back. Both ends count the same calls, and none is lost."""

import re
import signal
import time
import unittest

import proxies
from harness import HERE, PROTOS, Foreign, Run, Server, call, free_port, run_one, scenario, tool
from server import ITEM
from server import Server as Grpcio

FILES = [str(PROTOS), str(PROTOS / "shop" / "v1" / "shop.proto")]
CALLS = 3000
# Ten times as long as connections last where a time ends them.
LASTING = {"open": {"rate": "500/s", "duration": "4s", "users": {"max": 50}}}
LASTING_CALLS = 2000


class Peers(unittest.TestCase):
    def plan(self, address, load=None, **fields):
        """Calls of sixteen users on two connections."""
        load = load or {"closed": {"users": 16, "iterations": CALLS}}
        fields = {"connections": 2, "codec": "own", "protos": FILES} | fields
        return scenario("find", address, call("Find", ITEM), load=load, **fields)

    def check(self, found, calls, least_opened):
        """All calls are ok, on so many connections at least, which the other side has ended."""
        self.assertEqual(found["codec"], "own")
        self.assertEqual(found["outcomes"], {"ok": calls}, found["failures"])
        self.assertGreaterEqual(found["connections"]["opened"], least_opened)
        self.assertEqual(found["connections"]["failed"], 0)

    def through(self, proxy, least_opened, load=None, calls=CALLS):
        """Makes calls through a proxy: the server behind it and the proxy's log say as many as loadgen does."""
        with Grpcio() as server:
            with proxy([int(server.address.rsplit(":", 1)[1])]) as front:
                found = run_one(self.plan(f"127.0.0.1:{front.port}", load))
            counts = server.shop.counts()
        self.check(found, calls, least_opened)
        self.assertEqual(counts, {"find": calls})
        log = front.log()
        self.assertEqual((len(log), sum(it.is_ok for it in log)), (calls, calls))

    def test_grpcio_that_ends_connections(self):
        age = [("grpc.max_connection_age_ms", 300), ("grpc.max_connection_age_grace_ms", 5000)]
        with Grpcio(options=age) as server:
            found = run_one(self.plan(server.address, LASTING))
            counts = server.shop.counts()
        self.check(found, LASTING_CALLS, least_opened=8)
        self.assertEqual(counts, {"find": LASTING_CALLS})

    def goes_and_comes_back(self, start, end, may=frozenset()):
        """A server that is asked to go and started again, twice, while calls are made. What found nobody was not sent,
        and whatever was sent was answered: together they have counted what was ok.

        `may` are outcomes of calls that a server which is about to go answers without having asked its service.
        """
        port = free_port()
        server = start(port)
        with Run(self.plan(f"127.0.0.1:{port}", LASTING)) as running:
            counted = []
            for _ in range(2):
                time.sleep(1)
                counted.append(end(server))
                time.sleep(0.2)
                server = start(port)
            (found,) = running.result(expect=(0, 99))["scenarios"]
        counted.append(end(server))
        outcomes = dict(found["outcomes"])
        self.assertEqual(sum(counted), outcomes.pop("ok"), counted)
        self.assertEqual(set(outcomes) - may, {"connect"}, found["failures"])
        self.assertEqual(found["ledger"]["planned"], LASTING_CALLS)
        self.assertTrue(all(it > 100 for it in counted), counted)

    def test_grpcio_that_goes_and_comes_back(self):
        def start(port):
            return Grpcio(port=port).__enter__()

        def end(server):
            server.__exit__()
            return server.shop.counts()["find"]

        self.goes_and_comes_back(start, end, may={"grpc.CANCELLED"})

    def test_grpc_js_that_goes_and_comes_back(self):
        """Its connections last half a second besides."""

        def start(port):
            return Server(tool("node"), str(HERE / "server_grpc.cjs"), port=port)

        self.goes_and_comes_back(start, lambda server: int(server.end().split()[1]))

    def test_nghttpd(self):
        """It knows no gRPC: all that it says is that there is no such file, with padding, in a small table, to few
        streams with small windows at a time. It tells of each frame."""
        port = free_port()
        flags = f"--max-concurrent-streams=5 --padding=100 --header-table-size=100 --window-bits=10 {port}"
        with Foreign("nghttpd", flags, port) as server:
            found = run_one(self.plan(f"127.0.0.1:{port}"))
        self.assertEqual(found["codec"], "own")
        self.assertEqual(found["outcomes"], {"ok": 0, "http.404": CALLS})
        said = "\n".join(server.log)
        self.assertEqual(len(re.findall("recv HEADERS frame", said)), CALLS)
        self.assertEqual(len(re.findall("send HEADERS frame", said)), CALLS)
        self.assertNotIn("RST_STREAM", said)
        self.assertEqual(len(re.findall(r"recv GOAWAY.*\n.*error_code=(?!NO_ERROR)", said)), 0)

    def test_haproxy_that_is_replaced(self):
        """One that takes over listens beside it, and it is told to finish what it has."""
        with Grpcio() as server:
            ports = [int(server.address.rsplit(":", 1)[1])]
            elder, younger = proxies.Haproxy(ports), proxies.Haproxy(ports)
            younger.port = elder.port
            with elder, Run(self.plan(f"127.0.0.1:{elder.port}", LASTING)) as running:
                time.sleep(1)
                with younger:
                    # That somebody listens is no sign, as the elder one does.
                    time.sleep(0.5)
                    elder.tell(signal.SIGUSR1)
                    (found,) = running.result()["scenarios"]
            counts = server.shop.counts()
        self.check(found, LASTING_CALLS, least_opened=4)
        self.assertEqual(counts, {"find": LASTING_CALLS})
        # Without those who only looked whether it listens.
        logs = [[it for it in front.log() if it.port] for front in (elder, younger)]
        self.assertEqual(sum(len(it) for it in logs), LASTING_CALLS)
        self.assertTrue(all(it.is_ok for log in logs for it in log))
        self.assertTrue(all(len(it) > 100 for it in logs), [len(it) for it in logs])

    def test_envoy(self):
        class Envoy(proxies.Envoy):
            hcm = "common_http_protocol_options: { max_requests_per_connection: 100 }"

        self.through(Envoy, least_opened=CALLS // 100)

    def test_envoy_that_drains(self):
        class Envoy(proxies.Envoy):
            hcm = "common_http_protocol_options: { max_connection_duration: 0.3s }\n          drain_timeout: 0.2s"

        self.through(Envoy, 8, LASTING, LASTING_CALLS)

    def test_nginx(self):
        class Nginx(proxies.Nginx):
            requests = 50

        self.through(Nginx, least_opened=CALLS // 50)

    def test_traefik(self):
        class Traefik(proxies.Traefik):
            # On a busy machine a check of the only server may take too long, and a call finds none.
            health = ""
            transport = ", transport: { keepAliveMaxRequests: 50 }"

        # What is under way by then, it answers.
        self.through(Traefik, least_opened=CALLS // 66)

    def test_traefik_that_drains(self):
        class Traefik(proxies.Traefik):
            # On a busy machine a check of the only server may take too long, and a call finds none.
            health = ""
            transport = ", transport: { keepAliveMaxTime: 300ms }"

        self.through(Traefik, 8, LASTING, LASTING_CALLS)


if __name__ == "__main__":
    unittest.main()
