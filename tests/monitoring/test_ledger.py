"""Every counter in Graphite, summed over a run, is what the run's document says."""

import time
import unittest

from harness import Run, Serve, scenario
from ledger import differences, expected
from stack import Stack, Tap

STACK = Stack("ledger")


def setUpModule():
    unittest.enterModuleContext(STACK)


def greeter(method, message=None, **fields):
    """A step that calls the reference server."""
    grpc = {"method": f"loadgen.v1.Greeter/{method}", "message": message or {}, **fields}
    return {"name": method.lower(), "grpc": grpc}


def websocket(name, path, **fields):
    """A step over WebSocket."""
    return {"name": name, "websocket": {"path": path, **fields}}


def of_all_kinds(grpc, websockets):
    """One scenario for each protocol, under one name, with all that can happen in it."""
    calls = [
        greeter("Hello", {"name": "world"}),
        greeter("Echo", {"payload": "eA=="}),
        greeter("Stream", {"count": 7}),
    ]
    exchanges = [
        websocket("echo", "/echo", send={"text": "hello"}),
        websocket(
            "stream",
            "/stream",
            send={"json": {"count": 5}},
            stream={"messages": 5, "sequence": "sequence"},
        ),
    ]
    load = {"closed": {"users": 12, "duration": "4s"}}
    return [
        scenario("all.kinds", grpc, *calls, load=load),
        scenario("all.kinds", websockets, *exchanges, load=load),
    ]


class Ledger(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        # A prefix for each test; what the one before has left is not counted.
        self.prefix = f"proof.{self.id().rsplit('.', 1)[1]}"
        self.begun = int(time.time()) - 2
        self.drops = STACK.drops()

    def flags(self, address=None):
        return ("--statsd", address or STACK.statsd, "--statsd-prefix", self.prefix)

    def check(self, document):
        """Holds Graphite against the document; in the coarse archives too."""
        STACK.settle()
        self.assertEqual(STACK.drops(), self.drops)
        for since, step in ((self.begun, 1), ("-2h", 10), ("-2d", 60)):
            counted = STACK.counters(self.prefix, since, step)
            wrong = differences(counted, document, self.prefix)
            self.assertFalse(wrong, f"points {step} s apart:\n" + "\n".join(wrong))
        self.check_gauges()
        # The comparison is of something.
        for it in document["scenarios"]:
            self.assertGreater(it["ledger"]["completed"], 0)
            self.assertGreater(len(expected({"scenarios": [it]}, self.prefix)), 10)

    def check_gauges(self):
        """Every gauge ends with zero, and those that are always there have no holes until then."""
        head = f"stats.gauges.{self.prefix}."
        found = STACK.render([it for it in STACK.names() if it.startswith(head)], self.begun)
        self.assertTrue(any(it.endswith(".users") for it in found), list(found))
        for name, points in found.items():
            values = [value for value, _ in points]
            while values and values[-1] is None:
                values.pop()
            self.assertEqual(values[-1], 0, name)
            if name.endswith((".users", ".throughput_per_s")):
                while values[0] is None:
                    values.pop(0)
                self.assertNotIn(None, values, name)

    def run_shipped(self, *flags):
        with Run(flags=(*flags, *self.flags())) as running:
            document = running.result()
        self.assertEqual(running.stderr.count("StatsD"), 1, running.stderr)
        self.check(document)
        return document

    def test_all_that_can_happen(self):
        """Failures, cut connections, streams, both protocols under one name that needs cleaning."""
        faults = ("--error-rate", "5%", "--cut-after", "500")
        refuse = ("--refuse-rate", "10%")
        with (
            Serve(*faults) as grpc,
            Serve(*faults, *refuse, protocol="websocket") as websockets,
        ):
            scenarios = of_all_kinds(grpc.address, websockets.address)
            with Run(*scenarios, flags=self.flags()) as running:
                document = running.result()
        for it in document["scenarios"]:
            self.assertGreater(it["ledger"]["failed"], 0, it["protocol"])
            self.assertGreater(it["connections"]["dropped"], 0, it["protocol"])
            self.assertTrue(any("messages" in step for step in it["steps"]), it["protocol"])
        self.assertGreater(document["scenarios"][1]["connections"]["failed"], 0)
        self.check(document)

    def test_open_and_overrun(self):
        """Late, dropped and interrupted ones are counted like the others."""
        load = {"open": {"rate": "400/s", "duration": "3s", "users": {"max": 4}, "when_busy": "drop"}}
        with Serve("--delay", "10ms..50ms") as grpc:
            slow = scenario("overrun", grpc.address, greeter("Hello"), load=load)
            with Run(slow, flags=self.flags()) as running:
                document = running.result()
        self.assertGreater(document["scenarios"][0]["ledger"]["dropped"], 0)
        self.check(document)

    def test_high_rate(self):
        """50,000 requests a second, or what this machine reaches of it; nothing is lost."""
        document = self.run_shipped(
            "--scenario", "hello_high", "--rate", "50000/s", "--duration", "5s"
        )
        reached = document["scenarios"][0]["throughput_per_s"]
        print(f"\n50,000/s asked for, {reached:,.0f}/s reached: ", end="")
        self.assertGreater(reached, 1_000)

    def test_websocket_at_full_speed(self):
        self.run_shipped(
            "--scenario", "echo_light", "--protocol", "websocket", "--duration", "4s"
        )

    def test_datagrams(self):
        """StatsD has received every datagram that was sent, and understood every line."""
        STACK.settle()
        received = self.statsd_counts()
        with Tap(STACK.statsd) as tap:
            with Run(
                flags=("--scenario", "stream_light", "--duration", "4s", *self.flags(tap.address))
            ) as running:
                document = running.result()
            self.assertEqual(tap.drops(), 0)
        self.check(document)
        sent = {}
        for name, value, kind in tap.lines():
            self.assertIn(kind, ("c", "g"), name)
            if kind == "c":
                sent[name] = sent.get(name, 0) + value
        self.assertEqual(differences(sent, document, self.prefix), [])
        self.assertLessEqual(max(len(it.encode()) for it in tap.datagrams), 1432)
        after = self.statsd_counts()
        # `settle` sends two.
        self.assertEqual(after["packets"] - received["packets"], len(tap.datagrams) + 2)
        self.assertEqual(after["metrics"] - received["metrics"], len(list(tap.lines())) + 2)
        self.assertEqual(after["bad"], 0)

    def statsd_counts(self):
        """What StatsD says that it has received, up to its last flush."""
        names = {"packets": "packets_received", "metrics": "metrics_received", "bad": "bad_lines_seen"}
        found = STACK.render([f"stats.counters.statsd.{it}.count" for it in names.values()], "-30min")
        return {
            key: sum(value or 0 for value, _ in found[f"stats.counters.statsd.{it}.count"])
            for key, it in names.items()
        }
