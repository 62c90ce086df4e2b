"""`loadgen run` against HTTP/2 servers that misbehave, a row each: nothing panics, hangs, takes the
memory there is or makes the books false, and what happened is told in a class and a sentence."""

import asyncio
import dataclasses
import gzip
import unittest
import zlib

from abusive import HOSTILE, Matrix, Row, Table, hangs_up, saying, silent
from abusive_http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    HEAD,
    HEADERS,
    OK,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH,
    SETTINGS,
    Peer,
    acting,
    answering,
    at_the_start,
    beside,
    block,
    data,
    endless,
    field,
    frame,
    goaway,
    headers,
    message,
    octets,
    reply,
    reset,
    settings,
    window,
)

PROTOCOL, TIMEOUT, BROKEN = {"protocol"}, {"timeout"}, {"connection"}
# Where nothing comes, nobody waits for long. Two calls in a row that were given up have the
# connection asked whether it lives.
SHORT = {"timeout": "150ms"}
SILENT = {"connect_timeout": "300ms"}
STREAM = {"method": "loadgen.v1.Greeter/Stream", "message": {"count": 3}}
GZIP = {"compression": "gzip"}
# So the driver says that a connection or a stream was found to be against the rules.
AGAINST = "what HTTP/2 does not allow on a connection"
AGAINST_STREAM = "what HTTP/2 does not allow on a stream"
# What a single call does wrong ends that call (RFC 9113, 5.4.2 and 8.1.1). The library ends the connection for some
# of it, and lets some pass.
ENDS_ALL = {"says": AGAINST}
PASSES = {"outcomes": {"ok"}, "says": ""}
# A call that the server says it has not looked at is made again, three times at the most.
TRIES = 4
# A server that ends a connection does not see what is on its way there, and does not take everybody's.
LOST = {"may": {"connect"}, "agree": ("connections",)}
PACKED = (*HEAD, ("grpc-encoding", "gzip"))


def bomb(mib):
    """So much of nothing, packed a thousand times smaller."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    nothing = bytes(1 << 20)
    return b"".join(packer.compress(nothing) for _ in range(mib)) + packer.flush()


BOMB = bomb(256)

# Asked by reflection, as nothing describes it.
ASKS = {
    "step": {"method": "my.Svc/Call", "message": {}},
    "fields": {"connect_timeout": "1s"},
    "code": 104,
}


def part(number, content):
    """A field of a protobuf message, with what has a length as its content."""
    content = octets(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value):
    """Seven bits to the byte."""
    return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])


def describing(*files):
    """Answers by reflection with these descriptors of files."""
    answer = part(4, b"".join(part(1, it) for it in files))
    return answering(lambda stream: reply(stream, message(answer)))


def described(name, *imports, kinds=b""):
    """A file's descriptor."""
    return part(1, name) + b"".join(part(3, it) for it in imports) + kinds


def nested(depth):
    """A message type within a message type, and so on."""
    inner = part(1, "M")
    for _ in range(depth):
        inner = part(1, "M") + part(3, inner)
    return inner


async def imports_without_end(peer, stream, number):
    file = described(f"f{number}.proto", f"f{number + 1}.proto")
    await peer.send(reply(stream, message(part(4, part(1, file)))))


def with_trailers(*fields):
    return answering(lambda stream: reply(stream, tail=fields))


def with_head(*fields):
    return answering(lambda stream: reply(stream, head=fields))


def with_body(body, head=HEAD):
    return answering(lambda stream: reply(stream, body, head))


def open_with(body):
    """An answer that does not end."""
    return answering(lambda stream: headers(stream, *HEAD) + data(stream, body))


def with_backend(name):
    """Who answers says who it is."""
    return with_head(*HEAD, ("x-loadgen-backend", name))


async def deaf_from_the_first_call(peer):
    await peer.greet(settings(window=0x7FFFFFFF) + window(0, 0x7FFF0000))
    async for _ in peer.requests(from_head=True):
        await peer.deafness()


async def echoes(peer):
    """Says what it hears."""
    while heard := await peer.reader.read(65536):
        await peer.send(heard)


async def settings_that_change(peer):
    async def change():
        for number in range(10**6):
            most, room = number % 2 * 100, (number % 3 and 65535)
            await peer.send(settings(streams=most, window=room))
            await asyncio.sleep(0.005)

    await peer.greet()
    peer.meanwhile(change())
    async for stream in peer.requests():
        await peer.send(reply(stream))


