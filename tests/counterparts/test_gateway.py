"""`loadgen run` through nginx, as a gateway that lets through what it knows and answers 404 to the rest."""

import socket
import subprocess
import tempfile
import unittest

from harness import call, free_port, run_one, scenario, servers, tool, wait_for
from server import IDENTITY, ITEM, Server


class Gateway:
    """nginx in front of a gRPC server. Use it in a `with`; `passed` are the paths that it lets through."""

    def __init__(self, behind, *passed):
        self._folder = tempfile.TemporaryDirectory()
        folder, port = self._folder.name, free_port()
        self.address = f"127.0.0.1:{port}"
        places = "".join(f"location {path} {{ grpc_pass grpc://{behind}; }}" for path in passed)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        folders = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in kinds)
        with open(f"{folder}/nginx.conf", "w", encoding="utf-8") as config:
            config.write(
                f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;\n"
                "events { worker_connections 64; }\n"
                f"http {{ access_log off; {folders}\n"
                f"server {{ listen {self.address} http2; {places} location / {{ return 404; }} }} }}\n"
            )
        command = [tool("nginx"), "-p", folder, "-e", f"{folder}/error.log"]
        self._process = subprocess.Popen([*command, "-c", f"{folder}/nginx.conf"])
        self._port = port

    def _answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def __enter__(self):
        wait_for("nginx", self._answers)
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()


class Reflection(unittest.TestCase):
    def test_only_the_elder_version_is_let_through(self):
        with Server() as server, Gateway(
            server.address, "/shop.v1.Shop/", "/grpc.reflection.v1alpha."
        ) as gateway:
            found = run_one(scenario("find", gateway.address, call("Find", ITEM)))
            counts = server.shop.counts()
        self.assertEqual(found["outcomes"], {"ok": 400})
        self.assertEqual(counts["find"], 400)
        (backend,) = servers(found)
        self.assertEqual((backend["id"], backend["requests"]), (IDENTITY, 400))
