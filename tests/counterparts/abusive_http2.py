"""HTTP/2 by hand: frames, header blocks and a server that can say whatever it likes."""

import struct

from abusive import Peer as Connection

DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LONGEST_FRAME = 16384


def frame(kind, flags=0, stream=0, payload=b"", claims=None):
    """A frame; `claims` is a length other than its own."""
    length = len(payload) if claims is None else claims
    return length.to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values):
    """SETTINGS, by the names used here."""
    ids = {"table": 1, "push": 2, "streams": 3, "window": 4, "frame": 5, "headers": 6}
    return frame(
        SETTINGS, payload=b"".join(struct.pack(">HI", ids[k], v) for k, v in values.items())
    )


def integer(value, bits, pattern=0):
    """RFC 7541, 5.1."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([pattern | value])
    out = [pattern | most]
    value -= most
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def octets(text):
    return text if isinstance(text, bytes) else text.encode()


def field(name, value, indexed=False):
    """A header field, literal and without Huffman's code; `indexed` puts it in the table, too."""
    name, value = octets(name), octets(value)
    begin = b"\x40" if indexed else b"\0"
    return begin + integer(len(name), 7) + name + integer(len(value), 7) + value


def block(*fields):
    """A header block; what is bytes already stays as it is."""
    return b"".join(it if isinstance(it, bytes) else field(*it) for it in fields)


def headers(stream, *fields, end=False):
    """A header block on a stream, in as many frames as it takes."""
    rest = block(*fields)
    pieces = [rest[at : at + LONGEST_FRAME] for at in range(0, max(1, len(rest)), LONGEST_FRAME)]
    out = b""
    for number, piece in enumerate(pieces):
        kind = HEADERS if number == 0 else CONTINUATION
        flags = END_HEADERS if number == len(pieces) - 1 else 0
        out += frame(kind, flags | (END_STREAM if end and number == 0 else 0), stream, piece)
    return out


def data(stream, payload, end=False):
    """Content on a stream, in as many frames as it takes, whatever the other side has room for."""
    out = b""
    for at in range(0, len(payload), LONGEST_FRAME):
        piece = payload[at : at + LONGEST_FRAME]
        last = at + LONGEST_FRAME >= len(payload)
        out += frame(DATA, END_STREAM if end and last else 0, stream, piece)
    return out


def reset(stream, reason):
    return frame(RESET, 0, stream, struct.pack(">I", reason))


def goaway(last, reason, text=b""):
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, reason) + text)


def window(stream, by):
    return frame(WINDOW, 0, stream, struct.pack(">I", by))


def message(content=b"\x0a\x05hello", flag=0, claims=None):
    """A message of gRPC's; `claims` is a length other than its own."""
    return struct.pack(">BI", flag, len(content) if claims is None else claims) + content


HEAD = ((":status", "200"), ("content-type", "application/grpc"))
OK = (("grpc-status", "0"),)


def reply(stream, body=message(), head=HEAD, tail=OK):
    """A whole answer."""
    return headers(stream, *head) + data(stream, body) + headers(stream, *tail, end=True)


class Peer(Connection):
    """One side of HTTP/2."""

    # Whether to confirm what wants confirming.
    confirms = True

    async def greet(self, first=settings()):
        """Takes the client's preface and sends the server's."""
        await self.reader.readexactly(len(PREFACE))
        await self.send(first)

    def confirm(self, what):
        """Confirms without waiting: what the other side takes late would keep us from what it sent."""
        self.writer.write(what)

    async def requests(self, from_head=False):
        """The streams of requests that are whole, or have begun."""
        while True:
            length, kind, flags, stream = await self._frame()
            if kind == HEADERS:
                self.books.requests += 1
            if kind == SETTINGS and not flags & ACK and self.confirms:
                self.confirm(frame(SETTINGS, ACK))
            if kind == DATA and length:
                # What the connection has room for is given back; a stream has room for one message.
                self.confirm(window(0, length))
            whole = kind in (HEADERS, DATA) and flags & END_STREAM
            if (kind == HEADERS) if from_head else whole:
                yield stream & 0x7FFFFFFF

    async def _frame(self):
        head = await self.reader.readexactly(9)
        length = int.from_bytes(head[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        payload = await self.reader.readexactly(length)
        if kind == PING and not flags & ACK and self.confirms:
            self.confirm(frame(PING, ACK, 0, payload))
        return length, kind, flags, stream


def answering(answer, first=settings(), from_head=False):
    """Answers each request with the bytes that are made of its stream's number."""

    async def behave(peer):
        await peer.greet(first)
        async for stream in peer.requests(from_head):
            await peer.send(answer(stream))

    return behave


def acting(act, first=settings()):
    """Does this with each request, `act(peer, stream, number)`."""

    async def behave(peer):
        await peer.greet(first)
        number = 0
        async for stream in peer.requests():
            number += 1
            await act(peer, stream, number)

    return behave


def beside(chunk):
    """Sends the same all the time, and serves well beside it."""

    async def behave(peer):
        await peer.greet()
        peer.meanwhile(peer.flood(chunk))
        async for stream in peer.requests():
            await peer.send(reply(stream))

    return behave


def endless(first, chunk):
    """Answers with something that goes on for ever, made of the stream's number both."""

    async def answer(peer, stream):
        await peer.send(first(stream))
        await peer.flood(chunk(stream))

    async def act(peer, stream, _):
        # All of it meanwhile: who waits until a flood is taken does not see the next request.
        peer.meanwhile(answer(peer, stream))

    return acting(act)


def at_the_start(*parts):
    """Greets with this in place of what a server says first, and serves well after it."""
    return answering(reply, first=b"".join(parts))
