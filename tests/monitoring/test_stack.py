"""The stack itself: what its script says and does, events, pictures."""

import json
import os
import pathlib
import signal
import socket
import time
import unittest

from harness import Run, wait_for
from stack import Stack, free_ports

STACK = Stack("stack")


def setUpModule():
    unittest.enterModuleContext(STACK)


def ended(pid):
    """Whether a process is over, be it that nobody has asked for its exit code yet."""
    try:
        return not pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return True


class Script(unittest.TestCase):
    def test_a_second_start_is_harmless(self):
        before = STACK.script("status")
        self.assertEqual(STACK.script("start").count("runs already"), 3)
        self.assertEqual(STACK.script("status"), before)

    def test_a_part_that_died_is_started_again(self):
        pid = int((STACK.folder / "run" / "carbon.pid").read_text(encoding="ascii"))
        os.kill(pid, signal.SIGKILL)
        wait_for("the end of carbon", lambda: ended(pid))
        self.assertIn("carbon does not run", STACK.script("status", expect=1))
        said = STACK.script("start")
        self.assertIn("starts carbon", said)
        self.assertIn("statsd runs already", said)

    def test_a_port_that_is_taken(self):
        for name, kind in (
            ("MONITORING_STATSD_PORT", socket.SOCK_DGRAM),
            ("MONITORING_GRAPHITE_PORT", socket.SOCK_STREAM),
        ):
            with self.subTest(name), socket.socket(type=kind) as other:
                other.bind(("127.0.0.1", 0))
                if kind == socket.SOCK_STREAM:
                    other.listen()
                port = other.getsockname()[1]
                blocked = Stack("taken", {**free_ports(), name: port})
                said = blocked.script("start", expect=1)
                self.assertRegex(said, rf"port {port}/\w+ cannot be had: .*set {name}")
                # Nothing is left half started.
                self.assertEqual(blocked.script("status", expect=1).count("does not run"), 3)

    def test_clean(self):
        other = Stack("cleaned")
        with other:
            self.assertTrue((other.folder / "data" / "graphite.db").exists())
            other.script("clean")
            self.assertEqual(other.script("status", expect=1).count("does not run"), 3)
            self.assertFalse((other.folder / "data").exists())
            other.script("stop")

    def test_wrong_use(self):
        STACK.script("begin", expect=2)
        self.assertIn("there are: carbon graphite-web statsd", STACK.script("start", "grafana", expect=1))


class Graphite(unittest.TestCase):
    def test_events(self):
        now = int(time.time())
        event = {"what": "run started", "tags": ["loadgen", "start"], "data": "hello", "when": now}
        STACK.post("/events/", event)
        (found,) = json.loads(STACK.get("/events/get_data", tags="start", **{"from": now - 60}))
        self.assertEqual({key: found[key] for key in event}, event)

    def test_pages(self):
        """What people see in a browser, scripts and all."""
        self.assertIn(b"Graphite", STACK.get("/"))
        self.assertIn(b"Ext.", STACK.get("/static/js/composer.js"))
        self.assertNotIn(b"Invalid theme", STACK.get("/dashboard"))

    def test_how_points_become_coarser(self):
        """storage-aggregation.conf, by what carbon has made of it."""
        flags = ("--scenario", "hello_light", "--duration", "2s")
        with Run(flags=(*flags, "--statsd", STACK.statsd, "--statsd-prefix", "coarser")) as running:
            running.result()
        STACK.settle()
        methods = {
            "stats.counters.coarser.hello_light.completed.count": "sum",
            "stats.counters.coarser.hello_light.completed.rate": "average",
            "stats.gauges.coarser.hello_light.response_time_us.max": "max",
            "stats.gauges.coarser.hello_light.response_time_us.p50": "max",
            "stats.gauges.coarser.hello_light.users": "max",
            "stats.gauges.coarser.hello_light.response_time_us.mean": "average",
        }
        for name, method in methods.items():
            path = STACK.folder / "data" / "whisper" / (name.replace(".", "/") + ".wsp")
            # Whisper's header: the method by number, the longest time kept, 0.0, three archives.
            header = path.read_bytes()[:16]
            self.assertEqual(header[3], {"average": 1, "sum": 2, "max": 4}[method], name)
            self.assertEqual(header[4:], (7 * 86400).to_bytes(4, "big") + bytes(7) + b"\x03", name)

    def test_pictures(self):
        """Graphite's own picture of a run, kept for people to look at."""
        begun = int(time.time()) - 2
        flags = ("--scenario", "echo_light", "--concurrency", "20", "--duration", "6s")
        with Run(flags=(*flags, "--statsd", STACK.statsd, "--statsd-prefix", "pictures")) as running:
            running.result()
        STACK.settle()
        gauges = "stats.gauges.pictures.*"
        panels = {
            "throughput": (
                ["aliasByNode(stats.counters.pictures.*.completed.rate,3)"],
                {"vtitle": "iterations/s"},
            ),
            "response_time": (
                [f"aliasByNode({gauges}.response_time_us.{it},3,5)" for it in ("p50", "p99", "max")],
                {"vtitle": "µs"},
            ),
            "users": ([f"aliasByNode({gauges}.users,3)"], {"vtitle": "users"}),
        }
        for name, (targets, more) in panels.items():
            found = STACK.render(targets, begun)
            self.assertGreaterEqual(len(found), 2, name)
            for series, points in found.items():
                self.assertTrue(any(value for value, _ in points), series)
            STACK.png(name, targets, begun, lineMode="connected", **more)
