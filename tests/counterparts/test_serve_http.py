"""`loadgen serve http`, asked by clients of other people's making: curl, Python's, wrk, hey and h2load."""

import http.client
import json
import re
import socket
import subprocess
import tempfile
import unittest

import trustme
from harness import PATIENCE, Serve, tool


def run(*command, data=None):
    """What a program says that ends well."""
    done = subprocess.run(
        [str(word) for word in command],
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}: {done.stdout[-2000:]!r}")
    return done.stdout


def serve(*flags):
    return Serve(*flags, protocol="http")


def curl(*words, data=None):
    return run(tool("curl"), "--silent", "--show-error", *words, data=data)


# What curl is to say of the answer, behind it.
SUMMARY = "\n%{http_version} %{response_code} %header{x-loadgen-backend} %{content_type}"


class Curl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(serve("--id", "here-1"))
        cls.base = f"http://{cls.server.address}"

    def test_versions(self):
        expected = '{"message":"Hello, Jürgen!"}\n%s 200 here-1 application/json'
        for flag, version in (
            ("--http1.1", "1.1"),
            # Asks by an upgrade, which is not taken.
            ("--http2", "1.1"),
            ("--http2-prior-knowledge", "2"),
        ):
            said = curl(flag, "--write-out", SUMMARY, f"{self.base}/hello?name=J%C3%BCrgen")
            self.assertEqual(said.decode(), expected % version, flag)
        # curl refuses bodies it cannot tell the end of when it speaks the elder version.
        said = curl("--http1.0", f"{self.base}/hello")
        self.assertEqual(json.loads(said), {"message": "Hello, world!"})

    def test_echo(self):
        large = bytes(number % 251 for number in range(3 << 20))
        for flag in ("--http1.1", "--http2-prior-knowledge"):
            for words in (["--data-binary", "@-"], ["--upload-file", "-"]):
                for body in (b"", b"x", large):
                    echoed = curl(flag, *words, "-H", "content-type: a/b", f"{self.base}/echo", data=body)
                    self.assertEqual(echoed, body, (flag, words, len(body)))

    def test_events(self):
        for flag in ("--http1.1", "--http2-prior-knowledge"):
            said = curl(flag, "--no-buffer", f"{self.base}/stream?count=3&interval_us=1000")
            events = said.decode().split("\n\n")
            self.assertEqual(events.pop(), "")
            numbers = [json.loads(event.split("data: ")[1])["sequence"] for event in events]
            self.assertEqual(numbers, [0, 1, 2])

    def test_statuses(self):
        for path, expected in (
            ("/status/418", "1.1 418 here-1 text/plain; charset=utf-8"),
            ("/status/204", "1.1 204 here-1 "),
            ("/nothing", "1.1 404 here-1 text/plain; charset=utf-8"),
        ):
            said = curl("--write-out", SUMMARY, f"{self.base}{path}").decode()
            self.assertEqual(said.splitlines()[-1], expected)
        said = curl("--location", "--write-out", "\n%{num_redirects}", f"{self.base}/status/302")
        self.assertEqual(said, b'{"message":"Hello, world!"}\n1')
        said = curl("--head", "--request", "PATCH", f"{self.base}/hello").decode().lower()
        self.assertIn("405 method not allowed", said)
        self.assertIn("allow: get, head", said)

    def test_one_connection_for_many(self):
        urls = [f"{self.base}/hello?name={number}" for number in range(20)]
        said = curl("--write-out", "\n%{num_connects}\n", *urls).decode()
        self.assertEqual(re.findall(r"^\d$", said, re.MULTILINE), ["1"] + ["0"] * 19)

    def test_too_much(self):
        # curl itself waits for "100 Continue" and then sends nothing.
        with tempfile.TemporaryFile() as large:
            large.truncate((64 << 20) + 1)
            large.seek(0)
            done = subprocess.run(
                [
                    *(tool("curl"), "--silent", "--http1.1", "--upload-file", "/dev/stdin"),
                    *("-H", f"content-length: {(64 << 20) + 1}", "-H", "transfer-encoding:"),
                    *("--write-out", "%{response_code}", f"{self.base}/echo"),
                ],
                stdin=large,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
        self.assertIn(b"413", done.stdout)
        said = curl("-H", "a: " + "x" * 20_000, "--write-out", "%{response_code}", f"{self.base}/hello")
        self.assertEqual(said, b"431")


class Python(unittest.TestCase):
    def test_keep_alive(self):
        with serve("--id", "here-1") as server:
            client = http.client.HTTPConnection(server.address, timeout=PATIENCE)
            for method in ("GET", "PUT", "BREW"):
                client.request(method, "/echo", body=b"abc", headers={"Content-Type": "a/b"})
                answer = client.getresponse()
                self.assertEqual(answer.read(), b"abc")
                self.assertEqual(answer.headers["content-type"], "a/b")
                self.assertEqual(answer.headers["x-loadgen-backend"], "here-1")
            client.request("POST", "/echo", body=iter([b"ab", b"cd"]), encode_chunked=True)
            self.assertEqual(client.getresponse().read(), b"abcd")
            client.request("HEAD", "/hello")
            answer = client.getresponse()
            self.assertEqual((answer.headers["content-length"], answer.read()), ("27", b""))
            client.close()

    def test_smuggling(self):
        """No half of a request is answered as one of its own."""
        hidden = b"GET /status/299 HTTP/1.1\r\nHost: x\r\n\r\n"
        for headers in (
            b"Content-Length: 5\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding: chunked\r\nContent-Length: 5",
            b"Content-Length: 5\r\nContent-Length: 6",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            b"Transfer-Encoding: xchunked",
            b"Content-Length: +5",
            b"Content-Length : 5",
        ):
            with serve() as server:
                host, port = server.address.split(":")
                with socket.create_connection((host, int(port)), timeout=PATIENCE) as client:
                    client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\n" + headers)
                    client.sendall(b"\r\n\r\n0\r\n\r\n" + hidden)
                    said = b""
                    while read := client.recv(65_536):
                        said += read
            self.assertTrue(said.startswith(b"HTTP/1.1 400 "), (headers, said))
            self.assertEqual(said.count(b"HTTP/1.1 "), 1, (headers, said))


class Servers(unittest.TestCase):
    """Servers with flags of their own."""

    def test_tls(self):
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        with (
            certificate.private_key_and_cert_chain_pem.tempfile() as pem,
            authority.cert_pem.tempfile() as trusted,
            serve("--tls-cert", pem, "--tls-key", pem, "--id", "here-1") as server,
        ):
            for flag, version in (("--http2", "2"), ("--http1.1", "1.1"), ("--no-alpn", "1.1")):
                said = curl(
                    *(flag, "--cacert", trusted, "--write-out", SUMMARY),
                    f"https://{server.address}/hello",
                ).decode()
                expected = f"{version} 200 here-1 application/json"
                self.assertEqual(said.splitlines()[-1], expected, flag)

    def test_errors_on_purpose(self):
        for code, status in ((None, 503), ("INTERNAL", 500), ("DEADLINE_EXCEEDED", 504)):
            flags = ["--error-rate", "100%", *(["--error-code", code] if code else [])]
            with serve(*flags) as server:
                for version in ("--http1.1", "--http2-prior-knowledge"):
                    url = f"http://{server.address}"
                    said = curl(version, "--write-out", "%{response_code}", f"{url}/hello")
                    self.assertEqual(said.decode(), f"failed on purpose\n{status}")
                    self.assertEqual(curl(version, f"{url}/health"), b"ok\n")

    def test_cut(self):
        with serve("--cut-after", "1") as server:
            url = f"http://{server.address}/hello"
            # What curl sends again where a connection broke that had been good once.
            said = curl("--http1.1", "--write-out", "%{num_connects}\n", url, url).decode()
            self.assertEqual(said, '{"message":"Hello, world!"}1\n' * 2)
            # What it does not.
            done = subprocess.run(
                [tool("curl"), "--silent", "--http2-prior-knowledge", url, url],
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(done.stdout, b'{"message":"Hello, world!"}')

    def test_ends_gracefully(self):
        with serve() as server:
            client = http.client.HTTPConnection(server.address, timeout=PATIENCE)
            self.addCleanup(client.close)
            client.request("GET", "/stream?count=5&interval_us=100000")
            answer = client.getresponse()
            answer.readline()
            code, took = server.terminate()
            # What was under way ended well.
            self.assertEqual(answer.read().count(b"data: "), 5)
            self.assertEqual(code, 0)
            self.assertLess(took, 10)


class Loads(unittest.TestCase):
    """Other generators: what they count is all there."""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(serve())
        cls.url = f"http://{cls.server.address}/hello"

    def test_wrk(self):
        said = run(tool("wrk"), "-c", 32, "-t", 2, "-d", "2s", "--latency", self.url).decode()
        self.assertRegex(said, r"\n  [1-9]\d+ requests in")
        self.assertNotRegex(said, r"Socket errors|Non-2xx")

    def test_hey(self):
        for words in ([], ["-h2"], ["-disable-keepalive"]):
            said = run(tool("hey"), "-n", 2000, "-c", 20, *words, self.url).decode()
            self.assertRegex(said, r"\[200\]\s+2000 responses", words)
            self.assertNotIn("Error distribution", said)

    def test_h2load(self):
        for words in (["-m", 32], ["--h1"], ["--h1", "-m", 8]):
            said = run(tool("h2load"), "-n", 5000, "-c", 8, *words, self.url).decode()
            self.assertIn("5000 succeeded, 0 failed, 0 errored", said, words)
            self.assertRegex(said, re.compile(r"^status codes: 5000 2xx", re.MULTILINE))


if __name__ == "__main__":
    unittest.main()
