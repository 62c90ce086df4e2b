"""`loadgen run` against the WebSocket servers of PyPI's `websockets` and npm's `ws`: what it
reports is held against what they counted."""

import http.client
import json
import ssl
import time
import unittest

import trustme
from harness import exchange, message_counts, run_one, scenario, servers, ws_server
from server_websockets import IDENTITY, Server

LOAD = {"closed": {"users": 8, "iterations_per_user": 50}}


class Websockets(unittest.TestCase):
    def one(self, *steps, load=LOAD, **fields):
        """Runs one scenario; returns its results and the server's books."""
        options = {key: fields.pop(key) for key in ("expect", "flags") if key in fields}
        server = Server(**fields.pop("server", {}))
        with server:
            address = fields.pop("scheme", "ws://") + server.address
            found = run_one(scenario("ws", address, *steps, load=load, **fields), **options)
            # Everybody has said good-bye before loadgen ends.
            deadline = time.monotonic() + 2
            while server.books.open > 0 and time.monotonic() < deadline:
                time.sleep(0.01)
            self.assertEqual(server.books.open, 0)
        # Nobody asks for compression, though the server would agree to it.
        self.assertEqual(server.books.extensions, [])
        self.assertEqual(server.books.opened, found["connections"]["opened"])
        return found, server.books

    def assert_well(self, found, books, iterations, messages, users=8):
        """All went well: so many iterations, messages both ways, and connections."""
        self.assertEqual(found["outcomes"], {"ok": iterations})
        sent, received = messages
        self.assertEqual((books.received, books.sent), (sent, received))
        self.assertEqual(sum(step["messages"]["sent"] for step in found["steps"]), sent)
        self.assertEqual(sum(step["messages"]["received"] for step in found["steps"]), received)
        for step in found["steps"]:
            self.assertLessEqual(set(message_counts(step)), {"sent", "received"})
        self.assertEqual(found["connections"]["opened"], users)
        self.assertEqual(found["connections"]["failed"], 0)
        self.assertEqual(found["connections"]["dropped"], 0)
        self.assertEqual(dict(books.closes), {1000: users})

    def test_echo(self):
        for send, kind in (
            ({"text": "grüße, кни́га"}, "str"),
            ({"json": {"a": [1, None]}}, "str"),
            ({"binary": "AP/+gA=="}, "bytes"),
            ({"size": "100KiB"}, "bytes"),
            ({"size": "70KB", "as": "text"}, "str"),
        ):
            with self.subTest(send):
                found, books = self.one(exchange("/echo", send))
                self.assert_well(found, books, 400, (400, 400))
                self.assertEqual(dict(books.kinds), {kind: 400})
                (step,) = found["steps"]
                self.assertEqual(step["round_trip_us"]["count"], 400)
                (backend,) = servers(found)
                self.assertEqual((backend["id"], backend["requests"]), (IDENTITY, 400))
                self.assertEqual(found["connections"]["connect_time_us"]["count"], 8)

    def test_bytes(self):
        found, _ = self.one(exchange("/echo", {"size": "1KiB"}))
        # Frames of 1024 bytes with a head of 4, and a mask of 4 one way; the rest are 8 upgrades.
        sent, received = found["bytes"]["sent"], found["bytes"]["received"]
        self.assertTrue(400 * 1032 < sent < 400 * 1032 + 8 * 500, sent)
        self.assertTrue(400 * 1028 < received < 400 * 1028 + 8 * 500, received)

    def test_window(self):
        step = exchange("/echo", {"text": "hello"}, repeat=30, in_flight=10)
        found, books = self.one(step)
        self.assert_well(found, books, 400, (12_000, 12_000))

    def test_ids_out_of_order(self):
        step = exchange(
            "/backwards?batch=5", {"json": {"op": "x"}}, match_id="id", repeat=20, in_flight=5
        )
        found, books = self.one(step)
        self.assert_well(found, books, 400, (8000, 8000))
        self.assertEqual(found["steps"][0]["round_trip_us"]["count"], 8000)

    def test_fragments(self):
        found, books = self.one(exchange("/fragments", {"text": "schöne " * 20}))
        self.assert_well(found, books, 400, (400, 400))

    def test_stream(self):
        stream = {"messages": 12, "sequence": "n"}
        step = exchange("/stream", {"json": {"count": 12}}, stream=stream, repeat=3)
        found, books = self.one(step)
        self.assert_well(found, books, 400, (1200, 14_400))
        (step,) = found["steps"]
        self.assertEqual(step["first_message_us"]["count"], 1200)
        self.assertEqual(step["message_gap_us"]["count"], 1200 * 11)

    def test_stream_with_gaps(self):
        stream = {"messages": 12, "sequence": "n"}
        step = exchange("/gaps?every=5", {"json": {"count": 12}}, stream=stream)
        found, books = self.one(step)
        self.assertEqual(found["outcomes"], {"ok": 0, "incomplete": 400})
        # 5 and 10 are missing; the connections are as good as before.
        self.assertEqual(message_counts(found["steps"][0]), {"sent": 400, "received": 4000, "missing": 800})
        self.assertEqual((books.received, books.sent), (400, 4000))
        self.assertEqual(dict(books.closes), {1000: 8})
        self.assertIn("5, 10", found["failures"][0]["example"])

    def test_feed(self):
        step = exchange("/feed?every_ms=5", stream={"messages": 20, "sequence": "n"})
        load = {"closed": {"users": 8, "iterations_per_user": 5}}
        found, books = self.one(step, load=load)
        self.assertEqual(found["outcomes"], {"ok": 40})
        (step,) = found["steps"]
        self.assertEqual(message_counts(step), {"sent": 0, "received": 800})
        self.assertGreaterEqual(books.sent, 800)
        self.assertEqual(dict(books.closes), {1000: 8})
        self.assertTrue(4000 < step["message_gap_us"]["p50"] < 12_000, step["message_gap_us"])

    def test_messages_without_reply(self):
        found, books = self.one(exchange("/silent", {"text": "x"}, reply="none", repeat=25))
        self.assert_well(found, books, 400, (10_000, 0))

    def test_pings(self):
        found, books = self.one(exchange("/silent", ping=True, repeat=3))
        self.assertEqual(found["outcomes"], {"ok": 400})
        self.assertEqual(message_counts(found["steps"][0]), {"sent": 1200, "received": 1200})
        self.assertEqual(found["steps"][0]["round_trip_us"]["count"], 1200)
        self.assertEqual(books.received, 0)

    def test_connection_for_each_path(self):
        steps = [exchange("/echo", {"text": "x"}), exchange("/fragments", {"text": "a longer one"})]
        found, books = self.one(*steps)
        self.assert_well(found, books, 400, (800, 800), users=16)
        self.assertEqual(dict(books.paths), {"/echo": 8, "/fragments": 8})

    def test_connection_for_each_iteration(self):
        found, books = self.one(exchange("/echo", {"text": "x"}), connection_per="iteration")
        self.assert_well(found, books, 400, (400, 400), users=400)

    def test_connect_rate(self):
        found, books = self.one(
            exchange("/echo", {"text": "x"}),
            load={"closed": {"users": 100, "iterations_per_user": 1}},
            connection_per="iteration",
            connect_rate="100/s",
        )
        self.assert_well(found, books, 100, (100, 100), users=100)
        self.assertGreater(found["duration_s"], 0.85)

    def test_open_model(self):
        load = {"open": {"rate": "500/s", "duration": "2s", "users": {"max": 100}}}
        found, books = self.one(exchange("/echo", {"text": "x"}), load=load)
        self.assertEqual(found["ledger"]["planned"], 1000)
        self.assertEqual(found["outcomes"], {"ok": 1000})
        self.assertEqual((books.received, books.sent), (1000, 1000))
        self.assertEqual(dict(books.closes), {1000: found["connections"]["opened"]})

    def test_subprotocol(self):
        found, books = self.one(
            exchange("/echo", {"text": "x"}),
            subprotocols=["chat.v2", "chat.v1"],
            server={"subprotocols": ["chat.v1"]},
        )
        self.assert_well(found, books, 400, (400, 400))
        self.assertEqual(dict(books.subprotocols), {"chat.v1": 8})

    def test_header(self):
        found, books = self.one(
            exchange("/echo", {"text": "x"}),
            headers={"X-Token": "secret"},
            server={"token": "secret"},
        )
        self.assert_well(found, books, 400, (400, 400))
        self.assertEqual(books.refused, 0)

    def test_idle_connections_answer_pings(self):
        # Each pause is ten times as long as the server waits for a sign of life.
        found, books = self.one(
            exchange("/echo", {"text": "x"}),
            load={"closed": {"users": 20, "iterations_per_user": 3, "think_time": "3s"}},
            server={"ping_interval": 0.15, "ping_timeout": 0.3},
        )
        self.assert_well(found, books, 60, (60, 60), users=20)

    def test_connections_answer_pings_in_a_pause(self):
        say = exchange("/echo", {"text": "x"})
        steps = [{"name": "before", **say}, {"pause": "2s"}, {"name": "after", **say}]
        found, books = self.one(
            *steps,
            load={"open": {"rate": "10/s", "duration": "2s"}},
            server={"ping_interval": 0.15, "ping_timeout": 0.3},
        )
        self.assertEqual(found["outcomes"], {"ok": 20})
        self.assertEqual(dict(books.closes), {1000: found["connections"]["opened"]})

    def test_close_with_a_code(self):
        plan = exchange("/close?code=4001&reason=enough&after=4", {"text": "x"})
        found, books = self.one(plan, load={"closed": {"users": 4, "iterations_per_user": 20}})
        # Each fifth message is answered by a close.
        self.assertEqual(found["outcomes"], {"ok": 64, "close.4001": 16})
        self.assertIn('4001: "enough"', found["failures"][0]["example"])
        self.assertEqual((books.received, books.sent), (80, 64))
        # The close is answered in kind.
        self.assertEqual(dict(books.closes), {4001: 16})
        self.assertEqual(found["connections"]["dropped"], 16)
        self.assertEqual(found["connections"]["opened"], 16)

    def test_close_as_threshold(self):
        plan = exchange("/close?code=1013&reason=&after=4", {"text": "x"})
        found, _ = self.one(
            plan,
            load={"closed": {"users": 2, "iterations_per_user": 5}},
            thresholds=["outcomes.close.1013 == 2", "error_rate < 1%"],
            expect=99,
        )
        self.assertEqual([it["pass"] for it in found["thresholds"]], [True, False])

    def test_timeout(self):
        found, books = self.one(
            exchange("/silent", {"text": "x"}),
            load={"closed": {"users": 4, "iterations_per_user": 3}},
            timeout="200ms",
        )
        self.assertEqual(found["outcomes"], {"ok": 0, "timeout": 12})
        self.assertEqual(books.received, 12)
        self.assertTrue(200_000 <= found["response_time_us"]["max"] < 300_000)

    def test_conversation(self):
        def mark(kind):
            return {"field": "type", "equals": kind}

        steps = {
            "join": exchange("/room", {"json": {"type": "join"}}, reply=mark("joined"), pushes=True),
            "post": exchange(
                "/room", {"json": {"type": "post"}}, reply=mark("posted"), match_id="id", repeat=4, in_flight=2
            ),
            "hear": exchange("/room", stream={"messages": 12, "sequence": "n"}, reply=mark("said")),
            "ready": exchange("/room", stream={"messages": 1}, reply=mark("ready"), timeout="5s"),
        }
        steps = [{"name": name, **step} for name, step in steps.items()]
        load = {"closed": {"users": 4, "iterations_per_user": 5}}
        found, books = self.one(*steps, load=load)
        self.assertEqual(found["outcomes"], {"ok": 20})
        self.assertEqual((books.received, books.sent), (20 * 5, 20 * (5 + 1 + 1 + 12 + 4)))
        join, post, hear, ready = found["steps"]
        # Noise is counted where it came.
        self.assertEqual(message_counts(join), {"sent": 20, "received": 40})
        self.assertEqual(message_counts(post), {"sent": 80, "received": 160})
        self.assertEqual(message_counts(hear), {"sent": 0, "received": 240})
        self.assertEqual(message_counts(ready), {"sent": 0, "received": 20})
        self.assertEqual(hear["message_gap_us"]["count"], 20 * 11)
        self.assertGreater(hear["message_gap_us"]["p50"], 4000)

    def test_limit_of_a_step(self):
        step = exchange("/silent", {"json": {}}, match_id="id", timeout="50ms")
        load = {"closed": {"users": 4, "iterations_per_user": 3}}
        found, books = self.one(step, load=load)
        self.assertEqual(found["outcomes"], {"ok": 0, "timeout": 12})
        self.assertEqual((books.received, books.opened), (12, 4))
        self.assertGreaterEqual(found["response_time_us"]["min"], 50_000)

    def test_tls(self):
        authority = trustme.CA()
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(tls)
        with authority.cert_pem.tempfile() as ca_file:
            found, books = self.one(
                exchange("/echo", {"size": "40KiB"}),
                scheme="wss://",
                tls={"ca_file": ca_file},
                server={"tls": tls},
            )
        self.assert_well(found, books, 400, (400, 400))
        self.assertGreater(found["bytes"]["sent"], 400 * 40 * 1024)


