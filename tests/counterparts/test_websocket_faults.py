"""`loadgen run` against WebSocket servers that are killed, start again, stand still, or close one
connection after another: what happened is in the report, and nothing else is."""

import time
import unittest

from harness import Run, exchange, scenario, websockets_server, ws_server
from server_websockets import Server

ECHO = exchange("/echo", {"text": "hello"})


def dated(found, key):
    """The seconds in which something became of connections."""
    return [point["t_s"] for point in found["series"] if point.get("connections", {}).get(key)]


class Processes(unittest.TestCase):
    SERVERS = (("websockets", websockets_server), ("ws", ws_server))

    def test_killed(self):
        for name, make in self.SERVERS:
            with self.subTest(name), make() as server:
                load = {"closed": {"users": 20, "duration": "4s", "think_time": "50ms"}}
                plan = scenario("ws", server.address, ECHO, load=load)
                plan["thresholds"] = ["error_rate < 1%"]
                with Run(plan) as running:
                    time.sleep(2)
                    server.kill()
                    (found,) = running.result(expect=99)["scenarios"]
                outcomes = found["outcomes"]
                self.assertLessEqual(set(outcomes), {"ok", "connection", "connect"})
                self.assertGreater(outcomes["ok"], 20 * 10)
                # Attempts back off, and are made to the end.
                self.assertTrue(20 * 2 <= outcomes["connect"] < 20 * 200, outcomes)
                connections = found["connections"]
                self.assertEqual(connections["opened"], 20)
                self.assertEqual(connections["dropped"], 20)
                self.assertGreaterEqual(connections["failed"], outcomes["connect"])
                # One at the most for each user: the others rested, and their next attempt failed.
                self.assertLessEqual(outcomes.get("connection", 0), 20)
                self.assertGreaterEqual(found["duration_s"], 3.9)
                self.assertGreaterEqual(dated(found, "failed")[-1], 3)
                connect = next(it for it in found["failures"] if it["outcome"] == "connect")
                self.assertIn("refused", connect["example"])

    def test_killed_under_way(self):
        # Without rest, nearly everybody is owed an answer when the server goes. Who was about to ask
        # again finds the connection gone and has nothing that failed.
        with websockets_server() as server:
            load = {"closed": {"users": 20, "duration": "3s"}}
            with Run(scenario("ws", server.address, ECHO, load=load)) as running:
                time.sleep(1.5)
                server.kill()
                (found,) = running.result()["scenarios"]
        self.assertTrue(15 <= found["outcomes"]["connection"] <= 20, found["outcomes"])
        self.assertEqual(found["connections"]["dropped"], 20)

    def test_started_again(self):
        for name, make in self.SERVERS:
            with self.subTest(name), make() as server:
                load = {"closed": {"users": 20, "duration": "6s", "think_time": "50ms"}}
                with Run(scenario("ws", server.address, ECHO, load=load)) as running:
                    time.sleep(2)
                    server.kill()
                    time.sleep(0.5)
                    server.start_again()
                    (found,) = running.result()["scenarios"]
                self.assertLessEqual(set(found["outcomes"]), {"ok", "connection", "connect"})
                self.assertEqual(found["connections"]["opened"], 40)
                self.assertEqual(found["connections"]["dropped"], 20)
                opened, dropped = dated(found, "opened"), dated(found, "dropped")
                self.assertEqual(opened[0], 0)
                self.assertLessEqual(dropped[0], opened[1])
                self.assertTrue(2 <= opened[-1] <= 4, opened)
                # All are back at work before the end.
                for point in found["series"]:
                    if point["t_s"] in (0, 4):
                        self.assertEqual(point["failed"], 0, point)
                        self.assertGreater(point["completed"], 20 * 5, point)

    def test_frozen(self):
        # With few users the arrivals wait in line, with many they open connections meanwhile.
        for make, users in ((websockets_server, 50), (ws_server, 800)):
            with self.subTest(users=users), make() as server:
                load = {"open": {"rate": "500/s", "duration": "6s", "users": {"max": users}}}
                plan = scenario("ws", server.address, ECHO, load=load, late_after="20ms")
                for attempt in range(4):
                    with Run(plan) as running:
                        time.sleep(3)
                        server.freeze(1)
                        document = running.result()
                    (found,), verdict = document["scenarios"], document["verdict"]
                    self.check_counts(found, planned=3000)
                    # Where others take its processor away, loadgen says so, and its times are
                    # another truth than the one looked for here.
                    if verdict["status"] == "invalid":
                        continue
                    self.assertEqual(verdict["status"], "pass", verdict)
                    # Nor does the server catch up as fast then: it gets another try, loadgen's own
                    # figures do not.
                    slow = self.check_frozen(found, stop=1, total=6)
                    if not slow:
                        break
                    self.assertLess(attempt, 3, slow)

    def check_counts(self, found, planned):
        self.assertEqual(found["ledger"]["planned"], planned)
        self.assertEqual(found["ledger"]["dropped"], 0)
        self.assertEqual(found["outcomes"], {"ok": planned})
        self.assertEqual(found["connections"]["dropped"], 0)

    def check_frozen(self, found, stop, total):
        # Arrivals due while it stands still wait for the rest of that time, so that the quantile q
        # is stop - (1 - q) * total. What has piled up takes the server a moment more; where that is a
        # long one, it is told.
        response = found["response_time_us"]
        quantiles = {"p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1}
        truths = {key: 1e6 * (stop - (1 - it) * total) for key, it in quantiles.items()}
        for key, truth in truths.items():
            self.assertGreater(response[key], truth - 50_000, (key, truth, response))
        self.assertLess(response["p50"], 50_000)
        self.assertLess(found["start_lag_us"]["p99"], 20_000, found["start_lag_us"])
        # The longest waits are dated to when they were due, not to when they ended.
        points = [point for point in found["series"] if "response_time_us" in point]
        worst = max(points, key=lambda point: point["response_time_us"]["max"])
        self.assertIn(worst["t_s"], (2, 3))
        return {key: (it, response) for key, it in truths.items() if response[key] > it + 200_000}


class Endurance(unittest.TestCase):
    def test_connections_that_do_not_last(self):
        # On a machine that is busy with something else more of the users are about to come back at
        # the end: they get another try, everything else does not.
        for _ in range(3):
            away = self.run_with_connections_that_do_not_last(users=60, seconds=20)
            if away <= 10:
                break
        self.assertLessEqual(away, 10)

    def run_with_connections_that_do_not_last(self, users, seconds):
        load = {
            "closed": {
                "users": users,
                "duration": f"{seconds}s",
                "think_time": {"between": ["20ms", "100ms"]},
            }
        }
        step = exchange("/restless?least_ms=500&most_ms=2000", {"text": "hello"})
        with Server() as server:
            with Run(scenario("ws", server.address, step, load=load)) as running:
                resident = []
                for _ in range(seconds - 1):
                    time.sleep(1)
                    resident.append(running.resident_kib())
                open_near_the_end = server.books.open
                (found,) = running.result()["scenarios"]
        books, connections = server.books, found["connections"]
        # Both sides tell the same story.
        self.assertEqual(connections["opened"], books.opened)
        self.assertEqual(connections["failed"], 0)
        ended = books.kinds["cut"] + books.kinds["good-bye"]
        self.assertGreater(ended, users * seconds / 3)
        # What ended during the good-byes at the end was not dropped, as far as loadgen can tell.
        self.assertLessEqual(abs(connections["dropped"] - ended), users // 4)
        self.assertLessEqual(connections["opened"] - connections["dropped"], users)
        # Each second had its share.
        self.assertEqual(dated(found, "dropped")[:seconds], list(range(seconds)))
        # Most end while their users rest, which costs nobody anything.
        outcomes = found["outcomes"]
        self.assertLessEqual(set(outcomes), {"ok", "connection", "close.1001"})
        failed = found["ledger"]["failed"]
        self.assertLess(failed / (failed + outcomes["ok"]), 0.03, outcomes)
        # Everybody is at work, but for the few that are about to come back.
        self.assertGreaterEqual(open_near_the_end, users * 0.8)
        last = found["series"][seconds - 2]
        self.assertGreater(last["completed"], users * 8, last)
        # Percentiles of the last eleven seconds are kept, so only after these is there nothing new. The
        # allocator takes memory in pieces of up to 2 MiB, and gives some of them back: it goes up and
        # down by 4 MiB. Of the 400 connections of the last seconds each could leave 20 KiB unseen; the
        # soak looks closer.
        growth = min(resident[-4:]) - min(resident[11:15])
        self.assertLess(growth, 8192, f"KiB, second by second: {resident}")
        return users - (connections["opened"] - connections["dropped"])


if __name__ == "__main__":
    unittest.main()
