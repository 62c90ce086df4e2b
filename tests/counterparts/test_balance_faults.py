"""Backends of both balancers that are killed, stand still and start again under load: what loadgen says in its
document, what the balancer counts and what the backends have written down is one story."""

import contextlib
import json
import signal
import tempfile
import time
import unittest
import urllib.request

from balancing import Balancer, Configured, Journaled, service, shares
from harness import PATIENCE, Run, free_port, scenario, wait_for

# A backend that does not answer is out within three intervals.
CHECKS = {"interval": "200ms", "timeout": "200ms", "rise": 1, "fall": 2}
SECONDS = 3


def arrivals(rate, seconds=SECONDS):
    return {"open": {"rate": f"{rate}/s", "duration": f"{seconds}s", "users": {"max": 500}}}


class Story:
    """What all backends together have written down of the requests whose ids begin with this."""

    def __init__(self, backends, head):
        self.of = {
            it.name: [line for line in it.journal() if line["id"].startswith(f"{head}-")] for it in backends
        }

    def ids(self, what, name=None):
        """The ids of which this was written down, by all or by one: a set."""
        lines = self.of[name] if name else [line for lines in self.of.values() for line in lines]
        return {line["id"] for line in lines if line["what"] == what}

    def twice(self):
        """The ids of the requests that were begun more than once."""
        begun = [line["id"] for lines in self.of.values() for line in lines if line["what"] == "begun"]
        return {it for it, count in shares(begun).items() if count > 1}


class Backends(unittest.TestCase):
    """Three backends, of which the second has the trouble."""

    def start(self, kind, **options):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        names = ("one", "two", "three")
        self.all = [self.enterContext(Journaled(kind, it, folder, **options)) for it in names]
        self.living, self.victim = [self.all[0], self.all[2]], self.all[1]
        self.ports = [it.port for it in self.all]

    @contextlib.contextmanager
    def load(self, *plans):
        """The load once it is under way: what comes of it is in `found`, by name, afterwards."""
        with Run(*plans) as running:
            wait_for("the load", lambda: len(self.victim.ids("begun")) > 20)
            time.sleep(0.3)
            yield
            self.found = {it["name"]: it for it in running.result()["scenarios"]}

    def kill_and_start_again(self, balancer):
        self.victim.kill()
        self.killed_s = time.time()
        balancer.until(self.victim.port, "down")
        time.sleep(0.3)
        self.victim.again()
        balancer.until(self.victim.port, "up")
        self.returned_s = time.time()

    def planned(self, name):
        """All the ids of a scenario with arrivals."""
        return {f"{name}-{number}" for number in range(self.found[name]["ledger"]["planned"])}

    def failed(self, name, *outcomes):
        """How many failed, all of them so, and in the second of the trouble or the next."""
        found = self.found[name]
        failed = found["ledger"]["failed"]
        met = {it for it, count in found["outcomes"].items() if count}
        self.assertLessEqual(met, {"ok", *outcomes}, found["failures"])
        at = [point["t_s"] for point in found["series"] if point["failed"]]
        self.assertTrue(not at or at[-1] - at[0] <= 1, at)
        return failed

    def lost(self, name, unread, *outcomes):
        """How many failed: those which the one that was killed owed an answer.

        The last thing that it writes down before an answer leaves, and the first after it, are the bounds. Of what it
        was sent, `unread` at the most was not read by it.
        """
        failed, story, planned = self.failed(name, *outcomes), Story(self.all, name), self.planned(name)
        unanswered, unfinished = planned - story.ids("ending"), planned - story.ids("ended")
        self.assertTrue(len(unanswered) <= failed <= len(unfinished), (failed, unanswered, unfinished))
        self.assertGreater(failed, 0)
        self.assertLessEqual(unfinished & story.ids("begun"), story.ids("begun", self.victim.name))
        self.assertLessEqual(len(planned - story.ids("begun")), unread)
        self.assertEqual(story.twice(), set())
        return failed

    def is_back(self):
        """It has been asked again since it returned; and no connection to the others was ever broken."""
        begun = [it["at_s"] for it in self.victim.journal() if it["what"] == "begun"]
        self.assertGreater(sum(it > self.returned_s for it in begun), 10)
        self.assertEqual([it.ids("broke") for it in self.living], [[], []])


