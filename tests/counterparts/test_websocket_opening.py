"""What is agreed on when a WebSocket connection is opened, against the servers of PyPI's `websockets`
and npm's `ws`: compression with all its parameters, cookies, redirections."""

import http.client
import itertools
import json
import os
import random
import time
import unittest
import unittest.mock

from harness import exchange, message_counts, run_one, scenario, ws_server
from server_websockets import Server
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

USERS, EACH = 2, 6
ALL = USERS * EACH
LOAD = {"closed": {"users": USERS, "iterations_per_user": EACH}}
LONG = " ".join(random.Random(3).choices(["alpha", "beta", "grüße", "delta", "кни́га"], k=2000))


class Websockets(unittest.TestCase):
    def one(self, *steps, load=LOAD, server=None, expect=0, **fields):
        """Runs one scenario; returns its results and the server's books."""
        with Server(**(server or {})) as there:
            plan = scenario("ws", "ws://" + there.address, *steps, load=load, **fields)
            found = run_one(plan, expect=expect)
            deadline = time.monotonic() + 2
            while there.books.open > 0 and time.monotonic() < deadline:
                time.sleep(0.01)
        return found, there.books

    def compressed(self, offered, **allowed):
        """Echoes of all kinds with compression; returns what was agreed on."""
        factory = ServerPerMessageDeflateFactory(**allowed)
        found, books = self.one(
            {"name": "long", **exchange("/echo", {"text": LONG}, repeat=3)},
            {"name": "empty", **exchange("/echo", {"text": ""})},
            {"name": "noise", **exchange("/echo", {"size": "70KiB"})},
            {"name": "ids", **exchange("/backwards?batch=5", {"json": {"op": LONG}}, match_id="id", repeat=10, in_flight=5)},
            {"name": "fragments", **exchange("/fragments", {"text": LONG[:100]})},
            server={"compression": None, "extensions": [factory]},
            compression=offered,
        )
        self.assertEqual(found["outcomes"], {"ok": ALL})
        self.assertEqual((books.received, books.sent), (ALL * 16, ALL * 16))
        for step in found["steps"]:
            counts = message_counts(step)
            self.assertEqual(counts["sent"], counts["received"])
            self.assertLessEqual(set(counts), {"sent", "received"})
        # Three long texts, ten with ids, and noise, which gets no shorter.
        plain = ALL * (13 * len(LONG.encode()) + 70 * 1024)
        for way in ("sent", "received"):
            self.assertTrue(ALL * 70 * 1024 < found["bytes"][way] < 0.6 * plain, found["bytes"])
        self.assertEqual(len(books.extensions), 3 * USERS)
        return books.extensions[0]

    def test_all_parameters(self):
        flags = [None, True]
        for server, client in itertools.product(flags, flags):
            for server_bits, client_bits in ((None, None), (9, 15), (15, 9), (12, 11)):
                offered = {
                    "server_no_context_takeover": server,
                    "client_no_context_takeover": client,
                    "server_max_window_bits": server_bits,
                    "client_max_window_bits": client_bits,
                }
                offered = {name: value for name, value in offered.items() if value is not None}
                with self.subTest(offered):
                    agreed = self.compressed(offered or "deflate")
                    if server:
                        self.assertTrue(agreed.local_no_context_takeover)
                    if client:
                        self.assertTrue(agreed.remote_no_context_takeover)
                    self.assertEqual(agreed.local_max_window_bits, server_bits or 15)

    def test_what_the_server_asks_for(self):
        for server, client, bits in itertools.product([False, True], [False, True], [9, 10, 13]):
            allowed = {
                "server_no_context_takeover": server,
                "client_no_context_takeover": client,
                "server_max_window_bits": bits,
                "client_max_window_bits": bits,
            }
            with self.subTest(allowed):
                agreed = self.compressed("deflate", **allowed)
                self.assertEqual(agreed.local_no_context_takeover, server)
                self.assertEqual(agreed.remote_no_context_takeover, client)
                self.assertEqual(agreed.local_max_window_bits, bits)
                self.assertEqual(agreed.remote_max_window_bits, bits)

    def test_a_server_that_compresses_nothing(self):
        # Another target keeps the run alive.
        with Server(compression=None) as there, Server() as other:
            plan = scenario("ws", "ws://" + other.address, exchange("/echo", {"text": "x"}), load=LOAD)
            plan["targets"] = ["ws://" + there.address, "ws://" + other.address]
            plan["compression"] = "deflate"
            found = run_one(plan)
        self.assertEqual(found["outcomes"], {"ok": EACH, "connect": EACH})
        self.assertIn("did not agree to `permessage-deflate`", found["failures"][0]["example"])

    def test_a_message_that_is_too_long_when_it_is_inflated(self):
        found, books = self.one(
            exchange("/echo", {"size": "1MiB", "as": "text"}),
            load={"closed": {"users": 2, "iterations_per_user": 1}},
            compression="deflate",
            max_message="1000KiB",
        )
        self.assertEqual(found["outcomes"], {"ok": 0, "protocol": 2})
        self.assertIn("(`max_message`)", found["failures"][0]["example"])
        self.assertLess(found["bytes"]["received"], 20_000)
        self.assertEqual(books.received, 2)

    def test_login(self):
        found, books = self.one(
            exchange("/echo", {"text": "x"}),
            server={"login": "/echo"},
            connection_per="iteration",
            headers={"cookie": "lang=en"},
            cookies=True,
            redirects=2,
        )
        self.assertEqual(found["outcomes"], {"ok": ALL})
        self.assertEqual(found["connections"]["opened"], ALL)
        # Once for each user: there and back.
        self.assertEqual((books.logins, found["connections"]["redirects"]), (USERS, 2 * USERS))
        self.assertEqual(dict(books.cookies), {f"lang=en; sid={user}": EACH for user in range(1, USERS + 1)})

    def test_login_of_one_who_forgets(self):
        found, books = self.lost(redirects=4)
        self.assertIn("does it go round in circles?", found)
        self.assertEqual(books.opened, 0)

    def test_login_that_is_not_followed(self):
        found, _ = self.lost(cookies=True)
        self.assertIn("HTTP 307", found)
        self.assertIn("(`redirects`)", found)

    def lost(self, **fields):
        """One who never gets in; returns what it is told."""
        with Server(login="/echo") as there, Server() as other:
            plan = scenario("ws", "", exchange("/echo", {"text": "x"}), load=LOAD, **fields)
            plan["targets"] = ["ws://" + there.address, "ws://" + other.address]
            found = run_one(plan)
        (failure,) = found["failures"]
        self.assertEqual(failure["count"], EACH)
        return failure["example"], there.books

    def test_another_server_is_not_told_who_asks(self):
        with Server() as other:
            found, books = self.one(
                exchange("/echo", {"text": "x"}),
                server={"login": f"http://{other.address}/echo"},
                headers={"authorization": "Bearer x", "x-api-key": "7", "x-team": "a"},
                cookies=True,
                redirects=3,
            )
        self.assertEqual(found["outcomes"], {"ok": ALL})
        self.assertEqual((books.logins, books.opened, other.books.opened), (USERS, 0, USERS))
        secret = {"authorization", "x-api-key"}
        self.assertEqual(secret & set(books.headers), secret)
        self.assertEqual((secret | {"x-team"}) & set(other.books.headers), {"x-team"})


