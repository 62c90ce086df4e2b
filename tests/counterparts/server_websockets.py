"""A WebSocket server that is not ours: that of PyPI's `websockets`.

It counts what it sees, so that the generator's books can be held against somebody else's. By
itself it serves until it is interrupted: `python server_websockets.py [PORT]`.
"""

import asyncio
import collections
import contextlib
import http
import itertools
import json
import logging
import random
import sys
import threading
import urllib.parse

import websockets
from websockets.asyncio.server import serve

# How the server names itself to whoever wants to know who answered.
IDENTITY = "websockets-1"
# Small enough that a message of ordinary length comes in several fragments.
FRAGMENT = 7


class Books:
    """What the server saw. Written by its own thread only; read once it has ended."""

    def __init__(self):
        self.opened = self.received = self.sent = self.refused = self.logins = 0
        # How connections ended: the code received, 1006 where there was none.
        self.closes = collections.Counter()
        self.paths = collections.Counter()
        self.subprotocols = collections.Counter()
        self.extensions = []
        self.cookies = collections.Counter()
        # The names of header fields that came with requests.
        self.headers = collections.Counter()
        # Whose each token is.
        self.tokens = {}
        # What went wrong in the server itself.
        self.errors = []
        self.kinds = collections.Counter()
        # Connections open now.
        self.open = 0


