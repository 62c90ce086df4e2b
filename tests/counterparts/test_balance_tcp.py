"""`loadgen balance tcp` with nginx over HTTP in front and behind, what HAProxy reads of its PROXY headers, backends
that are killed, frozen and started again, and SIGHUP."""

import contextlib
import json
import pathlib
import resource
import signal
import socket
import tempfile
import time
import unittest
import urllib.request

from balancing import Process, ask, balance, haproxy, nginx, serve, serve_http
from harness import PATIENCE, free_port, wait_for


def hello(port):
    """Who answers over HTTP."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/hello", timeout=PATIENCE) as answer:
        return answer.headers["x-loadgen-backend"]


class Http(unittest.TestCase):
    """What nginx keeps open between requests goes to one backend."""

    def test_nginx_in_front(self):
        with serve_http("one") as one, serve_http("two") as two:
            with balance(one.port, two.port, flags=["--no-health"]) as ours, nginx(ours.port) as front:
                # It keeps its connection, and with it the backend, until it opens another.
                self.assertLessEqual({hello(front.port) for _ in range(20)}, {"one", "two"})

    def test_nginx_behind(self):
        with serve_http("one") as one, serve_http("two") as two:
            with nginx(one.port, two.port) as theirs, balance(theirs.port) as front:
                met = [hello(front.port) for _ in range(20)]
                self.assertEqual((met.count("one"), met.count("two")), (10, 10))


class ProxyProtocol(unittest.TestCase):
    """HAProxy and nginx read the header that we send, and say whom they saw."""

    def seen(self, version):
        """The address and port by which HAProxy, behind us, knows the client: it tells in a header of its own."""
        with socket.create_server(("127.0.0.1", 0)) as backend:
            backend.settimeout(PATIENCE)
            port = backend.getsockname()[1]
            with haproxy([port], listen="accept-proxy", send="send-proxy") as theirs:
                flags = ["--proxy-protocol", version, "--no-health"]
                with balance(theirs.port, flags=flags) as front:
                    with socket.create_connection(("127.0.0.1", front.port)) as client:
                        client.sendall(b"hello")
                        ours = client.getsockname()[1]
                        while True:
                            served, _ = backend.accept()
                            with served:
                                served.settimeout(PATIENCE)
                                text = served.recv(200).decode()
                                # HAProxy has no client for connections that ended before their header.
                                if text.startswith("PROXY TCP4"):
                                    return text.split("\r\n")[0], ours, front.port

    def test_both_versions(self):
        for version in ["v1", "v2"]:
            with self.subTest(version):
                line, client, here = self.seen(version)
                self.assertEqual(line, f"PROXY TCP4 127.0.0.1 127.0.0.1 {client} {here}")


class Backends(unittest.TestCase):
    """Backends that are killed, frozen and started again, while others are talked to."""

    def test_kill_and_restart_under_load(self):
        flags = ["--health-interval", "100ms", "--health-rise", "1", "--health-fall", "1"]
        with serve("one") as one, serve("two") as two:
            with balance(one.port, two.port, flags=flags) as ours:
                held = []
                for _ in range(8):
                    client = socket.create_connection(("127.0.0.1", ours.port), timeout=PATIENCE)
                    held.append((client, client.recv(100).decode().strip()))
                self.assertEqual([name for _, name in held].count("two"), 4)
                one.send(signal.SIGKILL)
                one.ended()
                # None of these is lost, from the first moment on.
                self.assertEqual({ask(ours.port)[0] for _ in range(50)}, {"two"})
                for client, name in held:
                    if name == "two":
                        client.sendall(b"still there")
                        self.assertEqual(client.recv(100), b"still there")
                with serve("one", one.port):
                    wait_for("it is back", lambda: ask(ours.port)[0] == "one")
                for client, _ in held:
                    client.close()

    def test_a_frozen_backend_harms_only_its_own(self):
        with serve("one") as one, serve("two") as two, balance(one.port, two.port) as ours:
            names = {ask(ours.port)[0] for _ in range(4)}
            self.assertEqual(names, {"one", "two"})
            one.freeze()
            clients = [socket.create_connection(("127.0.0.1", ours.port)) for _ in range(4)]
            answered = []
            for client in clients:
                client.settimeout(1)
                try:
                    answered.append(client.recv(100))
                except TimeoutError:
                    answered.append(None)
            self.assertEqual(sorted(map(str, answered)), sorted(["None"] * 2 + ["b'two\\n'"] * 2))
            one.send(signal.SIGCONT)
            for client, answer in zip(clients, answered):
                client.settimeout(PATIENCE)
                if answer is None:
                    self.assertEqual(client.recv(100), b"one\n")
                client.close()


class Memory(unittest.TestCase):
    """What a thousand connections hold of the balancer's memory."""

    def test_a_thousand_connections(self):
        files = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(files[0], min(files[1], 2048)), files[1]))
        with serve("one") as one, balance(one.port) as ours, contextlib.ExitStack() as held:
            before = ours.memory("status", "RssAnon")
            for _ in range(1000):
                client = socket.create_connection(("127.0.0.1", ours.port), timeout=PATIENCE)
                held.callback(client.close)
                client.sendall(b"7" * 16384)
                left = len("one\n") + 16384
                while left:
                    left -= len(client.recv(left))
            added = ours.memory("status", "RssAnon") - before
            self.assertLess(added, 3 * 1024)
            self.assertEqual(ours.memory("smaps_rollup", "AnonHugePages"), 0)
            self.assertLess(ours.memory("status", "VmRSS"), 50_000_000 // 1024)


class Reload(unittest.TestCase):
    """SIGHUP under load."""

    def test_no_connection_is_lost(self):
        with serve("one") as one, serve("two") as two, tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "lb.json")
            status = free_port()

            def write(*ports):
                config = {
                    "listen": "127.0.0.1:0",
                    "status": f"127.0.0.1:{status}",
                    "backends": [{"address": f"127.0.0.1:{port}"} for port in ports],
                }
                path.write_text(json.dumps(config), encoding="utf-8")

            write(one.port)
            with Process("balance", "tcp", "--config", str(path)) as ours:
                held = socket.create_connection(("127.0.0.1", ours.port), timeout=PATIENCE)
                self.assertEqual(held.recv(100), b"one\n")
                for ports, name in [([two.port], "two"), ([one.port], "one")] * 5:
                    write(*ports)
                    ours.send(signal.SIGHUP)
                    wait_for(name, lambda name=name: ask(ours.port)[0] == name)
                path.write_text("{}", encoding="utf-8")
                ours.send(signal.SIGHUP)
                time.sleep(0.2)
                self.assertEqual(ask(ours.port)[0], "one")
                held.sendall(b"still there")
                self.assertEqual(held.recv(100), b"still there")
                with urllib.request.urlopen(f"http://127.0.0.1:{status}/status", timeout=PATIENCE) as answer:
                    counts = json.load(answer)["connections"]
                self.assertEqual((counts["broken"], counts["refused_no_backend"]), (0, 0))
                ours.send(signal.SIGTERM)
                held.shutdown(socket.SHUT_WR)
                self.assertEqual(held.recv(100), b"")
                self.assertEqual(ours.ended(), 0)
                held.close()


if __name__ == "__main__":
    unittest.main()