class Http(Backends):
    """Through `loadgen balance http`."""

    def balanced(self, kind, **fields):
        self.start(kind)
        self.version = {"http": "1.1", "h2": "2"}[kind]
        protocol = {"http": "http/1.1", "h2": "h2"}[kind]
        web = service("web", *self.ports, protocol=protocol, health={**CHECKS, "path": "/health"}, **fields)
        return web

    def plan(self, balancer, name, rate, path, seconds=SECONDS, **fields):
        http = {"path": f"{path}&id={name}-{{{{ iteration }}}}", **fields}
        step = {"name": name, "http": http}
        address = f"http://127.0.0.1:{balancer.port}"
        return scenario(name, address, step, load=arrivals(rate, seconds), http_version=self.version)

    def test_killed_behind_http_1(self):
        self.killed("http")

    def test_killed_behind_http_2(self):
        self.killed("h2")

    def killed(self, kind):
        with Balancer(self.balanced(kind)) as balancer:
            plans = [
                self.plan(balancer, "get", 200, "/hello?delay_ms=100"),
                self.plan(balancer, "post", 100, "/echo?delay_ms=100", method="POST", body={"text": "hello"}),
                self.plan(balancer, "stream", 50, "/stream?count=4&every_ms=50"),
            ]
            if kind == "http":
                plans.append(self.sockets(balancer))
            with self.load(*plans):
                self.kill_and_start_again(balancer)
            requests = balancer.requests()
            stands = {it.name: balancer.backend(it.port) for it in self.all}
        # What can be asked twice is not lost: who owed it an answer was followed by another, and only then.
        self.assertEqual(self.failed("get"), 0)
        story, victim = Story(self.all, "get"), self.victim.name
        self.assertEqual(story.ids("ended"), self.planned("get"))
        begun = story.ids("begun", victim)
        unanswered, unfinished = begun - story.ids("ending", victim), begun - story.ids("ended", victim)
        self.assertGreater(len(unanswered), 0)
        self.assertTrue(unanswered <= story.twice() <= unfinished, (unanswered, story.twice(), unfinished))
        # What must not be is asked once, and whoever asked is told.
        read = len(self.victim.ids("begun")) + len(self.victim.ids("opened"))
        unread = stands[victim]["opened"] - read
        post = self.lost("post", unread, "http.502")
        self.assertEqual(requests["problems"], {"failed": post})
        # An answer that has begun is not made to look whole.
        stream = self.failed("stream", "connection" if self.version == "1.1" else "reset.INTERNAL_ERROR")
        story = Story(self.all, "stream")
        begun = story.ids("answered", victim) - story.ids("ending", victim)
        unfinished = story.ids("answering", victim) - story.ids("ended", victim)
        self.assertTrue(0 < len(begun) <= stream <= len(unfinished), (stream, begun, unfinished))
        self.assertEqual(requests["broken"], stream)
        # Of those who speak over WebSocket, the users of the one that was killed get another.
        sockets = self.moved() if kind == "http" else 0
        # All of it is in the balancer's books.
        asked = sum(len(self.planned(it)) for it in ("get", "post", "stream"))
        self.assertEqual(requests["requests"], asked + sockets)
        self.assertEqual(requests["responses"]["2xx"], asked - post)
        self.assertEqual((requests["responses"]["1xx"], requests["upgraded"]), (sockets, sockets))
        self.assertEqual((requests["abandoned"], requests["open"]), (0, 0))
        # Each request that a living backend has read, and none besides, was given to it.
        for it in self.living:
            given = len(it.ids("begun")) + len(it.ids("opened"))
            self.assertEqual(stands[it.name]["opened"], given)
            self.assertEqual((stands[it.name]["failed"], stands[it.name]["state_changes"]), (0, 0))
        self.assertEqual(stands[victim]["state_changes"], 2)
        # Clients' connections end only with an answer that breaks off.
        for name, dropped in (("get", 0), ("post", 0), ("stream", stream if self.version == "1.1" else 0)):
            self.assertEqual(self.found[name]["connections"]["dropped"], dropped, name)
        self.is_back()

    USERS = 9

    def sockets(self, balancer):
        step = {"websocket": {"path": "/socket", "send": {"text": "hello"}}}
        load = {"closed": {"users": self.USERS, "duration": f"{SECONDS}s", "think_time": "20ms"}}
        return scenario("sockets", f"127.0.0.1:{balancer.port}", step, load=load)

    def moved(self):
        """How many connections there were over WebSocket, if only those to the one that was killed ended early."""
        opened = [it["at_s"] for it in self.victim.journal() if it["what"] == "opened"]
        mine = sum(it < self.killed_s for it in opened)
        self.assertGreater(mine, 0)
        connections = self.found["sockets"]["connections"]
        connections = {key: connections[key] for key in ("opened", "dropped", "failed")}
        self.assertEqual(connections, {"opened": self.USERS + mine, "dropped": mine, "failed": 0})
        self.assertLessEqual(self.failed("sockets", "connection"), mine)
        return self.USERS + mine

    def test_frozen(self):
        """Who asked it is told after the time limit; nobody else notices, and nobody asks it until it goes on."""
        rate, limit_s = 200, 0.6
        with Balancer(self.balanced("http", response_timeout=f"{limit_s}s")) as balancer:
            with self.load(self.plan(balancer, "get", rate, "/hello?delay_ms=0", seconds=4)):
                frozen_s = time.monotonic()
                self.victim.freeze()
                balancer.until(self.victim.port, "down")
                self.assertLess(time.monotonic() - frozen_s, 2)
                opened = balancer.backend(self.victim.port)["opened"]
                time.sleep(1)
                self.assertEqual(balancer.backend(self.victim.port)["opened"], opened)
                frozen_s = time.monotonic() - frozen_s
                self.victim.go_on()
                balancer.until(self.victim.port, "up")
                self.returned_s = time.time()
            requests, stands = balancer.requests(), balancer.backend(self.victim.port)
        late = self.failed("get", "http.504")
        # It reads them when it goes on: each was asked once.
        lines = [line for it in self.all for line in it.journal() if line["what"] == "ending"]
        at = [(line["at_s"], int(line["id"].removeprefix("get-"))) for line in lines]
        begun_s = min(at_s - number / rate for at_s, number in at)
        waited = [number for at_s, number in at if at_s - begun_s - number / rate > 0.9]
        self.assertGreater(late, 0)
        self.assertEqual(len(waited), late)
        story = Story(self.all, "get")
        self.assertEqual((story.ids("begun"), story.twice()), (self.planned("get"), set()))
        self.assertEqual(requests["problems"], {"timeout": late})
        self.assertEqual(requests["responses"]["2xx"], len(self.planned("get")) - late)
        self.assertEqual((requests["retries"], requests["broken"], requests["abandoned"]), (0, 0, 0))
        self.assertEqual(stands["state_changes"], 2)
        response = self.found["get"]["response_time_us"]
        self.assertTrue(limit_s <= response["max"] / 1e6 < frozen_s, response)
        self.assertEqual(self.found["get"]["connections"]["dropped"], 0)
        self.is_back()

    def test_drained_and_started_anew_one_by_one(self):
        """As one brings in another version: nothing is lost, of what must not be asked twice either."""
        web, management = self.balanced("http"), f"127.0.0.1:{free_port()}"

        def change(port=None):
            """Has this one drain, and no other."""
            backends = [{"address": f"127.0.0.1:{it}", "drain": it == port} for it in self.ports]
            request = urllib.request.Request(
                f"http://{management}/services/web",
                json.dumps({"backends": backends}).encode(),
                {"content-type": "application/json"},
                method="PATCH",
            )
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                self.assertEqual(answer.status, 200)

        anew_s = {}
        with Balancer(web, management={"listen": management}) as balancer:
            body = {"text": "hello"}
            plan = self.plan(balancer, "post", 200, "/echo?delay_ms=100", seconds=4, method="POST", body=body)
            with self.load(plan):
                for it in self.all:
                    change(it.port)
                    wait_for("it has finished", lambda it=it: balancer.backend(it.port)["open"] == 0)
                    it.send(signal.SIGTERM)
                    self.assertEqual(it.ended(), 0)
                    it.again()
                    change()
                    balancer.until(it.port, "up")
                    anew_s[it.name] = time.time()
            requests = balancer.requests()
        for it in self.all:
            later = [line for line in it.journal() if line["at_s"] > anew_s[it.name]]
            self.assertGreater(len(later), 10, it.name)
        self.assertEqual(self.failed("post"), 0)
        story = Story(self.all, "post")
        self.assertEqual((story.ids("ended"), story.twice()), (self.planned("post"), set()))
        self.assertEqual(requests["responses"]["2xx"], len(self.planned("post")))
        self.assertEqual((requests["problems"], requests["broken"]), ({}, 0))
        self.assertEqual(self.found["post"]["connections"]["dropped"], 0)


