"""`loadgen run` against WebSocket servers that misbehave, a row each: nothing panics, hangs, takes the
memory there is or makes the books false, and what happened is told in a class and a sentence."""

import asyncio
import struct
import unittest

from abusive import HOSTILE, Matrix, Row, Table, hangs_up, saying, silent
from abusive_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Peer,
    acting,
    answering,
    at_once,
    beside,
    close,
    dripping,
    echoing,
    endless,
    frame,
    refusing,
    switching,
)

PROTOCOL, TIMEOUT, BROKEN = {"protocol"}, {"timeout"}, {"connection"}
# Where nothing comes, nobody waits for long.
SHORT = {"timeout": "150ms"}
SILENT = {"connect_timeout": "300ms"}
EACH = {"connection_per": "iteration"}
# Whoever is busy sending may not see what came before the end of a connection.
FLOODED = {"agree": ("connections",)}
# A reply is whatever comes next. What comes besides is counted, and fails nobody.
MORE_THAN_ASKED = {"also": lambda found: found["steps"][0]["messages"]["unexpected"] > 0}
REFUSED = b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s"


def refused(status, text=b""):
    return refusing(lambda accept: REFUSED % (status, len(text), text), end=True)


def claiming(length):
    """A message of so many bytes, of which a few come."""
    return answering(frame(BINARY, bytes(100), claims=length))


async def impolite(peer):
    peer.polite = False
    await echoing()(peer)


async def deaf_from_the_first(peer):
    await peer.upgrade()
    await peer.deafness()


async def pings_and_hears_nothing(peer):
    await peer.upgrade()
    await peer.flood(frame(PING, bytes(125)) * 100)


async def resets_at_once(peer):
    await peer.upgrade()
    peer.abort()


def ending_after(messages, end):
    """Serves so many messages on a connection, and then does this to it."""

    async def act(peer, kind, payload, number):
        await peer.send(frame(kind, payload))
        if number >= messages:
            await end(peer)

    return acting(act)


async def says_good_bye(peer):
    await peer.send(close(1012))


async def breaks_off(peer):
    peer.abort()


async def names_itself_anew(peer, numbers=iter(range(10**9))):
    await echoing(b"x-loadgen-backend: id%d" % next(numbers))(peer)


async def byte_by_byte(peer, kind, payload, _):
    for byte in frame(kind, payload):
        await peer.send(bytes([byte]))
        await asyncio.sleep(0.001)


async def half_a_frame(peer, *_):
    await peer.send(frame(TEXT, b"ab", claims=100))
    peer.writer.close()


