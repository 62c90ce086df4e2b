"""The TCP driver against servers of other people's making: Python's asyncio, Redis and socat."""

import asyncio
import contextlib
import hashlib
import pathlib
import re
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

import trustme
from harness import PATIENCE, free_port, message_counts, run_one, scenario, tool, wait_for

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


class Redis(unittest.TestCase):
    """Debian's redis-server, which counts commands, connections and bytes itself."""

    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.port = free_port()
        cls.path = f"{folder}/redis.sock"
        cls.server = subprocess.Popen(
            [
                *(tool("redis-server"), "--bind", "127.0.0.1", "--port", str(cls.port)),
                *("--unixsocket", cls.path, "--dir", folder, "--save", ""),
            ],
            stdout=subprocess.DEVNULL,
        )
        wait_for("it listens", cls.listens)

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        cls.server.wait()

    @classmethod
    def listens(cls):
        try:
            return cls.say("PING") == "+PONG\r\n"
        except OSError:
            return False

    @classmethod
    def say(cls, command):
        """What Redis answers to a command, on a connection of its own."""
        with socket.create_connection(("127.0.0.1", cls.port), timeout=PATIENCE) as client:
            client.sendall(f"{command}\r\n".encode())
            client.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := client.recv(65536):
                answer += piece
        return answer.decode()

    def setUp(self):
        self.assertEqual(self.say("FLUSHALL"), "+OK\r\n")
        self.assertEqual(self.say("CONFIG RESETSTAT"), "+OK\r\n")

    def figures(self, section):
        """Redis's own figures of this section."""
        lines = self.say(f"INFO {section}").splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def commands(self):
        """How often Redis was asked which command, and did it."""
        calls = {}
        for name, figures in self.figures("commandstats").items():
            self.assertIn("rejected_calls=0,failed_calls=0", figures)
            calls[name.removeprefix("cmdstat_")] = int(re.match(r"calls=(\d+)", figures)[1])
        del calls["config|resetstat"]
        return calls

    def test_commands(self):
        """Replies are those of their own commands, also with ten in flight; both ends count the same."""
        line = {"until": "\r\n"}
        value = "value {{ iteration }} of {{ user }}"
        steps = [
            tcp(
                "set",
                line,
                ["reply.text == '+OK'"],
                send={"text": f"SET key:{{{{ user }}}} '{value}'\r\n"},
            ),
            tcp(
                "get",
                {"regex": r"^(\$-1\r\n|\$[0-9]+\r\n[^\r]*\r\n)"},
                ["('\r\nvalue ' ~ iteration ~ ' of ' ~ user ~ '\r\n') in reply.text"],
                send={"text": "GET key:{{ user }}\r\n"},
            ),
            tcp(
                "count",
                line,
                ["reply.text == ':' ~ 20 * (iteration + 1)"],
                send={"text": "INCR count:{{ user }}\r\n"},
                repeat=20,
                in_flight=10,
            ),
        ]
        whole = scenario("redis", f"127.0.0.1:{self.port}", *steps, load=LOAD)
        whole["begin"] = [tcp("hello", line, ["reply.text == '+PONG'"], send={"text": "PING\r\n"})]
        whole["end"] = [tcp("bye", "end", ["reply.text == '+OK\r\n'"], send={"text": "QUIT\r\n"})]
        found = run_one(whole)
        self.assertEqual(found["outcomes"], {"ok": ALL}, found["failures"])
        traffic = self.figures("stats")
        counts = self.commands()
        # By the figures before.
        self.assertEqual(counts.pop("info"), 1)
        users = {"ping": USERS, "quit": USERS}
        self.assertEqual(counts, {"set": ALL, "get": ALL, "incr": 20 * ALL, **users})
        messages = {step["name"]: message_counts(step) for step in found["steps"]}
        commands = {"set": "set", "get": "get", "count": "incr", "hello": "ping", "bye": "quit"}
        for name, command in commands.items():
            self.assertEqual(messages[name], {"sent": counts[command], "received": counts[command]})
        self.assertEqual({self.say(f"GET count:{user}") for user in range(USERS)}, {f"$3\r\n{20 * EACH}\r\n"})
        # The last of these connections is the one that asks.
        self.assertEqual(int(traffic["total_connections_received"]), found["connections"]["opened"] + 1)
        self.assertEqual(found["connections"]["opened"], USERS)
        # It had asked already, and the one before was answered when counting began. Users of a closed model begin
        # before the clock starts, and with them the scenario's bytes.
        sent = len("INFO stats\r\n") + USERS * len("PING\r\n")
        received = len("+OK\r\n") + USERS * len("+PONG\r\n")
        self.assertEqual(int(traffic["total_net_input_bytes"]), found["bytes"]["sent"] + sent)
        self.assertEqual(int(traffic["total_net_output_bytes"]), found["bytes"]["received"] + received)

    def test_unix_socket(self):
        """A hundred in flight at once over a UNIX socket."""
        ask = tcp("ask", {"bytes": 7}, ["reply.text == '+PONG\r\n'"], send={"text": "PING\r\n"}, repeat=200, in_flight=100)
        found = run_one(scenario("socket", f"unix:{self.path}", ask, load=LOAD))
        self.assertEqual(found["outcomes"], {"ok": ALL}, found["failures"])
        self.assertEqual(self.commands()["ping"], 200 * ALL)

    def test_an_error_is_a_reply(self):
        """Redis says no on a connection that goes on: a check tells, and the next command is answered."""
        load = {"closed": {"users": 1, "iterations_per_user": 6}}
        wrong = "{{ 'LPUSH' if iteration % 2 else 'SET' }} key 1\r\n"
        ask = tcp("ask", {"until": "\r\n"}, ["reply.text == '+OK'"], send={"text": wrong})
        found = run_one(scenario("wrong", f"127.0.0.1:{self.port}", ask, load=load))
        self.assertEqual(found["outcomes"], {"ok": 3, "check": 3}, found["failures"])
        self.assertEqual(found["connections"]["opened"], 1)


