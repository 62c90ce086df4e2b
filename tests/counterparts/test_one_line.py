"""Load in one line, what a server offers, and a first file from a terminal: against grpcio and websockets."""

import contextlib
import json
import os
import pathlib
import pty
import select
import signal
import subprocess
import tempfile
import time
import unittest

from harness import LOADGEN, PATIENCE, PROTOS
from server import ITEM, STATUS_MESSAGE, Server
from server_websockets import Server as WebsocketServer

SHOP_PROTO = str(PROTOS / "shop" / "v1" / "shop.proto")


def loadgen(*arguments, expect=0, **options):
    """What it said on standard output and standard error."""
    command = [LOADGEN, *arguments]
    ended = subprocess.run(
        command, capture_output=True, encoding="utf-8", timeout=PATIENCE, **options
    )
    if ended.returncode != expect:
        raise AssertionError(f"{command} ended with {ended.returncode}: {ended}")
    return ended.stdout, ended.stderr


class OneLine(unittest.TestCase):
    def test_a_call_arrives_as_it_is_written(self):
        with Server() as server:
            data = json.dumps(ITEM)
            line = ["grpc", server.address, "shop.v1.Shop/Find", "--data", data]
            flags = ["-n", "300", "-c", "4", "-H", "X-Tenant: counterparts", "--json"]
            stdout, _ = loadgen(*line, *flags)
            self.assertEqual(server.shop.counts(), {"find": 300, "tenant": 300})
        (found,) = json.loads(stdout)["scenarios"]
        self.assertEqual(found["outcomes"], {"ok": 300})

    def test_described_by_files(self):
        with Server(reflected=False) as server:
            files = ["--proto", SHOP_PROTO, "--import-path", str(PROTOS)]
            line = ["grpc", server.address, "shop.v1.Shop/Order", *files]
            loadgen(*line, "--data", '{"id": "a"} {"id": "b"}', "-n", "10", "-c", "1")
            self.assertEqual(server.shop.counts(), {"order": 10, "order_received": 20})
            stdout, _ = loadgen("grpc", server.address, "list", *files)
            self.assertIn("shop.v1.Shop", stdout)
            self.assertNotIn("reflection", stdout)
            _, stderr = loadgen("grpc", server.address, "list", expect=104)
            self.assertIn("it does not offer reflection", stderr)
            self.assertIn("--proto", stderr)

    def test_a_trace_shows_first_what_failed_late(self):
        with WebsocketServer() as server:
            url = f"ws://{server.address}/close?code=4002&reason=tired&after=5&token=planted-1"
            line = ["websocket", url, "--send", '{"n": 1, "password": "planted-2"}']
            flags = ["-n", "6", "-c", "1", "--trace", "2", "--threshold", "error_rate < 50%"]
            stdout, stderr = loadgen(*line, *flags, "--json")
        (found,) = json.loads(stdout)["scenarios"]
        self.assertEqual(found["outcomes"], {"close.4002": 1, "ok": 5})
        words = " ".join(stderr.split())
        first, second = words.split("trace 1 of 2: ")[1].split("trace 2 of 2: ")
        self.assertIn("/close?code=4002&reason=tired&after=5&token=*** at ws://", first)
        self.assertIn("iteration 5: close.4002", first)
        self.assertIn("<- status 101 Switching Protocols", first)
        self.assertIn('closed the connection with code 4002: "tired"', first)
        self.assertNotIn("<- message", first)
        self.assertIn("iteration 0: ok", second)
        self.assertIn("<- message", second)
        self.assertNotIn("planted", stdout + stderr)

    def test_what_is_offered(self):
        with Server() as server:
            stdout, _ = loadgen("grpc", server.address, "list", "--json")
            services = {it["name"]: it["methods"] for it in json.loads(stdout)["services"]}
            self.assertIn("grpc.health.v1.Health", services)
            kinds = {it["name"].split("/")[1]: it["kind"] for it in services["shop.v1.Shop"]}
            self.assertEqual(
                kinds,
                {
                    "Find": "unary",
                    "List": "server_stream",
                    "Order": "client_stream",
                    "Talk": "bidirectional",
                    "Fail": "unary",
                    "Wait": "unary",
                },
            )
            stdout, _ = loadgen("grpc", server.address, "describe", "shop.v1.Item", "--json")
            message = json.loads(stdout)["message"]
            types = {it["name"]: it["type"] for it in message["fields"]}
            self.assertEqual(
                types,
                {
                    "id": "string",
                    "size": "shop.v1.Size",
                    "tags": "repeated string",
                    "stock": "map<string, int64>",
                    "picture": "bytes",
                },
            )
            stdout, _ = loadgen("grpc", server.address, "describe", "shop.v1.Size")
            self.assertIn("SIZE_LARGE", stdout)
            # Each example is taken by a server that is not ours.
            for method in ("List", "Order", "Talk", "Wait"):
                name = f"shop.v1.Shop/{method}"
                stdout, _ = loadgen("grpc", server.address, "describe", name, "--json")
                found = json.loads(stdout)["method"]
                example = json.dumps(found["request_message"]["example"])
                loadgen("grpc", server.address, name, "--data", example, "-n", "1")
            for name in ("Shop/Fnd", "shop.v1.Shop.Fnd"):
                _, stderr = loadgen("grpc", server.address, "describe", name, expect=104)
                self.assertIn("shop.v1.Shop", stderr)

    def test_a_trace_shows_failures_first(self):
        with Server() as server:
            line = ["grpc", server.address, "shop.v1.Shop/Fail", "--data", '{"code": 5, "every": 4}']
            flags = ["-n", "12", "-c", "1", "--trace", "4", "--threshold", "error_rate < 50%"]
            _, stderr = loadgen(*line, *flags, "-H", "authorization: Bearer PLANTED")
            self.assertEqual(server.shop.counts()["failed_NOT_FOUND"], 3)
        traces = [line for line in stderr.splitlines() if line.startswith("trace ")]
        self.assertEqual(len(traces), 4, stderr)
        self.assertEqual(stderr.count(STATUS_MESSAGE), 3, stderr)
        self.assertIn("->", stderr)
        self.assertNotIn("PLANTED", stderr)


