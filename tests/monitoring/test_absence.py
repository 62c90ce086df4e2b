"""StatsD that is not there, comes late, goes and comes back, or is a black hole."""

import time
import unittest

from harness import Run, Serve, scenario, wait_for
from ledger import differences
from stack import BlackHole, Stack, no_ports, udp_socket

STACK = Stack("absence")
HELLO = {
    "name": "hello",
    "grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "world"}},
}


def setUpModule():
    unittest.enterModuleContext(STACK)


class Absence(unittest.TestCase):
    def setUp(self):
        self.prefix = f"absence.{self.id().rsplit('.', 1)[1]}"
        self.begun = int(time.time()) - 2
        self.server = self.enterContext(Serve())
        # Whatever a test has done to it, the next one finds StatsD there.
        self.addCleanup(STACK.script, "start", "statsd")

    def start(self, duration, address=None):
        load = {"open": {"rate": "2000/s", "duration": duration, "users": {"max": 50}}}
        steady = scenario("steady", self.server.address, HELLO, load=load)
        flags = ("--statsd", address or STACK.statsd, "--statsd-prefix", self.prefix)
        return self.enterContext(Run(steady, flags=flags))

    def wait_for_refusals(self):
        """Until loadgen has found nobody there for more than one flush."""
        before = no_ports()
        wait_for("datagrams that are refused", lambda: no_ports() >= before + 2)

    def check_sum(self, document):
        STACK.settle()
        wrong = differences(STACK.counters(self.prefix, self.begun), document, self.prefix)
        self.assertFalse(wrong, "\n".join(wrong))

    def check_load(self, document, seconds):
        """The load has gone on as if nothing were the matter."""
        (found,) = document["scenarios"]
        self.assertEqual(found["ledger"]["completed"], 2000 * seconds)
        self.assertLess(found["duration_s"], seconds + 1)

    def test_late(self):
        """It comes while the run goes on: what it missed is sent then."""
        STACK.script("stop", "statsd")
        running = self.start("8s")
        self.wait_for_refusals()
        STACK.script("start", "statsd")
        document = running.result()
        self.check_load(document, 8)
        self.assertRegex(running.stderr, "refused, and their counts sent later")
        self.check_sum(document)

    def test_restart(self):
        """It ends and comes back: both lives together have everything.

        What it had received and not yet flushed would be lost with it, whoever sent it: when
        StatsD is told to end it begins a last flush, and does not wait until that is sent. So
        loadgen is held still until StatsD has nothing left to flush.
        """
        running = self.start("12s")
        completed = f"stats.counters.{self.prefix}.steady.completed.count"
        wait_for("counts in Graphite", lambda: STACK.render([completed], self.begun))
        running.hold()
        STACK.settle()
        before = STACK.counters(self.prefix, self.begun)
        STACK.script("stop", "statsd")
        running.go_on()
        self.wait_for_refusals()
        STACK.script("start", "statsd")
        document = running.result()
        self.assertRegex(running.stderr, "refused, and their counts sent later")
        self.check_sum(document)
        name = f"{self.prefix}.steady.completed"
        total = document["scenarios"][0]["ledger"]["completed"]
        self.assertTrue(0 < before[name] < total, (before[name], total))

    def test_absent(self):
        """It never comes: the run is as good as any, and says what nobody heard."""
        STACK.script("stop", "statsd")
        running = self.start("3s")
        document = running.result()
        self.check_load(document, 3)
        self.assertRegex(running.stderr, "WARNING: StatsD .*nobody listened, and nothing got there")

    def test_black_hole(self):
        """Nobody reads what is sent. Nobody can tell, and nothing comes of it."""
        with BlackHole() as hole:
            running = self.start("3s", hole.address)
            document = running.result()
            self.check_load(document, 3)
            self.assertGreater(hole.drops(), 0)
        self.assertEqual(running.stderr.count("StatsD"), 1, running.stderr)

    def test_black_hole_instead(self):
        """StatsD goes, and a black hole takes its place while the run goes on."""
        running = self.start("6s")
        completed = f"stats.counters.{self.prefix}.steady.completed.count"
        wait_for("counts in Graphite", lambda: STACK.render([completed], self.begun))
        STACK.script("stop", "statsd")
        with BlackHole(STACK.ports["MONITORING_STATSD_PORT"]) as hole:
            wait_for("datagrams that are dropped", lambda: udp_socket(hole.port)[1])
            document = running.result()
        self.check_load(document, 6)
