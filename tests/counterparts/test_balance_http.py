"""`loadgen balance http` between clients and servers that are not ours: curl, Python's, websockets, nginx."""

import asyncio
import json
import signal
import subprocess
import threading
import unittest
import urllib.request

import websockets
from balancing import CHECKS, Balancer, Process, nginx, serve_http, service
from harness import PATIENCE, tool, wait_for, websockets_server


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

    def test_a_backend_is_killed_and_started_again_and_again(self):
        """GETs: all can be tried again, so none is lost."""
        checks = {**CHECKS, "path": "/health"}
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
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/hello", timeout=PATIENCE) as answer:
                        self.assertEqual(json.load(answer), {"message": "Hello, world!"})


class Websockets(unittest.TestCase):
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
