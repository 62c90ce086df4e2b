"""Servers that misbehave on purpose, and what must be true of a run against one, whatever it does."""

import asyncio
import concurrent.futures
import dataclasses
import json
import re
import threading
import typing

from harness import Run, scenario

# What no server may make loadgen hold, unless a row says otherwise.
MOST_MIB = 160
# Far more than the above, and far less than what a claim of 4 GiB would take: whoever believes one
# ends at once, and the machine is none the worse for it. The allocator reserves 1 GiB ahead.
LIMITS = "ulimit -v 4194304"
# Debug prints of Rust, which are no sentences.
DEBUG = re.compile(r"Some\(|None\b|Os \{|Err\(|Error\(|kind: |b\"")
# Characters that change how a text looks: control characters, directions, what has no width.
HIDDEN = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
EXAMPLE_BYTES = 4096
# How many rows are played at a time: most of them wait.
AT_ONCE = 4

# A text that would title a terminal's window, clear it, forge a line, and turn the rest around.
HOSTILE = "\x1b]0;PWNED\x07\x1b[2J\n\rFORGED \u202e\u200b\u2028\u009b31m\x7f"


@dataclasses.dataclass
class Books:
    """What a server saw of a row. Written by its thread; read once the run has ended."""

    # Connections accepted, and requests or messages that came on them.
    accepted: int = 0
    requests: int = 0
    # Upgrades that were answered with 101.
    upgraded: int = 0
    # What went wrong in the server itself.
    problems: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Row:
    """A kind of misbehaviour, and what it has to come to."""

    # What is done with a connection.
    behave: typing.Callable
    # The classes of outcome there have to be. None at all: the run ends before it begins.
    outcomes: set
    # Part of the example of the class that is not `ok`, or of the message where nothing ran.
    says: str = ""
    # Classes that there may be besides.
    may: set = dataclasses.field(default_factory=set)
    # Fields of the scenario, and of its step.
    fields: dict = dataclasses.field(default_factory=dict)
    step: dict = dataclasses.field(default_factory=dict)
    # What the books of both sides have to agree on. Where not, the server has seen fewer requests,
    # for it no longer listens, or more connections, for they ended before they were open.
    agree: tuple = ("connections", "requests")
    # How often a request may be sent, where the server says that it did not look at it.
    tries: int = 1
    most_mib: int = MOST_MIB
    # What else must be true of the scenario's part of the document.
    also: typing.Callable = lambda found: True
    # The exit code where nothing ran.
    code: int = 101
    # What of this is otherwise where the library `h2` speaks.
    library: dict = dataclasses.field(default_factory=dict)


