"""`loadgen balance http`, its services managed by curl and on its page in Chromium, as a person does."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.request

from harness import LOADGEN, tool

SERVICE = {"routes": [{"path": "/**"}], "health": "off"}


class Managed:
    """`loadgen balance http` with a file of no services, and a backend. Use it in a `with`."""

    def __init__(self, *flags):
        self._folder = tempfile.TemporaryDirectory()
        self.file = pathlib.Path(self._folder.name, "services.json")
        self.file.write_text('{"services": []}', encoding="utf-8")
        self._processes = []
        (self.backend,) = self._start(1, "serve", "http", "--address", "127.0.0.1:0")
        command = ["balance", "http", "--config", str(self.file), "--listen", "127.0.0.1:0"]
        self.http, self.management = self._start(2, *command, "--management", "127.0.0.1:0", *flags)

    def _start(self, addresses, *command):
        environment = {**os.environ, "MANAGEMENT_TOKEN": "s3cr3t"}
        process = subprocess.Popen(
            [LOADGEN, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=environment,
        )
        self._processes.append(process)
        lines = [process.stdout.readline() for _ in range(addresses)]
        return [re.search(r" listening on (\S+) ", line)[1] for line in lines]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self._processes:
            process.kill()
            process.wait()
            process.stdout.close()
        self._folder.cleanup()

    def services(self):
        """What stands in the file, by name."""
        document = json.loads(self.file.read_text(encoding="utf-8"))
        return {it["name"]: it for it in document["services"]}

    def get(self, path):
        """What the balancer answers."""
        with urllib.request.urlopen(f"http://{self.http}{path}") as answer:
            return answer.status

    def curl(self, method, path, body=None):
        """The status of a request to the management."""
        command = [tool("curl"), "-s", "-o", os.devnull, "-w", "%{http_code}", "-X", method]
        if body is not None:
            command += ["--json", json.dumps(body)]
        command.append(f"http://{self.management}{path}")
        return int(subprocess.run(command, check=True, capture_output=True).stdout)

    def page(self, **work):
        """One operation on the page; the browser asks nobody else, and complains about nothing."""
        script = pathlib.Path(__file__).with_name("docs_page.cjs")
        command = [tool("node"), str(script), f"http://{self.management}/docs", json.dumps(work)]
        environment = {**os.environ, "CHROMIUM": shutil.which("google-chrome") or tool("chromium")}
        done = subprocess.run(
            command, check=True, capture_output=True, encoding="utf-8", timeout=180, env=environment
        )
        done = json.loads(done.stdout)
        assert done["foreign"] == [] and done["errors"] == [], done
        return done


class Page(unittest.TestCase):
    """What is done on the page is in the file."""

    def test_a_service_is_added_changed_and_removed(self):
        with Managed() as managed:
            body = {**SERVICE, "backends": [{"address": managed.backend}]}
            added = managed.page(operation="create", name="docs", body=body)
            self.assertEqual(added["status"], 201, added)
            self.assertEqual(managed.services(), {"docs": {"name": "docs", **body}})
            self.assertEqual(managed.get("/docs/hello"), 200)
            changed = managed.page(operation="change", name="docs", body={"algorithm": "least_connections"})
            self.assertEqual(changed["status"], 200, changed)
            self.assertEqual(managed.services()["docs"]["algorithm"], "least_connections")
            refused = managed.page(operation="replace", name="docs", body={**SERVICE, "backends": []})
            self.assertEqual(refused["status"], 422, refused)
            self.assertIn("1 to 10000", refused["answer"])
            removed = managed.page(operation="remove", name="docs")
            self.assertEqual(removed["status"], 204, removed)
            self.assertEqual(managed.services(), {})

    def test_the_page_asks_for_the_token(self):
        with Managed("--management-token-env", "MANAGEMENT_TOKEN") as managed:
            self.assertEqual(managed.page(operation="list")["status"], 401)
            self.assertEqual(managed.page(operation="list", token="wrong")["status"], 401)
            self.assertEqual(managed.page(operation="list", token="s3cr3t")["status"], 200)


class Curl(unittest.TestCase):
    """The lines of the documentation."""

    def test_from_nothing_to_nothing(self):
        with Managed() as managed:
            body = {**SERVICE, "backends": [{"address": managed.backend}]}
            self.assertEqual(managed.curl("POST", "/services/web", body), 201)
            self.assertEqual(managed.curl("POST", "/services/web", body), 409)
            self.assertEqual(managed.get("/web/hello"), 200)
            self.assertEqual(managed.curl("PATCH", "/services", {"default_service": "web"}), 200)
            self.assertEqual(managed.get("/hello"), 200)
            self.assertEqual(managed.curl("DELETE", "/services/web"), 409)
            self.assertEqual(managed.curl("PATCH", "/services", {"default_service": None}), 200)
            self.assertEqual(managed.curl("DELETE", "/services/web"), 204)
            self.assertEqual(managed.services(), {})


if __name__ == "__main__":
    unittest.main()
