"""What no row of the tables of abusive servers shows: a terminal, a pipe that nobody reads, signals, and
memory that grows with what a server says."""

import asyncio
import fcntl
import json
import os
import pathlib
import pty
import re
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

import abusive_http2
import abusive_websocket
from abusive import HIDDEN, LIMITS, Books, Host, silent
from harness import LOADGEN, PATIENCE, Run, scenario, wait_for
from test_abusive_http2 import TABLE as HTTP2
from test_abusive_websocket import TABLE as WEBSOCKET

# What loadgen itself says to a terminal: colours, and to erase what is below or to the right, up some
# lines, to the left edge.
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
DRAWING = re.compile(r"\x1b\[J(\x1b\[\d+A)?\r?|\x1b\[K")


class Started:
    """`loadgen` with these arguments as a child, killed at the end. Use it in a `with`."""

    def __init__(self, *arguments, **streams):
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | streams
        self.process = subprocess.Popen(
            [LOADGEN, *arguments], **{"stdin": subprocess.DEVNULL} | streams
        )

    def __enter__(self):
        return self.process

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Terminal(unittest.TestCase):
    """A run as somebody sees it who sits before a terminal."""

    def seen(self, plan):
        main, screen = pty.openpty()
        fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder, "suite.json")
            config.write_text(json.dumps({"scenarios": [plan]}), encoding="utf-8")
            streams = {"stdout": screen, "stderr": screen}
            environment = os.environ | {"TERM": "xterm-256color"}
            with Started("run", config, "--workers", "1", **streams, env=environment) as process:
                os.close(screen)
                said = b""
                # At the other end's close Linux has an error for us.
                try:
                    while piece := os.read(main, 65536):
                        said += piece
                except OSError:
                    pass
                process.wait(PATIENCE)
        os.close(main)
        return said.decode()

    def test_nothing_reaches_it_raw(self):
        # Long enough to be seen in the live view, too.
        load = {"open": {"rate": "20/s", "duration": "1200ms", "users": {"max": 20}}}
        with Host() as host:
            for table in (HTTP2, WEBSOCKET):
                for name, row in table.rows.items():
                    if "hostile" not in name:
                        continue
                    with self.subTest(name):
                        said = self.seen(table.scenario(host, row, Books(), load))
                        left = COLOURS.sub("", said.replace("\r\n", "\n"))
                        left = DRAWING.sub("\n", left)
                        # Each line of the live view is drawn from the left edge.
                        left = left.removeprefix("\r").replace("\n\r", "\n")
                        self.assertIsNone(HIDDEN.search(left), repr(left))
                        self.assertNotIn("\nFORGED", left)
                        self.assertTrue(left.strip())


class Unread(unittest.TestCase):
    def test_a_full_pipe_on_stderr_holds_up_nothing(self):
        unread, full = os.pipe()
        room = fcntl.fcntl(full, fcntl.F_SETPIPE_SZ, 4096)
        os.write(full, bytes(room))
        load = {"open": {"rate": "50/s", "duration": "2s"}}
        books = Books()
        with Host() as host, tempfile.TemporaryDirectory() as folder:
            plan = HTTP2.scenario(host, HTTP2.rows["serves well"], books, load)
            config = pathlib.Path(folder, "suite.json")
            config.write_text(json.dumps({"scenarios": [plan]}), encoding="utf-8")
            result = pathlib.Path(folder, "result.json")
            with Started("run", config, "--out", f"json={result}", stderr=full) as process:
                self.assertEqual(process.wait(PATIENCE), 0)
            (found,) = json.loads(result.read_text(encoding="utf-8"))["scenarios"]
        self.assertEqual(books.requests, 100)
        self.assertEqual(found["outcomes"], {"ok": 100})
        os.close(unread)
        os.close(full)


