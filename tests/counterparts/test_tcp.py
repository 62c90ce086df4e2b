"""The TCP driver against servers of other people's making: Python's asyncio."""

import asyncio
import contextlib
import struct
import tempfile
import threading
import unittest

from harness import run_one, scenario

USERS, EACH = 4, 25
ALL = USERS * EACH
LOAD = {"closed": {"users": USERS, "iterations_per_user": EACH}}


@contextlib.contextmanager
def served(handle, path=None):
    """A server of asyncio's that does this with each connection: its address."""
    ready, loop, where = threading.Event(), asyncio.new_event_loop(), {}

    async def serve():
        if path:
            server = await asyncio.start_unix_server(handle, path)
            where["address"] = f"unix:{path}"
        else:
            server = await asyncio.start_server(handle, "127.0.0.1", 0)
            where["address"] = "%s:%s" % server.sockets[0].getsockname()
        where["end"] = asyncio.Event()
        ready.set()
        await where["end"].wait()
        server.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield where["address"]
    finally:
        loop.call_soon_threadsafe(where["end"].set)
        thread.join(10)


def tcp(name, receive=None, check=(), **fields):
    if receive is not None:
        fields["receive"] = receive
    return {"name": name, "tcp": fields, **({"check": list(check)} if check else {})}


class Asyncio(unittest.TestCase):
    def test_lines(self):
        """Lines in capitals, ten in flight: each reply is that of its own message."""
        received = []

        async def shout(reader, writer):
            while line := await reader.readline():
                received.append(line)
                writer.write(line.upper())
            writer.close()

        with served(shout) as address:
            ask = tcp(
                "ask",
                {"until": "\n"},
                ["reply.text == 'USER ' ~ user ~ ' OF ' ~ iteration"],
                send={"text": "user {{ user }} of {{ iteration }}\n"},
            )
            many = tcp("many", {"bytes": 3}, send={"hex": "61620a"}, repeat=20, in_flight=10)
            found = run_one(scenario("lines", address, ask, many, load=LOAD))
        self.assertEqual(found["outcomes"], {"ok": ALL}, found["failures"])
        self.assertEqual(len(received), 21 * ALL)
        self.assertEqual(received.count(b"ab\n"), 20 * ALL)

    def test_lengths(self):
        """A length of four bytes in front, little end first, that counts itself; over a UNIX socket."""

        async def double(reader, writer):
            with contextlib.suppress(asyncio.IncompleteReadError):
                while True:
                    (length,) = struct.unpack("<I", await reader.readexactly(4))
                    body = await reader.readexactly(length - 4) * 2
                    writer.write(struct.pack("<I", 4 + len(body)) + body)
            writer.close()

        with tempfile.TemporaryDirectory() as folder, served(double, path=f"{folder}/tcp.sock") as address:
            prefix = {"length_prefix": {"bytes": 4, "endian": "little", "includes_itself": True}}
            ask = tcp("ask", prefix, ["reply.hex == 'ff00ff00' and reply.bytes == 4"], send={"hex": "06000000ff00"})
            found = run_one(scenario("lengths", address, ask, load=LOAD))
        self.assertEqual(found["outcomes"], {"ok": ALL}, found["failures"])

    def test_half_close(self):
        """Nothing comes before our side has ended, and then all of it, and the end."""
        connections = []

        async def to_the_end(reader, writer):
            connections.append(1)
            whole = await reader.read(-1)
            if whole:
                writer.write(str(len(whole)).encode())
            writer.close()

        with served(to_the_end) as address:
            ask = tcp("ask", "end", ["reply.text == '100000'"], send={"size": "100000B"}, shutdown=True)
            found = run_one(scenario("whole", address, ask, load=LOAD, connection_per="iteration"))
        self.assertEqual(found["outcomes"], {"ok": ALL}, found["failures"])
        self.assertGreaterEqual(len(connections), ALL)

    def test_closed_early(self):
        async def half(reader, writer):
            await reader.readline()
            writer.write(b"hal")
            writer.close()

        with served(half) as address:
            ask = tcp("ask", {"until": "\n"}, send={"text": "hello\n"})
            load = {"closed": {"users": 1, "iterations_per_user": 3}}
            found = run_one(scenario("early", address, ask, load=load))
        self.assertEqual(found["outcomes"], {"incomplete": 3, "ok": 0}, found["failures"])


if __name__ == "__main__":
    unittest.main()