class Ws(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(ws_server())

    def one(self, *steps, load=LOAD, expect=0, **fields):
        plan = scenario("ws", self.server.address, *steps, load=load, **fields)
        found = run_one(plan, expect=expect)
        deadline = time.monotonic() + 2
        while (books := self.books())["open"] > 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(books["open"], 0)
        self.assertEqual(books["extensions"], [])
        self.assertEqual(books["opened"], found["connections"]["opened"])
        return found, books

    def books(self):
        connection = http.client.HTTPConnection(self.server.address, timeout=5)
        connection.request("GET", "/books")
        books = json.load(connection.getresponse())
        connection.close()
        return books

    def test_echo(self):
        found, books = self.one(
            {"name": "text", **exchange("/echo", {"text": "grüße"})},
            {"name": "binary", **exchange("/echo", {"size": "80KiB"})},
            {"name": "ping", **exchange("/echo", ping=True)},
        )
        self.assertEqual(found["outcomes"], {"ok": 400})
        self.assertEqual((books["received"], books["sent"]), (800, 800))
        self.assertEqual((books["text"], books["binary"], books["pings"]), (400, 400, 400))
        self.assertEqual(books["closes"], {"1000": 8})
        for step in found["steps"]:
            self.assertEqual(message_counts(step), {"sent": 400, "received": 400})
        (backend,) = servers(found)
        self.assertEqual((backend["id"], backend["requests"]), ("ws-1", 1200))

    def test_window(self):
        step = exchange("/echo", {"text": "hello"}, repeat=50, in_flight=25)
        found, books = self.one(step)
        self.assertEqual(found["outcomes"], {"ok": 400})
        self.assertEqual((books["received"], books["sent"]), (20_000, 20_000))
        self.assertEqual(message_counts(found["steps"][0]), {"sent": 20_000, "received": 20_000})

    def test_fragments(self):
        found, books = self.one(exchange("/fragments", {"text": "schöne grüße"}))
        self.assertEqual(found["outcomes"], {"ok": 400})
        self.assertEqual((books["received"], books["sent"]), (400, 400))
        self.assertEqual(books["closes"], {"1000": 8})

    def test_broadcast(self):
        # All hear the same feed; each begins with what comes first.
        step = exchange("/feed", stream={"for": "500ms", "sequence": "n"})
        found, books = self.one(step, load={"closed": {"users": 20, "iterations_per_user": 4}})
        self.assertEqual(found["outcomes"], {"ok": 80})
        messages = message_counts(found["steps"][0])
        self.assertEqual(set(messages), {"sent", "received"})
        # Of what was sent, only the last moment before the good-bye is not in the report.
        self.assertLessEqual(messages["received"], books["sent"])
        self.assertGreater(messages["received"], 0.95 * books["sent"])
        self.assertEqual(books["closes"], {"1000": 20})

    def told(self, step, said):
        """A service of which it is told what it says by itself, beside 40 answers."""
        load = {"closed": {"users": 4, "iterations_per_user": 10}}
        found, books = self.one(step, load=load, connection_per="iteration")
        self.assertEqual(found["outcomes"], {"ok": 40})
        self.assertEqual((books["received"], books["sent"]), (40, 40 + said))
        (step,) = found["steps"]
        self.assertNotIn("unexpected", step["messages"])
        self.assertEqual(step["round_trip_us"]["count"], 40)
        self.assertGreaterEqual(step["round_trip_us"]["min"], 19_000)
        return message_counts(step)["received"]

    def untold(self, step):
        """The same of which it is not."""
        found, books = self.one(
            {"name": "ask", **step},
            load={"closed": {"users": 4, "iterations_per_user": 10}},
            connection_per="iteration",
            thresholds=["steps.ask.messages_unexpected == 0"],
            expect=99,
        )
        self.assertEqual(found["outcomes"], {"ok": 40})
        counts = message_counts(found["steps"][0])
        self.assertGreaterEqual(counts["unexpected"], 1)
        # All that was sent has come.
        self.assertEqual(counts["received"], 40 + counts["unexpected"])
        self.assertEqual(counts["received"], books["sent"])

    def test_greeting(self):
        received = self.told(exchange("/late", {"text": "x"}, greeting=1), said=40)
        self.assertEqual(received, 40)

    def test_greeting_that_is_not_expected(self):
        # Of a path that is filled in no connection is opened ahead of the load: what comes before that is not counted.
        self.untold(exchange("/{{ 'late' }}", {"text": "x"}))

    def test_events(self):
        mark = {"field": "op", "equals": "x"}
        step = exchange("/events", {"json": {"op": "x"}}, reply=mark, pushes=True)
        received = self.told(step, said=40)
        self.assertEqual(received, 80)

    def test_events_that_are_not_expected(self):
        self.untold(exchange("/events", {"json": {"op": "x"}}))

    def test_cut(self):
        found, books = self.one(
            exchange("/terminate", {"text": "x"}),
            load={"closed": {"users": 4, "iterations_per_user": 5}},
        )
        self.assertEqual(found["outcomes"], {"ok": 0, "connection": 20})
        self.assertEqual(books["received"], 20)
        self.assertEqual(found["connections"]["dropped"], 20)
        self.assertEqual(books["closes"], {"1006": 20})

    def test_nothing_there_but_http(self):
        # Of a path that it does not know, `ws` takes the connection and says nothing.
        found, _ = self.one(
            exchange("/nothing", {"text": "x"}),
            load={"closed": {"users": 2, "iterations_per_user": 1}},
            timeout="300ms",
        )
        self.assertEqual(found["outcomes"], {"ok": 0, "timeout": 2})


if __name__ == "__main__":
    unittest.main()
