"""Marks where a run starts and ends, as Graphite's events would get them."""

import json
import subprocess
import tempfile
import time
import unittest

from harness import LOADGEN, PATIENCE
from receiver import Receiver


# No answer can come within so short a time, however late the machine is.
IMPOSSIBLE = {
    "name": "hello_light",
    "load": {"closed": {"users": 1, "iterations": 1}},
    "steps": [{"grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "world"}}}],
    "thresholds": ["service_time.max < 1us"],
}


class Marks(unittest.TestCase):
    def run_to(self, url, *flags):
        command = [LOADGEN, "run", "--scenario", "hello_light", "--json", "--requests", "200"]
        command += ["--graphite", url, *flags]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE)
        return done, json.loads(done.stdout)

    def test_both_ends(self):
        before = int(time.time())
        with Receiver() as graphite:
            done, document = self.run_to(f"{graphite.url}/own/", "--statsd-prefix", "team.load")
            posts = graphite.posts
        after = int(time.time())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("WARNING: Graphite", done.stderr)
        self.assertNotIn("--statsd-prefix", done.stderr)
        self.assertEqual([path for path, _, _ in posts], ["/own/events/"] * 2)
        start, end = (json.loads(body) for _, _, body in posts)
        run = document["run"]["id"]
        self.assertEqual(start["what"], f"loadgen run {run} started: hello_light (grpc)")
        self.assertEqual(start["tags"], ["loadgen", "run-start", run, "team.load", "team:start"])
        # On a machine that stands still for a moment it is no pass.
        verdict = document["verdict"]["status"]
        self.assertIn(verdict, ("pass", "invalid"))
        self.assertEqual(end["what"], f"loadgen run {run} ended: {verdict}")
        self.assertEqual(
            end["tags"], ["loadgen", "run-end", run, "team.load", verdict, f"team:{verdict}"]
        )
        self.assertIn("hello_light (grpc): 200 completed, 0 failed", end["data"])
        self.assertTrue(before <= start["when"] <= end["when"] <= after, (start, end))

    def test_a_failed_run(self):
        with Receiver() as graphite, tempfile.NamedTemporaryFile("w", suffix=".json") as suite:
            json.dump({"scenarios": [IMPOSSIBLE]}, suite)
            suite.flush()
            done, _ = self.run_to(graphite.url, "--config", suite.name)
            end = json.loads(graphite.posts[-1][2])
        self.assertEqual(done.returncode, 99, done.stderr)
        self.assertEqual(end["tags"][-2:], ["fail", "loadgen:fail"])

    def test_what_graphite_refuses_is_said_once(self):
        with Receiver(status=500) as graphite:
            done, _ = self.run_to(graphite.url)
        self.assertEqual(done.returncode, 0, done.stderr)
        warning = f"WARNING: Graphite at {graphite.url}: 2 marks did not get there (it answered 500"
        self.assertEqual(done.stderr.count(warning), 1, done.stderr)
