"""`loadgen run` for WebSocket against what is no WebSocket server, or not for everybody: each is
told apart, before the run, with an exit code and a message that says what to do."""

import http.server
import socket
import ssl
import threading
import unittest

import trustme
from harness import Run, exchange, run, run_one, scenario, ws_server
from server import Server as GrpcServer
from server_websockets import Server

ECHO = exchange("/echo", {"text": "hello"})
LOAD = {"closed": {"users": 2, "iterations_per_user": 2}}


class Refused(unittest.TestCase):
    def refused(self, address, *parts, step=ECHO, expect=101, **fields):
        said = run(scenario("ws", address, step, load=LOAD, **fields), expect=expect)
        place = address.removeprefix("wss://").removeprefix("ws://")
        for part in (f"could not connect to {place}: ", *parts):
            self.assertIn(part, said)

    def test_statuses(self):
        hints = {401: "`headers`", 403: "`headers`", 404: "`path`", 426: "version of the protocol"}
        with Server() as server:
            for status, hint in (*hints.items(), (429, "Too Many"), (500, ""), (503, "")):
                with self.subTest(status):
                    step = exchange(f"/status/{status}", {"text": "hello"})
                    self.refused(server.address, f"HTTP {status} ", hint, "not here", step=step)
            self.assertEqual(server.books.opened, 0)

    def test_token(self):
        with Server(token="secret") as server:
            self.refused(server.address, "HTTP 401 Unauthorized", "`headers`")
            headers = {"x-token": "another"}
            self.refused(server.address, "HTTP 403 Forbidden", "`headers`", headers=headers)

    def test_refused_later(self):
        # One path will do to begin; the refusals of the other are counted.
        steps = [ECHO, exchange("/status/403", {"text": "hello"})]
        with Server() as server:
            found = run_one(scenario("ws", server.address, *steps, load=LOAD))
        self.assertEqual(found["outcomes"], {"ok": 0, "http.403": 4})
        self.assertIn("HTTP 403 Forbidden", found["failures"][0]["example"])
        self.assertEqual(found["connections"]["opened"], 2)
        self.assertEqual(server.books.refused, found["connections"]["failed"])

    def test_subprotocol(self):
        with Server() as server:
            # `websockets` with no subprotocol of its own chooses none.
            said = "chose none of the subprotocols offered: chat.v1"
            self.refused(server.address, said, subprotocols=["chat.v1"])
        with Server(subprotocols=["chat.v2"]) as server:
            # It refuses where it has some and none fits.
            self.refused(server.address, "HTTP 400", subprotocols=["chat.v1"])
        with Server(select_subprotocol=lambda *_: "mqtt") as server:
            said = "a subprotocol other than those offered: chat.v1"
            self.refused(server.address, said, subprotocols=["chat.v1"])
            self.refused(server.address, "a subprotocol, and none was offered")

    def test_plain_http(self):
        handler = http.server.SimpleHTTPRequestHandler
        handler.log_message = lambda *_: None
        with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            address = "{}:{}".format(*server.server_address)
            # It answers with HTTP/1.0.
            self.refused(address, "HTTP 404 Not Found", "`path`")
            step = exchange("/", {"text": "hello"})
            self.refused(address, "HTTP 200 OK", "it speaks HTTP there and not WebSocket", step=step)
            server.shutdown()

    def test_grpc_server(self):
        with GrpcServer() as server:
            self.refused(server.address, "not HTTP/1.1", "check the port")

    def test_tls_on_one_side(self):
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority = trustme.CA()
        authority.issue_cert("127.0.0.1").configure_cert(tls)
        with Server(tls=tls) as server, authority.cert_pem.tempfile() as ca_file:
            for scheme in ("", "ws://"):
                self.refused(scheme + server.address, "it may expect TLS")
            encrypted = f"wss://{server.address}"
            other = self.enterContext(trustme.CA().cert_pem.tempfile())
            self.refused(encrypted, "not signed by a trusted authority", tls={"ca_file": other})
            tls = {"ca_file": ca_file, "server_name": "shop.test"}
            self.refused(encrypted, "its certificate is for", "shop.test", tls=tls)
            run(scenario("ws", encrypted, ECHO, load=LOAD, tls={"insecure_skip_verify": True}))
        # One hangs up without a word, the other answers in plain text.
        for make, said in (
            (Server, "the server closed the connection; does it speak TLS?"),
            (ws_server, "does not speak TLS on this port"),
        ):
            with make() as server:
                self.refused(f"wss://{server.address}", said)

    def test_nobody_there(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            # Bound, and not listening.
            self.refused("{}:{}".format(*taken.getsockname()), "the connection was refused")

    def test_name_that_does_not_resolve(self):
        # This domain never resolves (RFC 6761).
        self.refused("nowhere.invalid:80", "the name does not resolve", "check its spelling")

    def test_nobody_answers(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = "{}:{}".format(*silent.getsockname())
            said = "no answer within 300ms while waiting for the answer to the upgrade request"
            self.refused(address, said, connect_timeout="300ms")

    def test_one_of_two_targets(self):
        # A target that is there is enough to begin; what the other's users meet is counted.
        with Server() as server, socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            plan = scenario("ws", server.address, ECHO, load=LOAD)
            plan["targets"].append("{}:{}".format(*taken.getsockname()))
            found = run_one(plan)
        self.assertEqual(found["outcomes"], {"ok": 2, "connect": 2})


class Limits(unittest.TestCase):
    def test_too_few_open_files(self):
        load = {"closed": {"users": 20_000, "iterations_per_user": 1}}
        with Server() as server:
            plan = scenario("ws", server.address, ECHO, load=load)
            with Run(plan, limits="ulimit -n 256") as running:
                said = running.result(expect=2)
            self.assertEqual(server.books.opened, 0)
        self.assertIn("20,000 connections", said)
        self.assertIn("this process may have 256", said)
        self.assertIn("ulimit -n 20", said)

    def test_soft_limit_is_raised(self):
        load = {"closed": {"users": 300, "iterations_per_user": 1}}
        with Server() as server:
            plan = scenario("ws", server.address, ECHO, load=load)
            with Run(plan, limits="ulimit -S -n 256") as running:
                (found,) = running.result()["scenarios"]
        self.assertEqual(found["outcomes"], {"ok": 300})
        self.assertEqual(dict(server.books.closes), {1000: 300})


if __name__ == "__main__":
    unittest.main()