class Terminal:
    """`loadgen init` on a terminal. Use it in a `with`."""

    def __init__(self, *arguments):
        self._here, there = pty.openpty()
        self._process = subprocess.Popen(
            [LOADGEN, "init", *arguments],
            stdin=there,
            stdout=there,
            stderr=there,
            start_new_session=True,
        )
        os.close(there)
        self.said = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._here)

    def expect(self, text):
        """Waits until it says this, from where it was last waited for."""
        until = time.monotonic() + PATIENCE
        while text not in self.said:
            ready, _, _ = select.select([self._here], [], [], 0.1)
            with contextlib.suppress(OSError):
                if ready:
                    self.said += os.read(self._here, 4096).decode()
            if time.monotonic() > until:
                raise AssertionError(f"`{text}` is not in {self.said!r}")
        _, _, self.said = self.said.partition(text)

    def answer(self, text):
        os.write(self._here, (text + "\n").encode())

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)

    def code(self):
        """How it ended."""
        return self._process.wait(PATIENCE)


class FirstFile(unittest.TestCase):
    def setUp(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.file = pathlib.Path(folder, "first.yaml")

    def test_questions_on_a_terminal(self):
        with Server() as server, Terminal(str(self.file)) as terminal:
            terminal.expect("grpc, websocket, http or tcp [grpc]: ")
            terminal.answer("")
            terminal.expect("host:port [127.0.0.1:50051]: ")
            terminal.answer(server.address)
            # What it offers, the service's own first.
            terminal.expect("1  shop.v1.Shop/Find")
            terminal.expect("[1]: ")
            terminal.answer("99")
            terminal.expect("or a method's name")
            terminal.answer("List")
            terminal.expect("[10]: ")
            terminal.answer("100/s")
            terminal.expect("[30s]: ")
            terminal.answer("1s")
            terminal.expect("[error_rate < 1%]: ")
            terminal.answer("response_time.p99 < 10s")
            terminal.expect("is written")
            self.assertEqual(terminal.code(), 0)
            loadgen("validate", str(self.file))
            self.assertIn("#", self.file.read_text(encoding="utf-8"))
            loadgen("run", str(self.file))
            self.assertEqual(server.shop.counts()["list"], 100)
        # A file that is there stays unless it is said otherwise.
        before = self.file.read_text(encoding="utf-8")
        with Terminal(str(self.file)) as terminal:
            terminal.expect("Replace it, y or n [n]: ")
            terminal.answer("")
            terminal.expect("stays as it is")
            self.assertEqual(terminal.code(), 2)
        self.assertEqual(self.file.read_text(encoding="utf-8"), before)

    def test_an_interrupt_leaves_nothing(self):
        with Terminal(str(self.file)) as terminal:
            terminal.expect("[grpc]: ")
            terminal.interrupt()
            self.assertEqual(terminal.code(), 105)
        self.assertEqual(list(self.file.parent.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
