"""Both balancers in a row with each of nginx, HAProxy, Envoy and Traefik, in front of it and behind it."""

import asyncio
import functools
import http.client
import os
import tempfile
import time
import unittest

import grpc
import websockets
from balancing import (
    FOREIGN,
    Balancer,
    Journaled,
    ask,
    balance,
    call_shop,
    connections_to,
    serve,
    service,
    shares,
)
from harness import PATIENCE
from server import Server


class Row(unittest.TestCase):
    """Which of the two is in front: the tests are made below, one for each program and place."""

    def in_front(self, kind, program, *ports):
        """The program in front of ours: whom a client asks, and the one behind that."""
        ours = self.enterContext(self.ours(kind, *ports))
        return self.enterContext(FOREIGN[program](kind, ours.port)), ours

    def behind(self, kind, program, *ports):
        """The other way round."""
        theirs = self.enterContext(FOREIGN[program](kind, *ports))
        return self.enterContext(self.ours(kind, theirs.port)), theirs

    def ours(self, kind, *ports):
        protocol = {"http": "http/1.1", "h2": "h2"}[kind]
        return Balancer(service("web", *ports, protocol=protocol, health="off"))


class Http(Row):
    """Requests that are answered by Node's servers over HTTP/1.1."""

    def through(self, row):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        named = [self.enterContext(Journaled("http", it, folder)) for it in ("one", "two")]
        front, second = row(*(it.port for it in named))
        client = http.client.HTTPConnection("127.0.0.1", front.port, timeout=PATIENCE)
        self.addCleanup(client.close)
        self.kept(client, second)
        self.bodies(client)
        self.streamed(client)
        asyncio.run(self.websocket(front.port))

    def kept(self, client, second):
        """One connection is kept on both sides, and requests on it take turns."""
        names, sockets = [], set()
        for _ in range(20):
            client.request("GET", "/hello")
            answer = client.getresponse()
            answer.read()
            names.append(answer.headers["x-loadgen-backend"])
            sockets.add(client.sock.getsockname())
        self.assertEqual(shares(names), {"one": 10, "two": 10})
        self.assertEqual(len(sockets), 1)
        self.assertEqual(connections_to(second.port), 1)

    def bodies(self, client):
        """Long ones, of a known length and of none."""
        body = bytes(range(256)) * 8192
        for sent in (body, iter([body[:1_000_000], body[1_000_000:]])):
            client.request("POST", "/echo", body=sent, encode_chunked=not isinstance(sent, bytes))
            answer = client.getresponse()
            self.assertEqual((answer.status, answer.read() == body), (200, True))

    def streamed(self, client):
        """What the server says comes when it is said."""
        client.request("GET", "/stream?count=5&every_ms=50")
        answer = client.getresponse()
        at = []
        while line := answer.readline():
            if line.startswith(b"data: "):
                at.append(time.monotonic())
        self.assertEqual(len(at), 5)
        self.assertGreater(at[-1] - at[0], 0.15)

    async def websocket(self, port):
        async with websockets.connect(f"ws://127.0.0.1:{port}/socket") as client:
            for message in ("x", "x" * 100_000, b"\0" * 1000):
                await client.send(message)
                self.assertEqual(await asyncio.wait_for(client.recv(), PATIENCE), message)


class Grpc(Row):
    """Calls of all kinds that are answered by grpcio, over HTTP/2 in plain text on all sides."""

    def through(self, row):
        shops = [self.enterContext(Server()) for _ in range(2)]
        front, _ = row(*(it.address.rsplit(":", 1)[1] for it in shops))
        with grpc.insecure_channel(f"127.0.0.1:{front.port}") as channel:
            asked = call_shop(channel, 4)
        counts = [it.shop.counts() for it in shops]
        self.assertEqual({key: sum(it[key] for it in counts) for key in asked}, asked)
        self.assertEqual([sum(it[key] for key in asked) for it in counts], [10, 10])


class Tcp(Row):
    """Bytes both ways, half-close and turns."""

    def ours(self, kind, *ports):
        return balance(*ports, flags=["--no-health"])

    def through(self, row):
        named = [self.enterContext(serve(it)) for it in ("one", "two")]
        front, _ = row(*(it.port for it in named))
        text = os.urandom(3 << 20)
        answers = [ask(front.port, text) for _ in range(6)]
        self.assertTrue(all(answer == text for _, answer in answers))
        self.assertEqual(shares(name for name, _ in answers), {"one": 3, "two": 3})


def _test(kind, program, place):
    return lambda self: self.through(functools.partial(getattr(self, place), kind, program))


for case, kind in ((Http, "http"), (Grpc, "h2"), (Tcp, "tcp")):
    for program in FOREIGN:
        for place in ("in_front", "behind"):
            setattr(case, f"test_{program}_{place}", _test(kind, program, place))
# By this name its tests would be found once more.
del case


if __name__ == "__main__":
    unittest.main()