@contextlib.contextmanager
def socat(listen, does):
    """Debian's socat: what it has logged of its connections, as it goes."""
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "log")
        process = subprocess.Popen([tool("socat"), "-d", "-d", "-lf", str(log), listen, does])
        try:
            wait_for("it listens", lambda: log.exists() and "listening on" in log.read_text())
            yield lambda: log.read_text().count("accepting connection from")
        finally:
            process.terminate()
            process.wait()


class Socat(unittest.TestCase):
    """Pipes and programs behind sockets, each connection a process of its own."""

    def test_echo(self):
        """What arrived is what was sent, to the byte; as many connections as iterations."""
        port = free_port()
        with tempfile.TemporaryDirectory() as folder:
            arrived = pathlib.Path(folder, "arrived")
            arrived.touch()
            with socat(f"TCP-LISTEN:{port},bind=127.0.0.1,fork", f"SYSTEM:tee -a {arrived}") as accepted:
                ask = tcp(
                    "ask",
                    {"until": "\n"},
                    ["reply.text == 'user ' ~ user ~ ' of ' ~ iteration"],
                    send={"text": "user {{ user }} of {{ iteration }}\n"},
                    repeat=5,
                    in_flight=5,
                )
                whole = scenario("echo", f"127.0.0.1:{port}", ask, load=LOAD, connection_per="iteration")
                found = run_one(whole)
                self.assertEqual(found["outcomes"], {"ok": ALL}, found["failures"])
                self.assertEqual(message_counts(found["steps"][0]), {"sent": 5 * ALL, "received": 5 * ALL})
                self.assertEqual(found["connections"]["opened"], ALL)
                self.assertEqual(accepted(), ALL)
            lines = arrived.read_text().splitlines()
            wanted = [f"user {user} of {at}" for user in range(USERS) for at in range(EACH)] * 5
            self.assertEqual(sorted(lines), sorted(wanted))
            self.assertEqual(arrived.stat().st_size, found["bytes"]["sent"])
            self.assertEqual(arrived.stat().st_size, found["bytes"]["received"])

    def test_half_close(self):
        """A program that answers when its input has ended, over TCP and over a UNIX socket."""
        text = "half of it\n" * 20_000
        digest = hashlib.sha256(text.encode()).hexdigest()
        ask = tcp("ask", "end", [f"reply.text == '{digest}  -\n'"], send={"text": text}, shutdown=True)
        load = {"closed": {"users": 2, "iterations_per_user": 5}}
        port = free_port()
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/socat.sock"
            for listen, address in [
                (f"TCP-LISTEN:{port},bind=127.0.0.1,fork", f"127.0.0.1:{port}"),
                (f"UNIX-LISTEN:{path},fork", f"unix:{path}"),
            ]:
                with self.subTest(address), socat(listen, "EXEC:sha256sum") as accepted:
                    found = run_one(scenario("whole", address, ask, load=load))
                    self.assertEqual(found["outcomes"], {"ok": 10}, found["failures"])
                    self.assertEqual(found["bytes"]["sent"], 10 * len(text))
                    self.assertEqual(found["connections"]["opened"], accepted())

    def test_the_server_ends_first(self):
        """A program that says its piece and ends, whatever is sent."""
        port = free_port()
        with socat(f"TCP-LISTEN:{port},bind=127.0.0.1,fork", "SYSTEM:echo that is all") as accepted:
            hear = tcp("hear", "end", ["reply.text == 'that is all\n'"])
            whole = scenario("ends", f"127.0.0.1:{port}", hear, load=LOAD, connection_per="iteration")
            found = run_one(whole)
            self.assertEqual(found["outcomes"], {"ok": ALL}, found["failures"])
            self.assertEqual(accepted(), ALL)

    def test_tls(self):
        """OpenSSL at the other end, which asks for a certificate."""
        authority = trustme.CA()
        theirs, ours = authority.issue_cert("127.0.0.1"), authority.issue_cert("client.test")
        port = free_port()
        with (
            theirs.private_key_and_cert_chain_pem.tempfile() as pem,
            ours.private_key_and_cert_chain_pem.tempfile() as own,
            authority.cert_pem.tempfile() as trusted,
            socat(
                f"OPENSSL-LISTEN:{port},bind=127.0.0.1,fork,cert={pem},cafile={trusted},verify=1",
                "PIPE",
            ) as accepted,
        ):
            tls = {"ca_file": trusted, "cert_file": own, "key_file": own}
            ask = tcp("ask", {"bytes": 100_000}, send={"size": "100000B"}, repeat=3)
            load = {"closed": {"users": 2, "iterations_per_user": 5}}
            whole = scenario("tls", f"tls://127.0.0.1:{port}", ask, load=load, tls=tls)
            found = run_one(whole)
            self.assertEqual(found["outcomes"], {"ok": 10}, found["failures"])
            self.assertEqual(message_counts(found["steps"][0]), {"sent": 30, "received": 30})
            self.assertEqual(found["connections"]["opened"], accepted())


if __name__ == "__main__":
    unittest.main()