ROWS = {
    "serves well": Row(echoing(), {"ok"}),
    "accepts twice over": Row(echoing(b"sec-websocket-accept: x"), {"ok"}),
    # Before it is open.
    "hangs up": Row(hangs_up, set(), "closed the connection"),
    "never says anything": Row(silent, set(), "no answer within 300ms", fields=SILENT),
    "speaks SSH": Row(saying(b"SSH-2.0-Open\x1b[31m\r\n"), set(), "not HTTP/1.1"),
    "speaks TLS": Row(saying(b"\x15\x03\x03\0\x02\x02\x46"), set(), "TLS"),
    "says bytes": Row(refusing(lambda it: b"\0\1\2\x1b[31mgarbage\r\n\r\n"), set(), "not HTTP/1.1"),
    "accepts another": Row(
        refusing(lambda it: switching(b"A" * 27 + b"=")), set(), "Sec-WebSocket-Accept"
    ),
    "accepts without a word": Row(refusing(lambda it: b"HTTP/1.1 101 X\r\n\r\n"), set()),
    "accepts with HTTP/1.0": Row(
        refusing(lambda it: switching(it, status=b"HTTP/1.0 101 X")), set()
    ),
    "accepts with HTTP/9.9": Row(
        refusing(lambda it: switching(it, status=b"HTTP/9.9 101 X")), set()
    ),
    "accepts, and ends in the middle": Row(
        refusing(lambda it: switching(it)[:40], end=True), set()
    ),
    "continues first": Row(
        refusing(lambda it: b"HTTP/1.1 100 Continue\r\n\r\n" + switching(it)), set(), "100"
    ),
    "a subprotocol nobody asked for": Row(
        refusing(lambda it: switching(it, b"sec-websocket-protocol: x")), set(), "subprotocol"
    ),
    "an extension nobody asked for": Row(
        refusing(lambda it: switching(it, b"sec-websocket-extensions: permessage-deflate")),
        set(),
        "permessage-deflate",
    ),
    "a status line that is hostile": Row(
        refusing(lambda it: REFUSED % (b"503 \x1b[31mPWNED\x1b[2J", 0, b"")), set()
    ),
    "a body that is hostile": Row(refused(b"401 No", HOSTILE.encode()), set(), "401"),
    "a redirect that is hostile": Row(
        refusing(
            lambda it: "HTTP/1.1 302 F\r\nlocation: http://e/\u202e\u009b31m?t=\r\n\r\n".encode(),
            end=True,
        ),
        set(),
        "302",
    ),
    "a redirect to nowhere": Row(refused(b"302 Found"), set(), "302"),
    "a body that is longer than it is": Row(
        refusing(lambda it: b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nno", end=True),
        set(),
        "200",
    ),
    "a body without end": Row(
        dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"B" * 65536, 0.001), set(), "200", fields=SILENT
    ),
    "headers without end": Row(
        dripping(b"HTTP/1.1 101 X\r\n", b"x-a: " + b"b" * 1000 + b"\r\n", 0.001),
        set(),
        fields=SILENT,
    ),
    "a line without end": Row(
        dripping(b"HTTP/1.1 101 ", b"A" * 65536, 0.001), set(), fields=SILENT
    ),
    "an answer a byte at a time": Row(
        dripping(b"HTTP/1.1 101 ", b"A", 0.05), set(), "within 300ms", fields=SILENT
    ),
    "many headers": Row(
        refusing(lambda it: switching(it, *(b"x-%d: 1" % n for n in range(500)))), set(), "headers"
    ),
    # Frames.
    "2^63 bytes": Row(claiming(1 << 63), PROTOCOL, "9223372036854775808 bytes"),
    "2^64 - 1 bytes": Row(claiming((1 << 64) - 1), PROTOCOL, "18446744073709551615 bytes"),
    "4 GiB": Row(claiming(1 << 32), PROTOCOL, "4294967296 bytes"),
    "64 MiB that do not come": Row(
        # On a slow machine the server has to have read what it was sent before it is given up.
        claiming(64 << 20), TIMEOUT, fields={"timeout": "1s"}, most_mib=600
    ),
    "more than `max_message`": Row(
        answering(frame(BINARY, bytes(2000))),
        PROTOCOL,
        "`max_message`",
        fields={"max_message": "1000B"},
    ),
    "a length longer than need be": Row(answering(frame(TEXT, b"hi", wide=True)), {"ok"}),
    "fragments without end": Row(
        endless(
            frame(BINARY, bytes(65000), final=False),
            frame(CONTINUATION, bytes(65000), final=False) * 4,
        ),
        PROTOCOL,
        "`max_message`",
        fields={"max_message": "4MiB"},
        **FLOODED,
    ),
    "fragments of nothing without end": Row(
        endless(frame(TEXT, final=False), frame(CONTINUATION, final=False) * 500),
        TIMEOUT,
        fields={"timeout": "300ms"},
        may=PROTOCOL,
        **FLOODED,
    ),
    "reserved bit 1": Row(answering(frame(TEXT, b"hi", reserved=4)), PROTOCOL, "reserved bits"),
    "reserved bit 2": Row(answering(frame(TEXT, b"hi", reserved=2)), PROTOCOL, "reserved bits"),
    "reserved bit 3": Row(answering(frame(PING, b"hi", reserved=1)), PROTOCOL, "reserved bits"),
    "masked": Row(answering(frame(TEXT, b"hi", masked=True)), PROTOCOL, "masked"),
    "a text that is none": Row(answering(frame(TEXT, b"\xff\xfe")), PROTOCOL, "UTF-8"),
    "half a character": Row(answering(frame(TEXT, b"\xe2\x82")), PROTOCOL, "UTF-8"),
    "a character in two fragments": Row(
        answering(frame(TEXT, b"\xe2\x82", final=False) + frame(CONTINUATION, b"\xac")), {"ok"}
    ),
    "type 3": Row(answering(frame(3, b"hi")), PROTOCOL, "unknown type 3"),
    "type 7": Row(answering(frame(7, b"hi")), PROTOCOL, "unknown type 7"),
    "type 15": Row(answering(frame(15)), PROTOCOL, "unknown type 15"),
    "a ping of 200 bytes": Row(
        answering(frame(PING, bytes(200))), PROTOCOL, "a ping, pong or close"
    ),
    "a ping in pieces": Row(
        answering(frame(PING, b"p", final=False)), PROTOCOL, "a ping, pong or close"
    ),
    "a continuation of nothing": Row(
        answering(frame(CONTINUATION, b"p")), PROTOCOL, "continues nothing"
    ),
    "a message within a message": Row(
        answering(frame(TEXT, b"p", final=False) + frame(TEXT, b"q")), PROTOCOL, "begins before"
    ),
    "a pong to no ping": Row(answering(frame(PONG, b"p"), frame(TEXT, b"hi")), {"ok"}),
    "pings in a message": Row(
        answering(frame(TEXT, b"a", final=False) + frame(PING) * 20 + frame(CONTINUATION, b"b")),
        {"ok"},
    ),
    "an empty message": Row(answering(frame(TEXT)), {"ok"}),
    "another type": Row(answering(frame(BINARY, bytes(9))), {"ok"}),
    "a hostile text": Row(answering(frame(TEXT, HOSTILE.encode())), {"ok"}),
    "half a frame, and an end": Row(acting(half_a_frame), BROKEN, may={"connect"}),
    "half a frame, and silence": Row(claiming(1000), TIMEOUT, fields=SHORT),
    "HTTP again": Row(answering(b"HTTP/1.1 400 Bad\r\n" * 9), PROTOCOL),
    "zeros": Row(answering(bytes(1000)), PROTOCOL),
    # More than was asked for.
    "two answers": Row(answering(frame(TEXT, b"a") * 2), {"ok"}, **MORE_THAN_ASKED),
    "answers without end": Row(
        endless(frame(TEXT, b"a"), frame(TEXT, b"a") * 500),
        {"ok"},
        may=TIMEOUT,
        **FLOODED,
        **MORE_THAN_ASKED,
    ),
    "events without end": Row(beside(frame(TEXT, b"unasked") * 50), {"ok"}, **MORE_THAN_ASKED),
    "pings without end": Row(beside(frame(PING, bytes(125)) * 20), {"ok"}),
    "pings without end in place of an answer": Row(
        endless(b"", frame(PING, bytes(125)) * 100), TIMEOUT, fields=SHORT, **FLOODED
    ),
    "pings to one that is deaf": Row(
        pings_and_hears_nothing, TIMEOUT, fields=SHORT, may=BROKEN, agree=()
    ),
    # Ends.
    "a close of one byte": Row(answering(frame(CLOSE, b"\3")), PROTOCOL, "half a code"),
    **{
        f"a close with {code}, which may not be sent": Row(
            answering(close(code)), PROTOCOL, str(code)
        )
        for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535)
    },
    "a close of its own": Row(answering(close(4999)), {"close.4999"}, "4999"),
    "a close that is hostile": Row(
        answering(close(1011, HOSTILE.encode())), {"close.1011"}, "FORGED"
    ),
    "a close of bytes": Row(answering(close(1011, b"\xff\xff")), PROTOCOL),
    "the longest close": Row(answering(close(1011, b"x" * 123)), {"close.1011"}, "xxx"),
    "a close that is too long": Row(
        answering(frame(CLOSE, struct.pack(">H", 1000) + bytes(128))), PROTOCOL
    ),
    "a close, and more": Row(answering(close(1000) + frame(TEXT, b"a")), {"close.1000"}),
    "a close without a code": Row(answering(frame(CLOSE)), {"close.1005"}),
    "a close at once": Row(
        at_once(close(1001), end=True), {"close.1001"}, may=BROKEN | {"connect"}, agree=()
    ),
    "an end at once": Row(at_once(end=True), BROKEN, may={"connect"}, agree=()),
    "a reset at once": Row(resets_at_once, BROKEN, may={"connect"}, agree=()),
    "a close after each message": Row(
        ending_after(1, says_good_bye), {"ok"}, may={"close.1012"}, agree=("connections",)
    ),
    "a reset after each message": Row(
        ending_after(1, breaks_off), {"ok"}, may=BROKEN | {"connect"}, agree=("connections",)
    ),
    "a reset in place of an answer": Row(
        acting(lambda peer, *_: breaks_off(peer)), BROKEN, "the connection", may={"connect"}
    ),
    "never answers": Row(
        acting(lambda *_: asyncio.sleep(0)), TIMEOUT, "waiting for replies", fields=SHORT
    ),
    "never answers a close": Row(impolite, {"ok"}),
    "never answers a close, a connection each": Row(impolite, {"ok"}, fields=EACH),
    "a byte at a time": Row(acting(byte_by_byte), {"ok"}),
    "takes nothing any more": Row(
        deaf_from_the_first,
        TIMEOUT,
        fields=SHORT,
        step={"send": {"size": "8MiB"}},
        agree=(),
        most_mib=400,
    ),
    # Who answers.
    "a name that is hostile": Row(
        echoing("x-loadgen-backend: a\u202e\u200b\u009b31m|b:1|c".encode()), {"ok"}
    ),
    "a name of bytes": Row(echoing(b"x-loadgen-backend: \xff\xfe"), {"ok"}),
    "a name of 8 kB": Row(echoing(b"x-loadgen-backend: " + b"n" * 8000), {"ok"}),
    "a new name for each connection": Row(names_itself_anew, {"ok"}, fields=EACH),
}


STEP = {"websocket": {"path": "/echo", "send": {"text": "hello"}}}
TABLE = Table(ROWS, Peer, STEP, others=0)


class AbusiveWebSocket(Matrix, unittest.TestCase):
    TABLE = TABLE


if __name__ == "__main__":
    unittest.main()