class Host:
    """Runs servers on a thread of its own. Use it in a `with`."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        # The loop itself does not hold them, and who waits for ever would be thrown away.
        self._tasks = set()
        self._servers = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self):
        for server in self._servers:
            server.close()
        mine = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not mine]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def serve(self, behave, books, peer):
        """Starts a server that does this with each connection, and returns its address."""

        async def connection(reader, writer):
            books.accepted += 1
            self._tasks.add(asyncio.current_task())
            try:
                await behave(peer(reader, writer, books))
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            except Exception as problem:
                books.problems.append(repr(problem))
            finally:
                writer.close()
                self._tasks.discard(asyncio.current_task())

        async def start():
            server = await asyncio.start_server(connection, "127.0.0.1", 0, limit=1 << 20)
            self._servers.append(server)
            return "{}:{}".format(*server.sockets[0].getsockname())

        return asyncio.run_coroutine_threadsafe(start(), self._loop).result()


class Peer:
    """A connection, as far as it does not matter what is spoken on it."""

    def __init__(self, reader, writer, books):
        self.reader, self.writer, self.books = reader, writer, books
        self._tasks = set()

    async def send(self, *parts):
        """Sends these bytes, and waits where the other side does not take them."""
        self.writer.write(b"".join(parts))
        await self.writer.drain()

    async def flood(self, chunk):
        """Sends the same until the other side has gone."""
        while True:
            await self.send(chunk)
            await asyncio.sleep(0.002)

    def meanwhile(self, doing):
        """Does something beside what is done with the connection."""

        async def until_it_breaks():
            try:
                await doing
            except (ConnectionError, asyncio.CancelledError):
                pass

        # Tasks that nobody holds are thrown away.
        task = asyncio.ensure_future(until_it_breaks())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def silence(self):
        """Says nothing until the other side goes."""
        while await self.reader.read(65536):
            pass

    async def deafness(self):
        """Takes nothing any more."""
        self.writer.transport.pause_reading()
        await asyncio.Event().wait()

    def abort(self):
        """Ends the connection with a TCP reset."""
        self.writer.transport.abort()


async def hangs_up(peer):
    """Ends a connection that has said nothing yet."""


async def silent(peer):
    """Says nothing."""
    await peer.silence()


def saying(text):
    """Says this at once, and no more."""

    async def behave(peer):
        await peer.send(text)
        await peer.silence()

    return behave


def fit_to_be_read(test, text):
    """Whether a sentence is one line, not too long, and nothing in it would play tricks."""
    test.assertTrue(text.strip())
    test.assertNotIn("\n", text)
    test.assertIsNone(HIDDEN.search(text), repr(text))
    test.assertIsNone(DEBUG.search(text), repr(text))
    test.assertLessEqual(len(text.encode()), EXAMPLE_BYTES)


def play(test, row, books, scenario, others):
    """Runs a scenario against a row's server, and checks what holds for every row.

    With each connection that is lost, the requests of so many `others` may be on their way.
    """
    flags = ("--workers", "1")
    most_kib = row.most_mib << 10
    with Run(scenario, flags=flags, limits=LIMITS, most_kib=most_kib) as running:
        if not row.outcomes:
            said = running.result(row.code)
            lines = said.strip().splitlines()
            test.assertEqual(len(lines), 1, said)
            test.assertTrue(lines[0].startswith("error: "), said)
            fit_to_be_read(test, lines[0])
            test.assertIn(row.says, said)
            test.assertEqual(books.problems, [])
            return
        document = running.result(expect=(0, 99))
        test.assertNotIn("panicked", running.stderr)
    # What was sent in order to be shown is nowhere as it was sent.
    shown = json.dumps(document, ensure_ascii=False)
    test.assertIsNone(HIDDEN.search(shown), shown)
    (found,) = document["scenarios"]
    outcomes = {key for key, count in found["outcomes"].items() if count}
    test.assertEqual(
        running.code, 0 if outcomes == {"ok"} else 99, document["verdict"]
    )
    test.assertLessEqual(row.outcomes, outcomes, found["failures"])
    test.assertLessEqual(outcomes, row.outcomes | row.may, found["failures"])
    for failure in found["failures"]:
        fit_to_be_read(test, failure["example"])
        if failure["outcome"] in row.outcomes:
            test.assertIn(row.says, failure["example"])
    connections = found["connections"]
    test.assertLessEqual(connections["dropped"], connections["opened"])
    attempts = connections["opened"] + connections["failed"]
    ledger = found["ledger"]
    if "connections" in row.agree:
        # One may be on its way when the run ends.
        test.assertIn(books.accepted - attempts, (0, 1), connections)
    else:
        test.assertLessEqual(connections["opened"], books.accepted)
    sent = ledger["started"]
    lost = others * connections["dropped"] if "requests" in row.agree else sent
    least = max(0, sent - lost)
    test.assertTrue(least <= books.requests <= row.tries * sent, (books, found["outcomes"]))
    test.assertTrue(row.also(found), found)
    test.assertEqual(books.problems, [])


class Table(typing.NamedTuple):
    """Rows, and how they are played."""

    rows: dict
    # The class that speaks their protocol, and the step that is played against them.
    peer: type
    step: dict
    # With how many other users one shares a connection.
    others: int

    def scenario(self, host, row, books, load, **fields):
        """What is played against a row, whose server is started for it."""
        ((kind, step),) = self.step.items()
        address = host.serve(row.behave, books, self.peer)
        fields = {"timeout": "10s", "connect_timeout": "10s", "graceful_stop": "10s"} | fields
        step = {kind: step | row.step}
        return scenario("abused", address, step, load=load, **fields | row.fields)


class Matrix:
    """A table, each row of it played with both models of load. Mixed into a test case."""

    TABLE: Table
    LOADS = (
        {"closed": {"users": 2, "iterations_per_user": 3}},
        {"open": {"rate": "40/s", "duration": "150ms", "users": {"max": 4}}},
    )

    def play(self, host, row, load):
        books = Books()
        plan = self.TABLE.scenario(host, row, books, load)
        # What is judged where nothing is said.
        del plan["thresholds"]
        play(self, row, books, plan, self.TABLE.others)

    def test_rows(self):
        with Host() as host, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            playing = {
                (name, next(iter(load))): pool.submit(self.play, host, row, load)
                for name, row in self.TABLE.rows.items()
                # Where nothing runs, the load makes no difference.
                for load in (self.LOADS if row.outcomes else self.LOADS[:1])
            }
            for (name, model), row in playing.items():
                with self.subTest(name, model=model):
                    row.result()
