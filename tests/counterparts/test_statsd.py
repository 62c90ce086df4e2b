"""Metrics sent to npm's StatsD: what it counted is held against the result document."""

import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import unittest

import grpc
import ledger
from harness import LOADGEN, PATIENCE, Serve, free_port, servers, tool
from loadgen.v1 import loadgen_pb2, loadgen_pb2_grpc

STATSD = pathlib.Path(os.environ["NODE_PATH"], "statsd", "stats.js")


class Statsd:
    """StatsD that keeps its counters, and says them at its admin port. Use it in a `with`."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.port = free_port(socket.SOCK_DGRAM)
        self._admin = free_port(socket.SOCK_STREAM)
        config = pathlib.Path(self._folder.name, "config.js")
        # It clears its counters with each flush: none comes while a test runs.
        fields = {
            "address": "127.0.0.1",
            "port": self.port,
            "mgmt_address": "127.0.0.1",
            "mgmt_port": self._admin,
            "flushInterval": 600_000,
            "backends": [],
        }
        # Its configuration is the inside of an object in JavaScript.
        config.write_text(json.dumps(fields), encoding="utf-8")
        self._process = subprocess.Popen(
            [tool("node"), STATSD, config],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self._ask("health")
                return self
            except ConnectionRefusedError:
                if time.monotonic() > until or self._process.poll() is not None:
                    self.__exit__()
                    raise
                time.sleep(0.05)

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def _ask(self, what):
        with socket.create_connection(("127.0.0.1", self._admin), PATIENCE) as admin:
            admin.sendall(f"{what}\n".encode())
            said = b""
            while not said.endswith(b"END\n\n") and not said.startswith(b"health"):
                part = admin.recv(65536)
                if not part:
                    break
                said += part
        return said.decode()

    def _values(self, what):
        said = self._ask(what).removesuffix("END\n\n")
        # It prints an object as JavaScript would write it.
        script = "process.stdout.write(JSON.stringify(eval('(' + process.argv[1] + ')')))"
        done = subprocess.run(
            [tool("node"), "-e", script, said], check=True, capture_output=True, encoding="utf-8"
        )
        return json.loads(done.stdout)

    def counters(self):
        """What was counted, and not what it counts of itself."""
        values = self._values("counters")
        assert values.get("statsd.bad_lines_seen", 0) == 0, values
        return {name: value for name, value in values.items() if not name.startswith("statsd.")}

    def gauges(self):
        values = self._values("gauges")
        return {name: value for name, value in values.items() if not name.startswith("statsd.")}


def expected_of_embedded(scenario):
    """The counters that the embedded backend sends of itself, if it and the generator agree."""
    (backend,) = servers(scenario)
    counters = {"requests": backend["requests"], "failed": backend["failed"]}
    counters["connections.opened"] = scenario["connections"]["opened"]
    name = f"team.load.backend.{backend['id']}.{scenario['protocol']}"
    return {f"{name}.{key}": it for key, it in counters.items() if it}


class Ledger(unittest.TestCase):
    maxDiff = None

    def check(self, *flags):
        with Statsd() as statsd:
            command = [LOADGEN, "run", "--json", "--duration", "2500ms", "--concurrency", "20", *flags]
            command += ["--statsd", f"127.0.0.1:{statsd.port}", "--statsd-prefix", "team.load"]
            done = subprocess.run(
                command, capture_output=True, encoding="utf-8", timeout=PATIENCE
            )
            self.assertIn(done.returncode, (0, 99), done.stderr)
            counters, gauges = statsd.counters(), statsd.gauges()
        self.assertEqual(done.stderr.count("StatsD"), 1, done.stderr)
        document = json.loads(done.stdout)
        scenarios = document["scenarios"]
        wanted = ledger.expected(document, "team.load")
        for scenario in scenarios:
            self.assertGreater(scenario["ledger"]["completed"], 0)
            name = scenario["name"]
            if len(scenarios) > 1:
                name += f"_{scenario['protocol']}"
            wanted |= expected_of_embedded(scenario)
            handled = f"team.load.backend.embedded.{scenario['protocol']}.handling_time_us.p50"
            self.assertIn(handled, gauges)
            self.assertIn(f"team.load.{name}.response_time_us.p50", gauges)
        # The document leaves the messages out where they are one and its reply.
        counted = {
            key: it
            for key, it in counters.items()
            if key in wanted or not (".messages_" in key or ".messages." in key)
        }
        self.assertEqual(counted, wanted)
        self.assertEqual(set(gauges.values()), {0})

    def test_grpc(self):
        self.check("--scenario", "hello_light")

    def test_websocket(self):
        self.check("--scenario", "stream_light", "--protocol", "websocket")

    def test_both_under_one_name(self):
        self.check("--scenario", "echo_light")


class Backend(unittest.TestCase):
    """`loadgen serve` by itself, asked by a client of other people's making."""

    maxDiff = None

    def test_grpc(self):
        with Statsd() as statsd:
            flags = ["--id", "here.1", "--statsd", f"127.0.0.1:{statsd.port}"]
            with Serve(*flags) as server:
                with grpc.insecure_channel(server.address) as channel:
                    greeter = loadgen_pb2_grpc.GreeterStub(channel)
                    for _ in range(25):
                        greeter.Hello(loadgen_pb2.HelloRequest(), timeout=PATIENCE)
                    until = time.monotonic() + PATIENCE
                    while not statsd.gauges().get("loadgen.backend.here_1.grpc.connections.open"):
                        self.assertLess(time.monotonic(), until, statsd.gauges())
                        time.sleep(0.05)
                    # This may come after the last full second.
                    nothing = channel.unary_unary("/loadgen.v1.Greeter/Nothing", bytes, bytes)
                    with self.assertRaises(grpc.RpcError):
                        nothing(b"", timeout=PATIENCE)
                code, _ = server.terminate()
            self.assertEqual(code, 0)
            counters, gauges = statsd.counters(), statsd.gauges()
        wanted = {"requests": 26, "failed": 1, "connections.opened": 1}
        wanted = {f"loadgen.backend.here_1.grpc.{key}": it for key, it in wanted.items()}
        self.assertEqual(counters, wanted)
        self.assertIn("loadgen.backend.here_1.process.memory_bytes", gauges)
        self.assertEqual(set(gauges.values()), {0})
