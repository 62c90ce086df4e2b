"""`loadgen balance http` between clients and servers that are not ours: curl, h2load, grpcio, websockets, nginx."""

import asyncio
import json
import pathlib
import signal
import subprocess
import tempfile
import threading
import unittest
import urllib.request

import grpc
import websockets
from harness import PATIENCE, free_port, tool, wait_for, websockets_server
from loadgen.v1 import loadgen_pb2, loadgen_pb2_grpc
from test_balance_tcp import Process, nginx, serve_http


def service(name, *ports, **fields):
    """A service for all paths over these backends, checked often."""
    return {
        "name": name,
        "routes": [{"path": "/**"}],
        "backends": [{"address": f"127.0.0.1:{port}"} for port in ports],
        "health": {"interval": "100ms", "rise": 1, "fall": 2},
    } | fields


class Balancer(Process):
    """Our balancer for these services, the first of which is the default one."""

    def __init__(self, *services, **fields):
        self._folder = tempfile.TemporaryDirectory()
        path = pathlib.Path(self._folder.name, "services.json")
        self.status_port = free_port()
        config = {
            "services": services,
            "default_service": services[0]["name"],
            "status": f"127.0.0.1:{self.status_port}",
        } | fields
        path.write_text(json.dumps(config), encoding="utf-8")
        super().__init__("balance", "http", "--listen", "127.0.0.1:0", "--config", str(path))

    def __exit__(self, *rest):
        super().__exit__(*rest)
        self._folder.cleanup()

    def requests(self):
        """What it has counted of the first service's requests."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}/status") as answer:
            return json.load(answer)["services"][0]["requests"]


def run(*command):
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        check=True,
    )
    return done.stdout.decode()


class Http(unittest.TestCase):
    def setUp(self):
        self.one = self.enterContext(serve_http("one"))
        self.two = self.enterContext(serve_http("two"))

    def test_curl_over_both_versions(self):
        with Balancer(service("web", self.one.port, self.two.port)) as balancer:
            base = f"http://127.0.0.1:{balancer.port}"
            for flag in ("--http1.1", "--http2-prior-knowledge"):
                names = {
                    run(
                        tool("curl"), "--silent", flag, "--output", "/dev/null", "--write-out",
                        "%header{x-loadgen-backend} %{response_code}", f"{base}/web/hello",
                    )
                    for _ in range(4)
                }
                self.assertEqual(names, {"one 200", "two 200"}, flag)
                said = run(tool("curl"), "--silent", flag, "--data", "x" * 5000, f"{base}/echo")
                self.assertEqual(said, "x" * 5000)

    def test_h2load_loses_nothing(self):
        for protocol in ("http/1.1", "h2"):
            with Balancer(service("web", self.one.port, self.two.port, protocol=protocol)) as balancer:
                for flags in (["--h1"], []):
                    said = run(
                        tool("h2load"), "-n", 5000, "-c", 20, *([] if flags else ["-m", 10]), *flags,
                        f"http://127.0.0.1:{balancer.port}/hello",
                    )
                    self.assertIn("5000 succeeded, 0 failed, 0 errored, 0 timeout", said)
                    self.assertIn("5000 2xx", said)
                counted = balancer.requests()
                self.assertEqual(counted["responses"]["2xx"], 10_000)
                self.assertEqual(counted["problems"], {})

    def test_backends_are_killed_frozen_and_started_again_under_load(self):
        """GETs: all can be tried again, so none is lost."""
        checks = {"interval": "100ms", "timeout": "100ms", "rise": 1, "fall": 2, "path": "/health"}
        web = service("web", self.one.port, self.two.port, health=checks, response_timeout="5s")
        with Balancer(web) as balancer:
            over = threading.Event()
            failed, asked = [], []

            def ask():
                while not over.is_set():
                    try:
                        url = f"http://127.0.0.1:{balancer.port}/hello"
                        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                            asked.append(answer.status)
                    except OSError as error:
                        failed.append(error)

            clients = [threading.Thread(target=ask) for _ in range(4)]
            for client in clients:
                client.start()
            for _ in range(3):
                port = self.one.port
                self.one.send(signal.SIGKILL)
                self.one.ended()
                count = len(asked)
                wait_for("the other one answers", lambda count=count: len(asked) > count + 50)
                self.one = self.enterContext(
                    Process("serve", "http", "--address", f"127.0.0.1:{port}", "--id", "one")
                )
                count = len(asked)
                wait_for("both answer", lambda count=count: len(asked) > count + 50)
            over.set()
            for client in clients:
                client.join()
            self.assertEqual(failed, [])

    def test_nginx_behind_and_in_front(self):
        with nginx(self.one.port, self.two.port) as behind:
            with Balancer(service("web", behind.port)) as balancer, nginx(balancer.port) as front:
                for port in (balancer.port, front.port):
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/hello") as answer:
                        self.assertEqual(json.load(answer), {"message": "Hello, world!"})


class Others(unittest.TestCase):
    def test_grpcio(self):
        one = self.enterContext(Process("serve", "grpc", "--address", "127.0.0.1:0", "--id", "one"))
        two = self.enterContext(Process("serve", "grpc", "--address", "127.0.0.1:0", "--id", "two"))
        calls = service("greeter", one.port, two.port, protocol="h2")
        with Balancer(calls) as balancer:
            with grpc.insecure_channel(f"127.0.0.1:{balancer.port}") as channel:
                greeter = loadgen_pb2_grpc.GreeterStub(channel)
                names = []
                for _ in range(6):
                    _, call = greeter.Hello.with_call(loadgen_pb2.HelloRequest(), timeout=PATIENCE)
                    names.append(dict(call.initial_metadata())["x-loadgen-backend"])
                self.assertEqual(sorted(names), ["one"] * 3 + ["two"] * 3)
                messages = [loadgen_pb2.ChatMessage(text=text) for text in ("one", "two", "three")]
                replies = list(greeter.Chat(iter(messages), timeout=PATIENCE))
                self.assertEqual([it.text for it in replies], ["one", "two", "three"])

    def test_websockets(self):
        server = self.enterContext(websockets_server())
        port = server.address.rsplit(":", 1)[1]

        async def talk(port):
            async with websockets.connect(f"ws://127.0.0.1:{port}/echo") as client:
                for size in (1, 1000, 100_000):
                    await client.send("x" * size)
                    self.assertEqual(await asyncio.wait_for(client.recv(), PATIENCE), "x" * size)

        with Balancer(service("ws", port)) as balancer:
            asyncio.run(talk(balancer.port))
            wait_for("it is over", lambda: balancer.requests()["open"] == 0)
            self.assertEqual(balancer.requests()["upgraded"], 1)


if __name__ == "__main__":
    unittest.main()