class Tcp(Backends):
    """Through `loadgen balance tcp`: nine users who keep their connections, and others with one for each line."""

    USERS = 9
    # The system resets the connections of a process that was killed where it had not read all, and ends the others.
    BROKEN = ("connection", "incomplete")

    def balanced(self, **options):
        self.start("tcp", **options)
        backends = [{"address": f"127.0.0.1:{it}"} for it in self.ports]
        return Configured("tcp", {"backends": backends, "health": CHECKS, "connect_timeout": "200ms"})

    def plans(self, balancer, rate, seconds=SECONDS):
        address = f"127.0.0.1:{balancer.port}"

        def plan(name, line, load, connection_per):
            step = {
                "name": name,
                "tcp": {"send": {"text": f"{{{{ {line} }}}}\n"}, "receive": {"until": "\n"}},
                "check": [f"reply.text is startingwith({line} ~ ' ')"],
            }
            return scenario(name, address, step, load=load, connection_per=connection_per)

        held = {"closed": {"users": self.USERS, "duration": f"{seconds}s", "think_time": "20ms"}}
        return [
            plan("held", "'held-' ~ user ~ '-' ~ iteration", held, "user"),
            plan("new", "'new-' ~ iteration", arrivals(rate, seconds), "iteration"),
        ]

    def test_killed(self):
        with self.balanced() as balancer:
            with self.load(*self.plans(balancer, 200)):
                self.kill_and_start_again(balancer)
            counts, stands = balancer.status()["connections"], balancer.backend(self.victim.port)
        # Of the users who keep theirs, only those of the one that was killed get another.
        story, victim = Story(self.all, "held"), self.victim.name
        mine = len({it["peer"] for it in story.of[victim] if it["at_s"] < self.killed_s})
        self.assertTrue(1 <= mine <= self.USERS / 2, mine)
        connections = self.found["held"]["connections"]
        connections = {key: connections[key] for key in ("opened", "dropped", "failed")}
        self.assertEqual(connections, {"opened": self.USERS + mine, "dropped": mine, "failed": 0})
        failed = self.failed("held", *self.BROKEN)
        begun = story.ids("begun", victim)
        unanswered = begun - story.ids("ending", victim)
        self.assertTrue(len(unanswered) <= failed <= mine, (failed, unanswered, mine))
        self.assertEqual(story.ids("begun") - begun, story.ids("ended") - begun)
        # Of the others, those who were owed an answer: it had taken their connections.
        met = {(it["peer"], it["at_s"] < self.killed_s) for it in self.victim.journal() if "peer" in it}
        unread = stands["opened"] - stands["failed"] - len(met)
        new = self.lost("new", unread, *self.BROKEN)
        self.assertEqual(self.found["new"]["connections"]["failed"], 0)
        # All of it is in the balancer's books. Whose answer had come and who was about to end may be reset, too.
        accepted = self.USERS + mine + len(self.planned("new"))
        self.assertEqual(counts["accepted"], accepted)
        self.assertEqual(counts["completed"] + counts["broken"], accepted)
        self.assertEqual((counts["open"], counts["refused_no_backend"], counts["refused_unreachable"]), (0, 0, 0))
        closed = {(it["peer"], it["at_s"] < self.killed_s) for it in self.victim.journal() if it["what"] == "closed"}
        left = sum(before for _, before in met - closed) + unread
        self.assertLessEqual(counts["broken"], left)
        self.assertLessEqual(mine + new, left)
        self.assertEqual(stands["state_changes"], 2)
        self.is_back()

    def test_frozen(self):
        """The system takes a few connections for it, which wait; the others are passed on after the time limit, and
        checks find the same. Nothing is lost."""
        with self.balanced(backlog=4) as balancer:
            with self.load(*self.plans(balancer, 100, seconds=4)):
                frozen_s = time.time()
                self.victim.freeze()
                balancer.until(self.victim.port, "down")
                self.assertIn("200ms", balancer.backend(self.victim.port)["last_failure"])
                time.sleep(1)
                thawed_s = time.time()
                self.victim.go_on()
                balancer.until(self.victim.port, "up")
                self.returned_s = time.time()
            counts, stands = balancer.status()["connections"], balancer.backend(self.victim.port)
        for name in ("held", "new"):
            self.assertEqual(self.failed(name), 0)
            self.assertEqual(self.found[name]["connections"]["dropped"], 0)
        self.assertEqual(self.found["held"]["connections"]["opened"], self.USERS)
        story = Story(self.all, "new")
        self.assertEqual((story.ids("ended"), story.twice()), (self.planned("new"), set()))
        accepted = self.USERS + len(self.planned("new"))
        self.assertEqual((counts["accepted"], counts["completed"]), (accepted, accepted))
        # What was passed on had been tried there first.
        self.assertGreater(stands["failed"], 0)
        # Those who were with it waited until it went on, the users of the others did not wait at all.
        waited_us = 1e6 * (thawed_s - frozen_s)
        self.assertGreater(self.found["held"]["response_time_us"]["max"], waited_us)
        for it in self.living:
            at = sorted(line["at_s"] for line in Story([it], "held").of[it.name])
            gap = max(later - earlier for earlier, later in zip(at, at[1:]))
            self.assertLess(gap, 0.8)
        self.is_back()


if __name__ == "__main__":
    unittest.main()