class Ws(unittest.TestCase):
    def one(self, *steps, load=LOAD, environment, **fields):
        with unittest.mock.patch.dict(os.environ, environment):
            server = self.enterContext(ws_server())
        found = run_one(scenario("ws", server.address, *steps, load=load, **fields))
        connection = http.client.HTTPConnection(server.address, timeout=5)
        connection.request("GET", "/books")
        books = json.load(connection.getresponse())
        connection.close()
        return found, books

    def test_compression(self):
        flags = [False, True]
        for server, client, bits in itertools.product(flags, flags, [None, 9, 15]):
            deflate = {"serverNoContextTakeover": server, "clientNoContextTakeover": client, "threshold": 0}
            if bits is not None:
                deflate |= {"serverMaxWindowBits": bits, "clientMaxWindowBits": bits}
            with self.subTest(deflate):
                found, books = self.one(
                    {"name": "text", **exchange("/echo", {"text": LONG}, repeat=5, in_flight=5)},
                    {"name": "binary", **exchange("/echo", {"size": "70KiB"})},
                    {"name": "fragments", **exchange("/fragments", {"text": "schöne grüße"})},
                    {"name": "ping", **exchange("/echo", ping=True)},
                    environment={"COUNTERPART_DEFLATE": json.dumps(deflate)},
                    compression="deflate",
                )
                self.assertEqual(found["outcomes"], {"ok": ALL})
                self.assertEqual((books["received"], books["sent"]), (7 * ALL, 7 * ALL))
                self.assertEqual(books["extensions"], ["permessage-deflate"] * 2 * USERS)
                for way in ("sent", "received"):
                    plain = ALL * (5 * len(LONG.encode()) + 70 * 1024)
                    self.assertLess(found["bytes"][way], 0.8 * plain)

    def test_push(self):
        found, _ = self.one(
            exchange("/feed", stream={"messages": 20, "sequence": "n"}),
            environment={"COUNTERPART_DEFLATE": json.dumps({"threshold": 0})},
            compression={"server_no_context_takeover": True},
        )
        self.assertEqual(found["outcomes"], {"ok": ALL})
        self.assertEqual(message_counts(found["steps"][0]), {"sent": 0, "received": 20 * ALL})

    def test_login(self):
        found, books = self.one(
            exchange("/echo", {"text": "x"}),
            environment={"COUNTERPART_LOGIN": "1"},
            connection_per="iteration",
            cookies=True,
            redirects=2,
        )
        self.assertEqual(found["outcomes"], {"ok": ALL})
        self.assertEqual((books["logins"], found["connections"]["redirects"]), (USERS, 2 * USERS))
        self.assertEqual(books["cookies"], {f"sid={user}": EACH for user in range(1, USERS + 1)})


if __name__ == "__main__":
    unittest.main()
