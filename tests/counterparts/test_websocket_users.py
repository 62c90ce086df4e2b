"""Users of a WebSocket service who log in and go on with the token that they are given, among news that nobody
asked for: against PyPI's `websockets` and npm's `ws`."""

import contextlib
import http.client
import json
import re
import unittest

from harness import exchange, message_counts, run, run_one, scenario, ws_server
from server_websockets import Server

USERS, EACH = 4, 10
ALL = USERS * EACH
LOAD = {"closed": {"users": USERS, "iterations_per_user": EACH}}
LOGIN = {
    "name": "login",
    **exchange("/login", {"json": {"name": "user {{ user }}"}}, match="reply.type == 'welcome'", pushes=True),
    "check": ["reply.token != 'none'"],
    "save": {"token": "reply.token"},
}


def ask(token="{{ saved.token }}", **besides):
    """A step with the token that was saved, on a connection that was opened with it."""
    message = {"token": token, "n": "{{ iteration }}", "secret": "{{ sha256(saved.token) }}"}
    vault = exchange("/vault?token={{ saved.token }}", {"json": message}, match="reply.type == 'answer'", pushes=True)
    return {"name": "ask", **vault, **besides}


HEAR = {
    "name": "hear",
    **exchange("/vault?token={{ saved.token }}", stream={"messages": 1}, match="reply.type == 'news' and reply.urgent"),
    "check": ["reply.n == 2"],
}
MINE = ["reply.of == 'user ' ~ user", "reply.n == iteration"]


class Websockets(unittest.TestCase):
    @contextlib.contextmanager
    def server(self):
        """A server: its address, and a count of what it received and sent once all is over."""
        with Server() as there:
            yield there.address, lambda: (there.books.received, there.books.sent)

    def test_a_token_goes_on(self):
        for compression in (None, "deflate"):
            with self.subTest(compression=compression), self.server() as (address, counts):
                fields = {"compression": compression} if compression else {}
                plan = scenario("ws", address, ask(check=MINE), HEAR, load=LOAD, begin=[LOGIN], **fields)
                found = run_one(plan)
                received, sent = counts()
                self.assertEqual(found["outcomes"], {"ok": ALL}, found["failures"])
                steps = {step["name"]: step for step in found["steps"]}
                self.assertEqual(steps["login"]["part"], "begin")
                self.assertEqual(message_counts(steps["login"])["sent"], USERS)
                self.assertEqual((received, sent), (USERS + ALL, 2 * USERS + 4 * ALL))
                # The urgent news are those of `hear`, whoever was busy when they came; the rest is for nobody.
                self.assertEqual(message_counts(steps["hear"]), {"sent": 0, "received": ALL})
                self.assertEqual(message_counts(steps["ask"]), {"sent": ALL, "received": 3 * ALL})
                for check in steps["ask"]["checks"] + steps["hear"]["checks"]:
                    self.assertEqual((check["passed"], check["failed"]), (ALL, 0), check)
                # One connection for each path: that of the login, and that of each token.
                self.assertEqual(found["connections"]["opened"], 2 * USERS)

    def test_a_token_of_nobody(self):
        """The service answers, and not what it should."""
        with self.server() as (address, _):
            found = run_one(scenario("ws", address, ask("token-x", check=MINE), load=LOAD, begin=[LOGIN]))
        self.assertEqual(found["outcomes"], {"ok": 0, "check": ALL})
        (step,) = [step for step in found["steps"] if step["name"] == "ask"]
        self.assertEqual(step["checks"][0]["failed"], ALL)

    def test_what_does_not_come(self):
        """A message that is waited for and does not come is a failure of its step, and of no other."""
        never = {
            "name": "never",
            **exchange("/vault?token={{ saved.token }}", stream={"messages": 1}, match="reply.type == 'never'", timeout="100ms"),
        }
        load = {"closed": {"users": 2, "iterations_per_user": 2}}
        with self.server() as (address, _):
            found = run_one(scenario("ws", address, ask(check=MINE), never, load=load, begin=[LOGIN]))
        self.assertEqual(found["outcomes"], {"ok": 0, "timeout": 4})
        steps = {step["name"]: step["outcomes"] for step in found["steps"]}
        self.assertEqual(steps["ask"], {"ok": 4})
        self.assertEqual(steps["never"], {"ok": 0, "timeout": 4})

    def test_names_are_checked_before_the_run(self):
        with self.server() as (address, counts):
            plan = scenario("ws", address, ask("{{ saved.tokn }}", check=["reply.of == usr"]), load=LOAD, begin=[LOGIN])
            said = run(plan, expect=104)
            self.assertEqual(counts(), (0, 0))
        for place, near in (("websocket.send.json.token", "token"), ("check[0]", "user")):
            self.assertRegex(said, rf"steps\[0\]\.{re.escape(place)}: `.+` is unknown; did you mean `{near}`")


class Ws(Websockets):
    @contextlib.contextmanager
    def server(self):
        def counts():
            connection = http.client.HTTPConnection(there.address, timeout=5)
            connection.request("GET", "/books")
            books = json.load(connection.getresponse())
            connection.close()
            return books["received"], books["sent"]

        with ws_server() as there:
            yield there.address, counts


if __name__ == "__main__":
    unittest.main()