class Signals(unittest.TestCase):
    """One is enough, wherever it is that nothing comes. Suites and reflection are loadgen's own tests."""

    def catches(self, process, which):
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"^SigCgt:\s+(\w+)", status, re.MULTILINE)[1], 16) >> (which - 1) & 1

    def test_while_it_waits(self):
        load = {"closed": {"users": 1, "iterations": 1}}
        with Host() as host, tempfile.TemporaryDirectory() as folder:
            pipe = os.path.join(folder, "pipe")
            os.mkfifo(pipe)
            http2, websocket = (
                table.scenario(host, table.rows["never answers"], Books(), load, timeout="60s")
                | {"targets": [host.serve(silent, Books(), table.peer)], "connect_timeout": "60s"}
                for table in (HTTP2, WEBSOCKET)
            )
            places = {
                "--out": (http2, "--out", f"json={pipe}"),
                "--tls-ca": (http2, "--tls-ca", pipe),
                "HTTP/2's settings": (http2,),
                "WebSocket's upgrade": (websocket,),
            }
            for place, (plan, *flags) in places.items():
                config = pathlib.Path(folder, "suite.json")
                config.write_text(json.dumps({"scenarios": [plan]}), encoding="utf-8")
                for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    with (
                        self.subTest(place, which=which.name),
                        Started("run", config, *flags) as process,
                    ):
                        wait_for("a handler", lambda: self.catches(process, which))
                        time.sleep(0.2)
                        process.send_signal(which)
                        self.assertEqual(process.wait(PATIENCE), 105)


class Memory(unittest.TestCase):
    """As a child that is ended where it takes too much."""

    def test_a_new_name_with_each_answer(self):
        numbers = iter(range(10**9))

        async def names_itself_anew(peer):
            head = (*abusive_http2.HEAD, ("x-loadgen-backend", b""))
            await peer.greet()
            async for stream in peer.requests():
                name = ("x-loadgen-backend", f"id-{next(numbers)}" + "n" * 200)
                await peer.send(abusive_http2.reply(stream, head=(*head[:2], name)))

        calls = 3000
        load = {"closed": {"users": 16, "iterations": calls}}
        with Host() as host:
            address = host.serve(names_itself_anew, Books(), abusive_http2.Peer)
            plan = scenario("abused", address, HTTP2.step, load=load)
            flags = ("--workers", "4")
            with Run(plan, flags=flags, limits=LIMITS, most_kib=220 << 10) as running:
                (found,) = running.result()["scenarios"]
        self.assertEqual(found["outcomes"], {"ok": calls})
        # Nobody is lost: those beyond the most that are told apart have a row together.
        self.assertLess(len(found["backends"]), 300)
        self.assertEqual(sum(it["requests"] for it in found["backends"]), calls)

    def test_fragments_on_many_connections(self):
        # All of them together may hold 256 MiB of what is not complete. A buffer that has grown to
        # this is up to twice as long, and its elders take a moment to be given back.
        frame, part = abusive_websocket.frame, bytes(65000)
        first = frame(abusive_websocket.BINARY, part, final=False)
        more = frame(abusive_websocket.CONTINUATION, part, final=False) * 8
        behave = abusive_websocket.endless(first, more)
        load = {"closed": {"users": 30, "iterations": 30}}
        books = Books()
        with Host() as host:
            address = host.serve(behave, books, abusive_websocket.Peer)
            plan = scenario("abused", address, WEBSOCKET.step, load=load, timeout="30s")
            with Run(plan, limits=LIMITS, most_kib=1 << 20) as running:
                (found,) = running.result()["scenarios"]
        self.assertEqual(found["outcomes"], {"ok": 0, "protocol": 30})
        self.assertEqual(found["connections"]["opened"], books.accepted)
        self.assertIn("at most", found["failures"][0]["example"])

    def test_a_long_message_on_each_connection(self):
        # One after the other: what one was read into is not kept while the next one comes.
        turn = asyncio.Lock()
        long = abusive_websocket.frame(abusive_websocket.BINARY, bytes(24 << 20))

        async def answers_at_length(peer):
            await peer.upgrade()
            async for kind, payload in peer.messages():
                async with turn:
                    await peer.send(long)
                await peer.send(abusive_websocket.frame(kind, payload))

        load = {"closed": {"users": 20, "iterations_per_user": 2}}
        with Host() as host:
            address = host.serve(answers_at_length, Books(), abusive_websocket.Peer)
            step = WEBSOCKET.step["websocket"] | {"repeat": 2, "in_flight": 2}
            plan = scenario("abused", address, {"websocket": step}, load=load, timeout="30s")
            with Run(plan, limits=LIMITS, most_kib=320 << 10) as running:
                (found,) = running.result()["scenarios"]
        self.assertEqual(found["outcomes"], {"ok": 40})


if __name__ == "__main__":
    unittest.main()
