"""WebSocket by hand: handshakes, frames and a server that can say whatever it likes."""

import asyncio
import base64
import hashlib
import struct

from abusive import Peer as Connection

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(kind, payload=b"", final=True, reserved=0, masked=False, claims=None, wide=False):
    """A frame; `claims` is a length other than its own, `wide` writes it longer than need be."""
    length = len(payload) if claims is None else claims
    mask = 0x80 if masked else 0
    first = bytes([final << 7 | reserved << 4 | kind])
    if length >= 1 << 16 or wide:
        first += struct.pack(">BQ", mask | 127, length)
    elif length > 125:
        first += struct.pack(">BH", mask | 126, length)
    else:
        first += bytes([mask | length])
    return first + (bytes(4) if masked else b"") + payload


def close(code, reason=b""):
    return frame(CLOSE, struct.pack(">H", code) + reason)


def switching(accept, *more, status=b"HTTP/1.1 101 Switching Protocols"):
    """The answer to an upgrade."""
    usual = (b"upgrade: websocket", b"connection: Upgrade", b"sec-websocket-accept: " + accept)
    return b"\r\n".join((status, *usual, *more, b"", b""))


class Peer(Connection):
    """One side of WebSocket."""

    # Whether a close is answered with one.
    polite = True

    async def asked(self):
        """Takes the upgrade request, and returns what accepts it."""
        request = await self.reader.readuntil(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in request.split(b"\r\n")[1:] if line)
        key = next(value for name, value in fields.items() if name.lower() == b"sec-websocket-key")
        return base64.b64encode(hashlib.sha1(key + GUID).digest())

    async def upgrade(self, *more):
        """Takes the upgrade request and agrees, with these headers besides."""
        accept = await self.asked()
        self.books.upgraded += 1
        await self.send(switching(accept, *more))

    async def messages(self):
        """The messages that come, `(kind, payload)`; a close is answered and ends them."""
        while True:
            kind, payload = await self._frame()
            if kind == CLOSE:
                if self.polite:
                    await self.send(frame(CLOSE, payload[:2]))
                    return
            elif kind == PING:
                await self.send(frame(PONG, payload))
            elif kind in (TEXT, BINARY):
                self.books.requests += 1
                yield kind, payload

    async def _frame(self):
        first, second = await self.reader.readexactly(2)
        length = second & 127
        if length == 126:
            (length,) = struct.unpack(">H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", await self.reader.readexactly(8))
        mask = await self.reader.readexactly(4) if second & 0x80 else bytes(4)
        payload = await self.reader.readexactly(length)
        return first & 15, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def echoing(*more):
    """Serves well, with these headers in its answer to the upgrade."""

    async def behave(peer):
        await peer.upgrade(*more)
        async for kind, payload in peer.messages():
            await peer.send(frame(kind, payload))

    return behave


def answering(*parts):
    """Answers each message with these bytes."""

    async def behave(peer):
        await peer.upgrade()
        async for _ in peer.messages():
            await peer.send(*parts)

    return behave


def acting(act):
    """Does this with each message, `act(peer, kind, payload, number)`."""

    async def behave(peer):
        await peer.upgrade()
        number = 0
        async for kind, payload in peer.messages():
            number += 1
            await act(peer, kind, payload, number)

    return behave


def endless(first, chunk):
    """Answers with something that goes on for ever."""

    async def act(peer, *_):
        await peer.send(first)
        peer.meanwhile(peer.flood(chunk))

    return acting(act)


def beside(chunk):
    """Sends the same all the time, and serves well beside it."""

    async def behave(peer):
        await peer.upgrade()
        peer.meanwhile(peer.flood(chunk))
        async for kind, payload in peer.messages():
            await peer.send(frame(kind, payload))

    return behave


def at_once(*parts, end=False):
    """Says this as soon as the connection is open."""

    async def behave(peer):
        await peer.upgrade()
        await peer.send(*parts)
        if not end:
            async for kind, payload in peer.messages():
                await peer.send(frame(kind, payload))

    return behave


def refusing(make, end=False):
    """Answers an upgrade with the bytes that are made of what would accept it."""

    async def behave(peer):
        accept = await peer.asked()
        await peer.send(make(accept))
        if not end:
            await peer.silence()

    return behave


def dripping(first, chunk, pause):
    """Answers an upgrade with something that goes on for ever."""

    async def behave(peer):
        await peer.asked()
        await peer.send(first)
        while True:
            await peer.send(chunk)
            await asyncio.sleep(pause)

    return behave