class Paths:
    """What is done on which path. One connection each."""

    def __init__(self, books):
        self._books = books
        self._random = random.Random(7)

    async def handle(self, connection):
        url = urllib.parse.urlsplit(connection.request.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        books = self._books
        books.opened += 1
        books.open += 1
        books.paths[url.path] += 1
        books.subprotocols[connection.subprotocol] += 1
        books.extensions.extend(connection.protocol.extensions)
        try:
            with contextlib.suppress(websockets.ConnectionClosed):
                await getattr(self, url.path.strip("/"))(connection, **query)
        except Exception as problem:
            books.errors.append(problem)
            raise
        finally:
            await connection.close()
            books.open -= 1
            books.closes[connection.close_code] += 1

    async def _say(self, connection, message):
        await connection.send(message)
        self._books.sent += 1

    async def _messages(self, connection):
        async for message in connection:
            self._books.received += 1
            self._books.kinds[type(message).__name__] += 1
            yield message

    async def echo(self, connection):
        async for message in self._messages(connection):
            await self._say(connection, message)

    async def silent(self, connection):
        async for _ in self._messages(connection):
            pass

    async def fragments(self, connection):
        """Echoes in pieces, pings between them."""
        async for message in self._messages(connection):
            async def pieces(message=message):
                for start in range(0, len(message), FRAGMENT):
                    yield message[start : start + FRAGMENT]
                    await connection.ping()

            await self._say(connection, pieces())

    async def stream(self, connection):
        async for message in self._messages(connection):
            for number in range(json.loads(message)["count"]):
                await self._say(connection, json.dumps({"n": number}))

    async def gaps(self, connection, every):
        """A stream that leaves out each number that `every` divides, but 0 and the last."""
        async for message in self._messages(connection):
            count = json.loads(message)["count"]
            for number in range(count):
                if number in (0, count - 1) or number % int(every):
                    await self._say(connection, json.dumps({"n": number}))

    async def feed(self, connection, every_ms):
        """Numbers that nobody has asked for."""
        for number in itertools.count(1000):
            await self._say(connection, json.dumps({"n": number}))
            await asyncio.sleep(int(every_ms) / 1000)

    async def room(self, connection):
        """Others speak before each message is answered, and are ready once somebody has joined."""
        said = itertools.count()
        async for message in self._messages(connection):
            message = json.loads(message)
            await self._say(connection, json.dumps({"type": "noise"}))
            if message["type"] == "join":
                await self._say(connection, json.dumps({"type": "ready"}))
                await self._say(connection, json.dumps({"type": "joined"}))
                continue
            for _ in range(3):
                await self._say(connection, json.dumps({"type": "said", "n": next(said)}))
                await asyncio.sleep(0.005)
            await self._say(connection, json.dumps({"type": "posted", "id": message["id"]}))

    async def login(self, connection):
        """Gives a token for a name, other than all tokens before it; something else is said first."""
        async for message in self._messages(connection):
            name = json.loads(message)["name"]
            token = f"token-{len(self._books.tokens)}"
            self._books.tokens[token] = name
            await self._say(connection, json.dumps({"type": "busy", "token": "none"}))
            await self._say(connection, json.dumps({"type": "welcome", "token": token}))

    async def vault(self, connection, token):
        """Answers whoever has a token, on the connection and in the message. Three pieces of news come before
        each answer, the third of them urgent."""
        name = self._books.tokens.get(token)
        if name is None:
            await connection.close(4003, "whose token is that?")
            return
        async for message in self._messages(connection):
            message = json.loads(message)
            for number in range(3):
                await self._say(connection, json.dumps({"type": "news", "n": number, "urgent": number == 2}))
            answer = {"of": name, "n": message["n"]} if message["token"] == token else {}
            await self._say(connection, json.dumps({"type": "answer", **answer}))

    async def backwards(self, connection, batch):
        """Answers so many messages at a time, the last first."""
        waiting = []
        async for message in self._messages(connection):
            waiting.append({**json.loads(message), "answer": True})
            if len(waiting) == int(batch):
                for answer in reversed(waiting):
                    await self._say(connection, json.dumps(answer))
                waiting.clear()

    async def close(self, connection, code, reason, after, token=None):
        """Closes in place of the answer to the message after so many. A token is for others to hide."""
        seen = 0
        async for message in self._messages(connection):
            if seen == int(after):
                await connection.close(int(code), reason)
                return
            seen += 1
            await self._say(connection, message)

    async def farewell(self, connection):
        """Closes in place of the first answer, and repeats what the connection was opened with."""
        async for _ in self._messages(connection):
            await connection.close(4001, f"I do not know {connection.said}")
            return

    async def restless(self, connection, least_ms, most_ms):
        """Echoes for a random time, and then says good-bye or cuts the line."""
        life = self._random.uniform(int(least_ms), int(most_ms)) / 1000
        with_good_bye = self._random.random() < 0.5
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(life):
                await self.echo(connection)
        if connection.close_code is not None:
            return
        if with_good_bye:
            self._books.kinds["good-bye"] += 1
            await connection.close(1001, "moving on")
        else:
            self._books.kinds["cut"] += 1
            connection.transport.abort()


class Server:
    """The server on a loopback port, in a thread of its own. Use it in a `with`.

    `token` is what the header `x-token` must be: 401 without it, 403 for another. With `login`, who
    has no cookie of this server is sent to `/login`, gets one there, and is sent to where it says: back,
    unless told.
    """

    def __init__(self, *, port=0, token=None, tls=None, login=None, **options):
        self.books = Books()
        self._token = token
        self._login = login
        self._port = port
        self._options = {"ssl": tls, **options}
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def _ask(self, connection, request):
        path = urllib.parse.urlsplit(request.path).path
        self.books.headers.update({name.lower() for name, _ in request.headers.raw_items()})
        problem = None
        if self._login is not None:
            return self._let_in(connection, request, path)
        if path.startswith("/status/"):
            problem = http.HTTPStatus(int(path.removeprefix("/status/")))
        elif self._token is not None:
            token = request.headers.get("x-token")
            if token is None:
                problem = http.HTTPStatus.UNAUTHORIZED
            elif token != self._token:
                problem = http.HTTPStatus.FORBIDDEN
        if problem is None:
            return None
        self.books.refused += 1
        return connection.respond(problem, "not here\n")

    def _let_in(self, connection, request, path):
        """Who is not known logs in first."""
        cookies = request.headers.get("cookie", "")
        if path == "/login":
            self.books.logins += 1
            answer = connection.respond(http.HTTPStatus.FOUND, "welcome\n")
            answer.headers["Set-Cookie"] = f"sid={self.books.logins}; Path=/; HttpOnly"
            answer.headers["Location"] = self._login
            return answer
        if "sid=" not in cookies:
            answer = connection.respond(http.HTTPStatus.TEMPORARY_REDIRECT, "who are you?\n")
            answer.headers["Location"] = "login?why=no%20cookie"
            return answer
        self.books.cookies[cookies] += 1
        return None

    @staticmethod
    def _name(connection, request, response):
        response.headers["x-loadgen-backend"] = IDENTITY

    async def _serve(self):
        # Handshakes that fail on purpose are no news.
        logger = logging.getLogger("counterpart")
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.create_future()
        options = {"ping_interval": None, "close_timeout": 5, "logger": logger, **self._options}
        async with serve(
            Paths(self.books).handle,
            "127.0.0.1",
            self._port,
            process_request=self._ask,
            process_response=self._name,
            reuse_address=True,
            backlog=1024,
            **options,
        ) as server:
            self.address = "{}:{}".format(*server.sockets[0].getsockname())
            self._ready.set()
            await self._end
        # Here all handlers have ended, and the books are complete.

    def __enter__(self):
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the server did not start")
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._end.set_result, None)
        self._thread.join(30)
        if self._thread.is_alive():
            raise RuntimeError("the server did not end")
        if self.books.errors:
            raise self.books.errors[0]


if __name__ == "__main__":
    with Server(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as server:
        print(f"listening on {server.address}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    print(vars(server.books))