async def deaf_floods(peer, chunk):
    await peer.greet()
    await peer.flood(chunk)


def byte_by_byte(pause):
    async def act(peer, stream, _):
        for byte in reply(stream):
            await peer.send(bytes([byte]))
            await asyncio.sleep(pause)

    return acting(act)


async def confirms_nothing(peer):
    peer.confirms = False
    await answering(reply)(peer)


async def answers_no_more(peer):
    """Not even pings, once there has been a request."""
    await peer.greet()
    async for _ in peer.requests():
        peer.confirms = False


def ending_after(calls, end):
    """Serves so many calls on a connection, and then does this to it."""

    async def act(peer, stream, number):
        if number <= calls:
            await peer.send(reply(stream))
        else:
            end(peer)

    return acting(act)


async def goes_every_other(peer, stream, number):
    farewell = goaway(stream, 0) if number % 2 == 0 else b""
    await peer.send(farewell, reply(stream))


async def goes_and_forgets(peer, stream, _):
    await peer.send(goaway(0, 0))
    peer.writer.close()


async def half_a_frame(peer, stream, _):
    await peer.send(headers(stream, *HEAD), frame(DATA, 0, stream, b"\0\0", claims=100))
    peer.writer.close()


ROWS = {
    "serves well": Row(answering(reply), {"ok"}),
    # Before a request can be sent.
    "hangs up": Row(hangs_up, set(), "closed the connection without answering"),
    "never says anything": Row(silent, set(), "no answer within 300ms", fields=SILENT),
    "speaks SSH": Row(saying(b"SSH-2.0-Open\x1b[31m\r\n"), set(), "not HTTP/2"),
    "speaks HTTP/1.1": Row(saying(b"HTTP/1.1 400 Bad\x1b[31m\r\n\r\n"), set(), "HTTP/1.1"),
    "speaks TLS": Row(saying(b"\x15\x03\x03\0\x02\x02\x46"), set(), "TLS"),
    "speaks HTML": Row(saying(b"<html>\x1b[2J" * 100), set(), "not HTTP/2"),
    "says nothing but zeros": Row(saying(bytes(100_000)), set(), "HTTP/2"),
    "echoes": Row(echoes, set(), "HTTP/2"),
    "is a client": Row(saying(PREFACE + settings()), set(), "HTTP/2"),
    "frame of 16 MiB": Row(
        saying(frame(SETTINGS, payload=bytes(100_000), claims=0xFFFFFF)), set(), "FRAME_SIZE_ERROR"
    ),
    "GOAWAY at once": Row(at_the_start(settings(), goaway(0, 0)), set(), "good-bye (GOAWAY)"),
    "SETTINGS of half a value": Row(
        at_the_start(frame(SETTINGS, payload=bytes(5))), set(), "HTTP/2"
    ),
    "SETTINGS on a stream": Row(at_the_start(frame(SETTINGS, stream=1)), set(), "HTTP/2"),
    "frames too short to be": Row(at_the_start(settings(frame=1)), set(), "PROTOCOL_ERROR"),
    "a window too large to be": Row(at_the_start(settings(window=1 << 31)), set(), "HTTP/2"),
    "pings and never settings": Row(
        lambda peer: peer.flood(frame(PING, payload=bytes(8)) * 500), set(), "HTTP/2", fields=SILENT
    ),
    "settings without end, and deaf": Row(
        lambda peer: deaf_floods(peer, settings(window=65535) * 500), set(), fields=SILENT
    ),
    "confirms nothing": Row(confirms_nothing, set(), "no answer within 300ms", fields=SILENT),
    # Settings and windows. What confirms ours is one that talks HTTP/2, so that nobody minds.
    "PING in place of SETTINGS": Row(
        at_the_start(frame(PING, payload=bytes(8))), set(), "is not HTTP/2", library=PASSES
    ),
    "a table of 4 GiB": Row(at_the_start(settings(table=0xFFFFFFFF)), {"ok"}),
    "no headers wanted": Row(at_the_start(settings(headers=0)), {"ok"}),
    "unknown settings": Row(at_the_start(frame(SETTINGS, payload=b"\xff\xff" * 3000)), {"ok"}),
    "no stream is allowed": Row(
        at_the_start(settings(streams=0)),
        TIMEOUT,
        "a free stream",
        fields=SHORT,
        agree=("connections",),
    ),
    "no window": Row(
        at_the_start(settings(window=0)),
        TIMEOUT,
        "takes nothing more",
        fields=SHORT,
        agree=("connections",),
    ),
    "settings that change all the time": Row(
        settings_that_change, {"ok"}, may=TIMEOUT, agree=("connections",)
    ),
    "SETTINGS without end": Row(beside(settings(window=65535) * 50), {"ok"}),
    "PING without end": Row(beside(frame(PING, payload=bytes(8)) * 100), {"ok"}),
    "PING that is an answer to none": Row(beside(frame(PING, 1, payload=bytes(8)) * 50), {"ok"}),
    "PING of no length": Row(answering(lambda it: frame(PING)), PROTOCOL, AGAINST),
    "PRIORITY without end": Row(beside(frame(PRIORITY, 0, 3, bytes(4) + b"\1") * 50), {"ok"}),
    "unknown frames without end": Row(beside(frame(0x77, 255, 0, bytes(100)) * 50), {"ok"}),
    "WINDOW_UPDATE without end": Row(beside(window(0, 1) * 50), {"ok"}),
    "a connection's window overflows": Row(
        answering(lambda it: window(0, 0x7FFFFFFF) * 2), PROTOCOL, AGAINST
    ),
    # All has been sent when it comes, so that it makes no difference.
    "a stream's window overflows": Row(
        answering(lambda it: window(it, 0x7FFFFFFF) * 2),
        PROTOCOL,
        AGAINST_STREAM,
        fields=SHORT,
        library={"outcomes": TIMEOUT, "says": "", "may": PROTOCOL},
    ),
    "a window grows by nothing": Row(
        answering(lambda it: window(it, 0)), PROTOCOL, AGAINST_STREAM, library=ENDS_ALL
    ),
    # Header blocks.
    "CONTINUATION without end": Row(
        endless(
            lambda it: frame(HEADERS, 0, it, block(*HEAD)),
            lambda it: frame(CONTINUATION, 0, it, block(("x-a", "b" * 16000))),
        ),
        PROTOCOL,
        AGAINST,
    ),
    "CONTINUATION of nothing without end": Row(
        endless(
            lambda it: frame(HEADERS, 0, it, block(*HEAD)),
            lambda it: frame(CONTINUATION, 0, it) * 200,
        ),
        PROTOCOL,
        AGAINST,
    ),
    "a header block within a header block": Row(
        answering(lambda it: frame(HEADERS, 0, it, block(*HEAD)) + reply(it)), PROTOCOL, AGAINST
    ),
    "CONTINUATION of nothing": Row(
        answering(lambda it: frame(CONTINUATION, 4, it)), PROTOCOL, AGAINST
    ),
    "a bomb of headers": Row(
        with_head(*HEAD, field("x-b", "c" * 4000, indexed=True), b"\xbe" * 16000), PROTOCOL
    ),
    "4 MB of headers": Row(
        with_head(*HEAD, *((f"x-{n}", "v" * 1000) for n in range(4000))), PROTOCOL
    ),
    "2 MB of trailers": Row(
        with_trailers(*OK, *((f"x-{n}", "v" * 1000) for n in range(2000))), PROTOCOL
    ),
    "a name in capitals": Row(
        with_head(HEAD[0], ("Content-Type", "application/grpc")),
        PROTOCOL,
        AGAINST_STREAM,
        library=ENDS_ALL,
    ),
    "no :status": Row(with_head(HEAD[1]), PROTOCOL, AGAINST_STREAM),
    ":status of letters": Row(
        with_head((":status", "abc"), HEAD[1]), PROTOCOL, AGAINST_STREAM, library=ENDS_ALL
    ),
    ":status below 100": Row(
        with_head((":status", "099"), HEAD[1]), PROTOCOL, AGAINST_STREAM, library=ENDS_ALL
    ),
    ":status twice": Row(with_head(HEAD[0], *HEAD), PROTOCOL, AGAINST_STREAM),
    ":status in trailers": Row(
        with_trailers(HEAD[0], *OK), PROTOCOL, AGAINST_STREAM, library=PASSES
    ),
    "an unknown pseudo-header": Row(
        with_head((":evil", "1"), *HEAD), PROTOCOL, "what HTTP/2 does not allow"
    ),
    "a header of HTTP/1.1's": Row(
        with_head(*HEAD, ("connection", "close")), PROTOCOL, AGAINST_STREAM
    ),
    "a content-length that is not so": Row(
        with_head(*HEAD, ("content-length", "5")), PROTOCOL, AGAINST_STREAM
    ),
    "an index beyond the table": Row(with_head(b"\xff" * 6), PROTOCOL, AGAINST),
    "Huffman's code that is none": Row(
        with_head(HEAD[0], b"\0\x83\xff\xff\xff\x80"), PROTOCOL, AGAINST
    ),
    "a table larger than agreed": Row(with_head(b"\x3f\xff\xff\x7f", *HEAD), PROTOCOL, AGAINST),
    "a field that claims 4 GiB": Row(
        with_head(HEAD[0], b"\0\x7f\x80\xff\xff\xff\x0f"), PROTOCOL, AGAINST
    ),
    "an empty header block": Row(
        answering(lambda it: headers(it)), PROTOCOL, "what HTTP/2 does not allow"
    ),
    # HTTP's answers that are not gRPC's.
    "204": Row(with_head((":status", "204"), HEAD[1]), {"http.204"}, "204"),
    "302": Row(with_head((":status", "302"), ("location", "http://e/")), {"http.302"}, "302"),
    "429": Row(with_head((":status", "429")), {"http.429"}, "429"),
    "503 with a text": Row(
        answering(
            lambda it: headers(it, (":status", "503")) + data(it, HOSTILE.encode(), end=True)
        ),
        {"http.503"},
        "503",
    ),
    "503 with a body without end": Row(
        endless(lambda it: headers(it, (":status", "503")), lambda it: data(it, b"no " * 1000)),
        {"http.503"},
        "it says",
        may=PROTOCOL,
    ),
    "999": Row(with_head((":status", "999"), HEAD[1]), {"http.999"}, "999"),
    "HTML": Row(with_head(HEAD[0], ("content-type", "text/html")), PROTOCOL, "content-type"),
    "a content-type that is hostile": Row(
        with_head(HEAD[0], ("content-type", "\u202e\u009b31m")), PROTOCOL, "content-type"
    ),
    "no content-type": Row(with_head(HEAD[0]), PROTOCOL, "content-type"),
    "100 before the answer": Row(
        answering(lambda it: headers(it, (":status", "100")) * 3 + reply(it)), {"ok"}
    ),
    "103 without end": Row(
        endless(
            lambda it: b"", lambda it: headers(it, (":status", "103"), ("link", "<x>" * 100)) * 20
        ),
        TIMEOUT,
        fields=SHORT,
        may=PROTOCOL | BROKEN,
    ),
    # The status of a call.
    "no grpc-status": Row(with_trailers(("x", "y")), PROTOCOL, "without a grpc-status"),
    "no trailers": Row(
        answering(lambda it: headers(it, *HEAD) + data(it, message(), end=True)),
        PROTOCOL,
        "without a grpc-status",
    ),
    "trailers twice": Row(answering(lambda it: reply(it) + headers(it, *OK, end=True)), {"ok"}),
    "trailers and no end": Row(
        answering(lambda it: headers(it, *HEAD) + data(it, message()) + headers(it, *OK)),
        PROTOCOL,
        "what HTTP/2 does not allow",
    ),
    "grpc-status of no characters": Row(
        with_trailers(("grpc-status", "")), PROTOCOL, 'not a number: ""'
    ),
    "grpc-status with a sign": Row(
        with_trailers(("grpc-status", "+0")), PROTOCOL, 'not a number: "+0"'
    ),
    "grpc-status with a blank": Row(
        with_trailers(("grpc-status", " 0")), PROTOCOL, 'not a number: " 0"'
    ),
    "grpc-status of bytes": Row(
        with_trailers(("grpc-status", b"\xff\xfe")), PROTOCOL, "not a number"
    ),
    "grpc-status with an escape": Row(
        with_trailers(("grpc-status", b"\x1b[2J")), PROTOCOL, AGAINST_STREAM, library=ENDS_ALL
    ),
    "grpc-status of many digits": Row(
        with_trailers(("grpc-status", "9" * 10_000)), {"grpc.UNKNOWN"}, "999"
    ),
    "grpc-status that is unknown": Row(
        with_trailers(("grpc-status", "77")), {"grpc.UNKNOWN"}, "77"
    ),
    "grpc-status twice": Row(with_trailers(*OK, ("grpc-status", "14")), {"ok"}),
    "a message that is hostile": Row(
        with_trailers(
            ("grpc-status", "13"),
            ("grpc-message", "".join(f"%{it:02X}" for it in HOSTILE.encode())),
        ),
        {"grpc.INTERNAL"},
        "FORGED",
    ),
    "a message of half a code": Row(
        with_trailers(("grpc-status", "13"), ("grpc-message", "100%, %4, %zz, %ff")),
        {"grpc.INTERNAL"},
        "100%, %4",
    ),
    "a message of 100 kB": Row(
        with_trailers(("grpc-status", "13"), ("grpc-message", "A" * 100_000)),
        {"grpc.INTERNAL"},
        "INTERNAL",
    ),
    "only trailers": Row(
        answering(lambda it: headers(it, *HEAD, ("grpc-status", "5"), end=True)), {"grpc.NOT_FOUND"}
    ),
    # Messages.
    "4 GiB, open, unary": Row(
        open_with(message(b"abc", claims=0xFFFFFFFF)), PROTOCOL, "4294967295 bytes"
    ),
    "4 GiB, ended, unary": Row(
        with_body(message(b"abc", claims=0xFFFFFFFF)), PROTOCOL, "4294967295 bytes"
    ),
    "4 GiB, open, streamed": Row(
        open_with(message(b"abc", claims=0xFFFFFFFF)), PROTOCOL, "4294967295 bytes", step=STREAM
    ),
    "4 GiB, ended, streamed": Row(
        with_body(message(b"abc", claims=0xFFFFFFFF)), PROTOCOL, "4294967295 bytes", step=STREAM
    ),
    "more than `max_message`": Row(
        with_body(message(bytes(2000))), PROTOCOL, "`max_message`", fields={"max_message": "1000B"}
    ),
    "half a message": Row(
        with_body(message(b"abc", claims=10)), PROTOCOL, "in the middle of a message"
    ),
    "half a prefix after many": Row(
        with_body(message(b"a" * 100) * 100 + bytes(3)),
        PROTOCOL,
        "in the middle of a message",
        step=STREAM,
    ),
    "a flag of 7": Row(with_body(message(flag=7)), PROTOCOL, "is 7"),
    "a flag of 7, streamed": Row(with_body(message(flag=7), HEAD), PROTOCOL, "is 7", step=STREAM),
    "no message": Row(
        answering(lambda it: headers(it, *HEAD) + headers(it, *OK, end=True)), PROTOCOL
    ),
    "two messages": Row(with_body(message() * 2), PROTOCOL),
    "messages of nothing without end": Row(
        endless(lambda it: headers(it, *HEAD), lambda it: data(it, message(b"") * 1000)),
        TIMEOUT,
        "the rest of the answer",
        fields={"timeout": "400ms"},
        may=BROKEN,
    ),
    "messages of nothing without end, streamed": Row(
        endless(lambda it: headers(it, *HEAD), lambda it: data(it, message(b"") * 1000)),
        TIMEOUT,
        fields={"timeout": "400ms"},
        step=STREAM,
        may=PROTOCOL | BROKEN,
    ),
    "compressed without a word": Row(
        with_body(message(gzip.compress(b"a"), 1)), PROTOCOL, "no `grpc-encoding`", step=STREAM
    ),
    "a bomb of gzip": Row(
        with_body(message(BOMB, 1), PACKED), PROTOCOL, "unpacks to more than", step=GZIP
    ),
    "a bomb of gzip, not asked for": Row(
        with_body(message(BOMB, 1), PACKED), PROTOCOL, "unpacks to more than"
    ),
    "a bomb of gzip, streamed": Row(
        with_body(message(BOMB, 1), PACKED), PROTOCOL, "unpacks to more than", step=STREAM
    ),
    "gzip that is none": Row(
        with_body(message(b"not gzip", 1), PACKED),
        PROTOCOL,
        "compressed with gzip, and is not",
        step=GZIP,
    ),
    "gzip cut short": Row(
        with_body(message(gzip.compress(b"a" * 999)[:-9], 1), PACKED),
        PROTOCOL,
        "not whole",
        step=GZIP,
    ),
    "an encoding nobody knows": Row(
        with_body(message(b"x", 1), (*HEAD, ("grpc-encoding", "zstd\u202e"))),
        PROTOCOL,
        "zstd",
        step=GZIP,
    ),
    "2 GiB, really": Row(
        endless(
            lambda it: headers(it, *HEAD) + data(it, message(b"", claims=0x7FFFFFFF)),
            lambda it: data(it, bytes(65536)),
        ),
        PROTOCOL,
        "2147483647 bytes",
        may=BROKEN,
    ),
    # DATA.
    "DATA of nothing without end": Row(
        endless(lambda it: headers(it, *HEAD), lambda it: frame(DATA, 0, it) * 200),
        PROTOCOL,
        "ENHANCE_YOUR_CALM",
    ),
    "DATA before the head": Row(
        answering(lambda it: data(it, message()) + reply(it)),
        PROTOCOL,
        "what HTTP/2 does not allow",
    ),
    "DATA of no stream": Row(answering(lambda it: data(0, message())), PROTOCOL, AGAINST),
    "more padding than there is": Row(
        answering(lambda it: headers(it, *HEAD) + frame(DATA, PADDED, it, b"\xffx")),
        PROTOCOL,
        AGAINST,
    ),
    "DATA after the end": Row(answering(lambda it: reply(it) + data(it, message()) * 3), {"ok"}),
    # Streams that are none.
    "answers a stream that is not open": Row(
        answering(lambda it: reply(it + 2000)), PROTOCOL, AGAINST
    ),
    "answers a stream of its own": Row(answering(lambda it: reply(2)), PROTOCOL, AGAINST),
    "answers no stream": Row(answering(lambda it: headers(0, *HEAD)), PROTOCOL, AGAINST),
    "promises a push": Row(
        answering(lambda it: frame(PUSH, END_HEADERS, it, b"\0\0\0\2\x82\x84\x86")),
        PROTOCOL,
        AGAINST,
    ),
    "resets a stream that is not open": Row(
        answering(lambda it: reset(it + 1000, 2)), PROTOCOL, AGAINST
    ),
    "resets what it has answered, often": Row(
        answering(lambda it: reply(it) + reset(it, 8) * 500), {"ok"}
    ),
    "answers before it has heard all": Row(
        answering(lambda it: reply(it) + reset(it, 0), from_head=True), {"ok"}
    ),
    "resets without a reason": Row(
        answering(lambda it: reset(it, 0)), {"reset.NO_ERROR"}, "NO_ERROR"
    ),
    "refuses each stream": Row(
        answering(lambda it: reset(it, 7)), {"reset.REFUSED_STREAM"}, "REFUSED_STREAM"
    ),
    "resets in the middle": Row(
        answering(lambda it: headers(it, *HEAD) + data(it, message()) + reset(it, 11)),
        {"reset.ENHANCE_YOUR_CALM"},
        "ENHANCE_YOUR_CALM",
    ),
    "resets for an unknown reason": Row(
        answering(lambda it: reset(it, 0xDEADBEEF)), {"reset.UNKNOWN"}, "3735928559"
    ),
    # Good-byes and ends.
    "GOAWAY every other call": Row(acting(goes_every_other), {"ok"}, tries=TRIES),
    "GOAWAY and an end, each call": Row(
        acting(goes_and_forgets), BROKEN, "GOAWAY NO_ERROR", **LOST, tries=TRIES
    ),
    "GOAWAY with a text that is hostile": Row(
        answering(lambda it: goaway(0, 11, HOSTILE.encode())), BROKEN, "GOAWAY ENHANCE_YOUR_CALM"
    ),
    "GOAWAY with 16 kB of text": Row(
        answering(lambda it: goaway(0, 2, b"D" * 16000)), BROKEN, "INTERNAL_ERROR"
    ),
    "GOAWAY with bytes": Row(
        answering(lambda it: goaway(0, 2, bytes(range(256)))), BROKEN, "INTERNAL_ERROR"
    ),
    "GOAWAY and silence": Row(answering(lambda it: goaway(0x7FFFFFFF, 0)), TIMEOUT, fields=SHORT),
    "GOAWAY that takes back what it said": Row(
        answering(lambda it: goaway(it, 0) + goaway(it + 4, 0)), PROTOCOL, AGAINST, tries=TRIES
    ),
    "ends after two calls": Row(
        ending_after(2, lambda peer: peer.writer.close()), {"ok"} | BROKEN, **LOST
    ),
    "breaks off after two calls": Row(ending_after(2, Peer.abort), {"ok"} | BROKEN, **LOST),
    "ends in the middle of a frame": Row(acting(half_a_frame), BROKEN, **LOST),
    "garbage in place of an answer": Row(
        answering(lambda it: b"\xde\xad\xbe\xef" * 10), PROTOCOL, AGAINST
    ),
    "never answers": Row(
        answering(lambda it: b""), TIMEOUT, "waiting for the answer", fields=SHORT
    ),
    "never answers, nor confirms a ping": Row(
        answers_no_more, TIMEOUT, fields=SHORT | SILENT, may=BROKEN
    ),
    "a byte at a time": Row(byte_by_byte(0.001), {"ok"}),
    "a byte now and then": Row(
        byte_by_byte(0.05), TIMEOUT, fields=SHORT, agree=("connections",), may=BROKEN
    ),
    "takes nothing any more": Row(
        deaf_from_the_first_call,
        TIMEOUT,
        fields=SHORT | SILENT,
        step={"message": {"name": "w" * 1_000_000}},
        may=BROKEN,
        agree=("connections",),
    ),
    # Reflection.
    "imports without end": Row(acting(imports_without_end), set(), "by reflection", **ASKS),
    "imports in a circle": Row(
        describing(described("a", "b"), described("b", "a")), set(), "my.Svc/Call", **ASKS
    ),
    "imports itself": Row(describing(described("a", "a")), set(), "my.Svc/Call", **ASKS),
    "types a thousand deep": Row(
        describing(described("a", kinds=part(4, nested(1000)))), set(), "by reflection", **ASKS
    ),
    "4 GiB of descriptors": Row(
        with_body(message(claims=0xFFFFFFFF)), set(), "4294967295 bytes", **ASKS
    ),
    "descriptors that are none": Row(describing(b"\xff" * 100), set(), "by reflection", **ASKS),
    "an answer by reflection that is none": Row(
        with_body(message(b"\xff")), set(), "by reflection", **ASKS
    ),
    "no answer by reflection": Row(answering(lambda it: b""), set(), "within 1s", **ASKS),
    "an import that is hostile": Row(describing(described("a", HOSTILE)), set(), "imports", **ASKS),
    "a file that is hostile": Row(
        describing(described(HOSTILE, kinds=part(4, part(1, HOSTILE)))),
        set(),
        "by reflection",
        **ASKS,
    ),
    "services that are hostile": Row(
        with_body(message(part(6, part(1, part(1, "my.Svd" + HOSTILE))))),
        set(),
        "by reflection",
        **ASKS,
    ),
    "a refusal that is hostile": Row(
        with_body(message(part(7, b"\x08\x0d" + part(2, HOSTILE)))), set(), "my.Svc/Call", **ASKS
    ),
    # Who answers.
    "a name of bytes": Row(with_backend(b"\xff\xfe\xe2\x80\xae|c:1|@"), {"ok"}),
    "a name of 16 kB": Row(with_backend("n" * 16000), {"ok"}),
    "a name that is hostile": Row(with_backend("\u202e\u200b\u009b31mFORGED"), {"ok"}),
}


STEP = {"grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "w"}}}
TABLE = Table(ROWS, Peer, STEP, others=3)


class AbusiveHttp2(Matrix, unittest.TestCase):
    """Our own codec, where the calls are such as it makes."""

    TABLE = TABLE


class AbusiveHttp2OfTheLibrary(Matrix, unittest.TestCase):
    """The same where the library speaks."""

    TABLE = TABLE._replace(
        rows={
            name: dataclasses.replace(row, fields=row.fields | {"codec": "h2"}, **row.library)
            for name, row in ROWS.items()
        }
    )


if __name__ == "__main__":
    unittest.main()
