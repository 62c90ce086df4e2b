"""A gRPC server of PyPI's `h2`, which does what the HTTP/2 interoperability tests of gRPC have a server do.

`h2` holds what a client sends to the protocol: what is not allowed is an error here, and so a problem in the books.
"""

import asyncio
import collections
import dataclasses
import struct

import h2.config
import h2.connection
import h2.events
import h2.settings
import hyperframe.frame
from abusive import Books, Peer
from abusive_http2 import message

# One above the largest stream there can be: a server that is about to go does not know yet which is its last one.
ANY_STREAM = (1 << 31) - 1
HEAD = [(":status", "200"), ("content-type", "application/grpc")]
OK = [("grpc-status", "0")]


@dataclasses.dataclass
class Seen(Books):
    """What such a server saw. Written by its thread; read once the run has ended."""

    # What requests began with, each kind of them, without the authority.
    heads: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    # Streams that the client gave up, and why it ended connections.
    resets: int = 0
    farewells: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    # The most streams at a time, on any connection.
    most_open: int = 0
    pings: int = 0
    confirmed: int = 0
    # How much room the client gave back, on streams and connections.
    room: int = 0


class Session(Peer):
    """A connection with `h2` on it."""

    def __init__(self, reader, writer, books):
        super().__init__(reader, writer, books)
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config)
        self.open = set()
        self._more_room = asyncio.Condition()

    async def flush(self):
        await self.send(self.h2.data_to_send())

    async def serve(self, answer, settings=None):
        """Answers each request that is whole with `answer(session, stream, number)`, at a time each."""
        # Held to from the first byte on, though a client need not have read them by then.
        self.h2.local_settings = h2.settings.Settings(client=False, initial_values=settings or {})
        self.h2.initiate_connection()
        await self.flush()
        number = 0
        while data := await self.reader.read(65536):
            for event in self.h2.receive_data(data):
                self._takes(event)
                if isinstance(event, h2.events.StreamEnded):
                    number += 1
                    self.meanwhile(self._whole(answer, event.stream_id, number))
            async with self._more_room:
                self._more_room.notify_all()
            await self.flush()

    async def _whole(self, answer, stream, number):
        try:
            await answer(self, stream, number)
            await self.flush()
        except ConnectionError:
            pass
        except Exception as problem:
            self.books.problems.append(repr(problem))

    def _takes(self, event):
        books = self.books
        match event:
            case h2.events.RequestReceived():
                books.requests += 1
                head = tuple(it for it in event.headers if it[0] != ":authority")
                books.heads[head] += 1
                self.open.add(event.stream_id)
                books.most_open = max(books.most_open, len(self.open))
            case h2.events.DataReceived():
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamReset():
                books.resets += 1
                self.open.discard(event.stream_id)
            case h2.events.WindowUpdated():
                books.room += event.delta
            case h2.events.PingAckReceived():
                books.confirmed += 1
            case h2.events.ConnectionTerminated():
                books.farewells[int(event.error_code)] += 1

    def head(self, stream, *more):
        self.h2.send_headers(stream, [*HEAD, *more])

    async def data(self, stream, content, piece=16384, padding=None):
        """Content in frames of at most so much, each with so much padding, as there is room for it."""
        for at in range(0, len(content), piece):
            part = content[at : at + piece]
            length = len(part) + (0 if padding is None else padding + 1)
            while self.h2.local_flow_control_window(stream) < length:
                await self.flush()
                async with self._more_room:
                    await self._more_room.wait()
            self.h2.send_data(stream, part, pad_length=padding)

    def end(self, stream, *more):
        self.h2.send_headers(stream, [*OK, *more], end_stream=True)
        self.open.discard(stream)

    def reset(self, stream):
        self.h2.reset_stream(stream, error_code=0)
        self.open.discard(stream)

    def ping(self):
        self.books.pings += 1
        self.h2.ping(struct.pack(">Q", self.books.pings))

    async def goodbye(self, last):
        """A GOAWAY behind which the connection goes on, which `h2` itself has none of.

        It leaves with what is due, so that nobody hears of the one and not of the other.
        """
        frame = hyperframe.frame.GoAwayFrame(0, last_stream_id=last, error_code=0)
        await self.send(self.h2.data_to_send(), frame.serialize())


def sized(length):
    """A message of gRPC's with a text of so many bytes."""
    rest, coded = length, b""
    while rest >= 128:
        coded, rest = coded + bytes([rest & 127 | 128]), rest >> 7
    return message(b"\x0a" + coded + bytes([rest]) + b"a" * length)


async def well(session, stream, _):
    session.head(stream)
    await session.data(stream, message())
    session.end(stream)


async def goaway(session, stream, number):
    """Answers, and says good-bye to whatever comes after."""
    await well(session, stream, number)
    await session.goodbye(stream)


def goaway_amid(calls, looked_at):
    """Waits for so many calls on the first connection, says good-bye to those beyond the first few in two steps, as
    gRPC's own servers do, and then answers these. All that come on other connections it answers."""

    async def answer(session, stream, number):
        if session.books.accepted > 1:
            await well(session, stream, number)
        elif number == calls:
            streams = sorted(session.open)[:looked_at]
            await session.goodbye(ANY_STREAM)
            await session.goodbye(streams[-1])
            # Long enough for the others to be answered before these are.
            await asyncio.sleep(0.1)
            for it in streams:
                await well(session, it, number)

    return answer


async def rst_after_header(session, stream, _):
    session.head(stream)
    session.reset(stream)


async def rst_during_data(session, stream, _):
    session.head(stream)
    await session.data(stream, message()[:7])
    session.reset(stream)


async def rst_after_data(session, stream, _):
    session.head(stream)
    await session.data(stream, message())
    session.reset(stream)


async def ping(session, stream, _):
    """Asks before the head, behind it and behind the message."""
    session.ping()
    session.head(stream)
    session.ping()
    await session.data(stream, message())
    session.ping()
    session.end(stream)


async def slowly(session, stream, number):
    """Takes a while, so that streams are open beside each other where there may be several."""
    await asyncio.sleep(0.002)
    await well(session, stream, number)


def in_bytes(length, padding):
    """A byte to each frame, and so much padding beside it."""

    async def answer(session, stream, _):
        session.head(stream)
        await session.data(stream, sized(length), piece=1, padding=padding)
        session.end(stream)

    return answer


def with_fields(rng, names):
    """Says who answers, beside fields of any length, some of them never the same, in a table that changes its size.

    What our requests are encoded with changes, too.
    """

    async def answer(session, stream, number):
        if number % 10 == 0:
            # Both our table's size and the one that the client may use.
            session.h2.encoder.header_table_size = rng.choice([0, 100, 500, 4096])
            table = {h2.settings.SettingCodes.HEADER_TABLE_SIZE: rng.choice([0, 60, 200, 4096, 65536])}
            session.h2.update_settings(table)
        name = names[number % len(names)]
        more = [("x-loadgen-backend", name)]
        for nth in range(rng.randrange(6)):
            length = rng.choice([0, 3, 40, 900])
            value = "".join(chr(rng.randrange(33, 127)) for _ in range(length))
            more.append((f"x-{nth}", value if rng.random() < 0.5 else f"same-{nth}"))
        session.head(stream, *more)
        await session.data(stream, message())
        session.end(stream, ("x-end", str(number)))

    return answer
