"""Certificates and tokens: mTLS with grpcio, files that change under a run, and secrets that nobody is to
see, against servers that repeat them."""

import contextlib
import http
import json
import os
import pathlib
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

import grpc
import trustme
from harness import (
    LOADGEN,
    PATIENCE,
    Run,
    call,
    exchange,
    free_port,
    run,
    run_one,
    scenario,
    servers,
    wait_for,
)
from server import ITEM, Server
from server_websockets import Server as WebsocketServer

# What echoing servers repeat.
SENT = ("authorization", "x-api-key", "x-plain", "x-filled")
FOR_A_WHILE = {"open": {"rate": "20/s", "duration": "30s", "users": {"max": 20}}}


class Folder:
    """Files of a test. Use it in a `with`."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self._folder.name)
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def write(self, name, content):
        """Puts a file there in one go."""
        new = self.path / f"{name}.new"
        new.write_bytes(content if isinstance(content, bytes) else content.encode())
        new.replace(self.path / name)
        return str(self.path / name)

    def pair(self, certificate, name="client"):
        """A certificate with its chain, and its key, as the fields of `tls`."""
        chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
        key = self.write(f"{name}.key", certificate.private_key_pem.bytes())
        return {"cert_file": self.write(f"{name}.pem", chain), "key_file": key}


class Peers(grpc.ServerInterceptor):
    """Counts the names in clients' certificates and the tokens, and can refuse what is old."""

    def __init__(self):
        self.tokens = []
        self.refuse = False

    def intercept_service(self, continuation, details):
        metadata = dict(details.invocation_metadata)
        if details.method.startswith("/shop."):
            self.tokens.append(metadata.get("authorization"))
        return continuation(details)


def grpc_server(authority, clients, interceptor=None):
    """grpcio that takes clients whose certificates this authority signed, and no others."""
    certificate = authority.issue_cert("127.0.0.1")
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    credentials = grpc.ssl_server_credentials(
        [(certificate.private_key_pem.bytes(), chain)],
        root_certificates=clients.cert_pem.bytes(),
        require_client_auth=True,
    )
    return Server(credentials=credentials, interceptors=[interceptor] if interceptor else [])


class MutualTls(unittest.TestCase):
    def setUp(self):
        self.authority, self.clients = trustme.CA(), trustme.CA()
        self.folder = self.enterContext(Folder())
        self.server = self.enterContext(grpc_server(self.authority, self.clients))
        self.ca_file = self.folder.write("ca.pem", self.authority.cert_pem.bytes())

    def plan(self, **fields):
        tls = {"ca_file": self.ca_file, **fields}
        return scenario("find", f"https://{self.server.address}", call("Find", ITEM), tls=tls)

    def test_with_a_certificate(self):
        found = run_one(self.plan(**self.folder.pair(self.clients.issue_cert("loadgen"))))
        self.assertEqual(found["outcomes"], {"ok": 400})
        self.assertEqual(self.server.shop.counts(), {"find": 400})

    def test_without_or_of_another_authority(self):
        self.assertIn("tls.cert_file", run(self.plan(), expect=101))
        other = self.folder.pair(trustme.CA().issue_cert("loadgen"))
        run(self.plan(**other), expect=101)
        self.assertEqual(self.server.shop.counts(), {})

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    def test_forms_of_keys(self):
        """RSA and ECDSA, in PKCS #1, SEC 1 and PKCS #8."""
        for kind in (trustme.KeyType.RSA, trustme.KeyType.ECDSA):
            pair = self.folder.pair(self.clients.issue_cert("loadgen", key_type=kind))
            for form in ((), ("-traditional",)):
                with self.subTest(kind=kind.name, form=form):
                    key = str(self.folder.path / "key.pem")
                    self.openssl("pkey", "-in", pair["key_file"], "-out", key, *form)
                    first = pathlib.Path(key).read_text(encoding="utf-8").splitlines()[0]
                    self.assertEqual("RSA" in first or "EC" in first, bool(form), first)
                    found = run_one(self.plan(cert_file=pair["cert_file"], key_file=key))
                    self.assertEqual(found["outcomes"], {"ok": 400})

    def test_what_is_wrong_is_told_before_the_run(self):
        pair = self.folder.pair(self.clients.issue_cert("loadgen", key_type=trustme.KeyType.RSA))
        other = self.folder.pair(self.clients.issue_cert("loadgen"), name="other")
        locked, elder = (str(self.folder.path / name) for name in ("locked.pem", "elder.pem"))
        lock = ("-in", pair["key_file"], "-aes256", "-passout", "pass:hidden")
        self.openssl("pkey", *lock, "-out", locked)
        self.openssl("pkey", *lock, "-traditional", "-out", elder)
        cases = {
            "the key is not that of the certificate": {"key_file": other["key_file"]},
            "it holds a certificate and no key": {"key_file": pair["cert_file"]},
            "it holds a key and no certificate": {"cert_file": pair["key_file"]},
            "the key has a passphrase": {"key_file": locked},
            "passphrase, which is not asked for": {"key_file": elder},
            "No such file": {"key_file": str(self.folder.path / "none.pem")},
        }
        for part, fields in cases.items():
            with self.subTest(part):
                said = run(self.plan(**{**pair, **fields}), expect=104)
                self.assertIn(part, said)
                self.assertNotIn("hidden", said)
        self.assertEqual(self.server.shop.counts(), {})


class Rotation(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(Folder())

    def changes(self, document):
        (found,) = document["scenarios"]
        return [
            (pathlib.Path(it["file"]).name, it["field"], "problem" in it)
            for it in found["changes"]
        ]

    def test_a_token_is_used_by_new_calls(self):
        peers = Peers()
        server = self.enterContext(Server(interceptors=[peers]))
        token = self.folder.write("token.txt", "first-token-1\n")
        plan = scenario(
            "find",
            server.address,
            call("Find", ITEM),
            load=FOR_A_WHILE,
            metadata={"authorization": {"file": token, "prefix": "Bearer "}},
        )
        with Run(plan, flags=["--duration", "8s"]) as running:
            wait_for("calls", lambda: len(peers.tokens) > 10)
            self.assertEqual(set(peers.tokens), {"Bearer first-token-1"})
            self.folder.write("token.txt", "second-token-2\n")
            wait_for("the new token", lambda: "Bearer second-token-2" in peers.tokens)
            os.unlink(token)
            time.sleep(2)
            document = running.result()
        # From one call to the next, and for good, though the file is gone.
        at = peers.tokens.index("Bearer second-token-2")
        self.assertEqual(set(peers.tokens[at:]), {"Bearer second-token-2"})
        self.assertEqual(document["scenarios"][0]["outcomes"].keys(), {"ok"})
        field = "metadata.authorization"
        expected = [("token.txt", field, False), ("token.txt", field, True)]
        self.assertEqual(self.changes(document), expected)
        taken, gone = document["scenarios"][0]["changes"]
        self.assertLess(0, taken["t_s"])
        self.assertLess(taken["t_s"], gone["t_s"])
        self.assertIn("No such file", gone["problem"])
        (warning,) = [it for it in document["verdict"]["warnings"] if "token.txt" in it]
        self.assertIn("what it was before went on being used", warning)
        self.assertIn("token.txt changed and was read again", running.stderr)
        for secret in ("first-token", "second-token"):
            self.assertNotIn(secret, json.dumps(document) + running.stderr)

    def test_a_certificate_is_used_by_new_connections(self):
        """Each iteration of a WebSocket user opens a connection of its own."""
        authority, old, new = trustme.CA(), trustme.CA(), trustme.CA()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        for clients in (old, new):
            clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        seen = []

        class Seeing(WebsocketServer):
            def _ask(self, connection, request):
                peer = connection.transport.get_extra_info("peercert")
                names = [value for kind, value in peer["subjectAltName"] if kind == "DNS"]
                seen.append((names[0], request.headers["authorization"]))

        server = self.enterContext(Seeing(tls=context))
        tls = self.folder.pair(old.issue_cert("old.test"))
        tls["ca_file"] = self.folder.write("ca.pem", authority.cert_pem.bytes())
        token = self.folder.write("token.txt", "first-token-1")
        plan = scenario(
            "ws",
            f"wss://{server.address}",
            exchange("/echo", {"text": "hello"}),
            load=FOR_A_WHILE,
            connection_per="iteration",
            headers={"Authorization": {"file": token, "prefix": "Bearer "}},
            tls=tls,
        )
        with Run(plan, flags=["--duration", "9s"]) as running:
            wait_for("connections", lambda: len(seen) > 10)
            self.assertEqual(set(seen), {("old.test", "Bearer first-token-1")})
            # The certificate first: with the old key it is no pair.
            issued = new.issue_cert("new.test")
            chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
            self.folder.write("client.pem", chain)
            time.sleep(2.5)
            self.assertEqual({name for name, _ in seen}, {"old.test"})
            self.folder.write("client.key", issued.private_key_pem.bytes())
            wait_for("the new pair", lambda: any(name == "new.test" for name, _ in seen))
            self.folder.write("token.txt", "second-token-2")
            wait_for("the new token", lambda: seen[-1][1] == "Bearer second-token-2")
            document = running.result()
        self.assertEqual(seen[-1], ("new.test", "Bearer second-token-2"))
        self.assertEqual(document["scenarios"][0]["outcomes"].keys(), {"ok"})
        problem, *rest = self.changes(document)
        self.assertTrue(problem[2], problem)
        self.assertEqual(
            rest,
            [
                ("client.pem", "tls.cert_file", False),
                ("client.key", "tls.key_file", False),
                ("token.txt", "headers.Authorization", False),
            ],
        )


class Echoing(grpc.ServerInterceptor):
    """Refuses every call, and repeats in why what came with it. It calls itself by a secret, too."""

    def intercept_service(self, continuation, details):
        if not details.method.startswith("/shop."):
            return continuation(details)
        said = dict(details.invocation_metadata)

        def refuse(_, context):
            context.send_initial_metadata((("x-loadgen-backend", said["x-api-key"]),))
            sent = [said[name] for name in SENT]
            context.abort(grpc.StatusCode.UNAUTHENTICATED, f"I do not know {sent}")

        return grpc.unary_unary_rpc_method_handler(refuse)


class EchoingWebsocket(WebsocketServer):
    """Refuses every other connection with what came with it, and closes the others with that."""

    nth = 0

    def _ask(self, connection, request):
        self.nth += 1
        connection.said = [request.headers[name] for name in SENT]
        if self.nth % 2:
            return None
        self.books.refused += 1
        return connection.respond(http.HTTPStatus.FORBIDDEN, f"I do not know {connection.said}")

    @staticmethod
    def _name(connection, request, response):
        response.headers["x-loadgen-backend"] = connection.said[1]


class Datagrams:
    """Keeps what is sent to StatsD. Use it in a `with`."""

    def __enter__(self):
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self.address = "127.0.0.1:{}".format(self._socket.getsockname()[1])
        self.kept = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._take)
        self._thread.start()
        return self

    def _take(self):
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                self.kept.append(self._socket.recv(65536).decode())

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self._socket.close()


class Planted(unittest.TestCase):
    """Secrets that a server repeats are nowhere: not on the screen, in the result, in metrics."""

    # From the environment, from a file, in the scenario under a secret's name; and what is of the
    # environment without a secret's name, alone and in a template.
    SECRETS = (
        "planted-env-1",
        "planted-file-2",
        "planted-literal-3",
        "planted-plain-4",
        "planted-filled-5",
    )

    def everything(self, address, step, fields):
        """All that is to be seen of two runs and of `validate`."""
        with Folder() as folder, Datagrams() as datagrams:
            folder.write("key.txt", "planted-file-2\n")
            plan = scenario(
                "echoing",
                address,
                step,
                load={"open": {"rate": "20/s", "duration": "3s", "users": {"max": 4}}},
                **fields,
            )
            plan["thresholds"] = ["error_rate < 1%"]
            suite = folder.write("suite.json", json.dumps({"scenarios": [plan]}))
            port = free_port()
            environment = {
                **os.environ,
                "PLANTED_TOKEN": "planted-env-1",
                "PLANTED_PLAIN": "planted-plain-4",
                "PLANTED_FILLED": "planted-filled-5",
            }

            def loadgen(*arguments):
                return subprocess.Popen(
                    [LOADGEN, *arguments],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    encoding="utf-8",
                )

            result = str(folder.path / "result.json")
            sinks = ["--statsd", datagrams.address, f"--prometheus=127.0.0.1:{port}"]
            seen = []
            command = ["run", "--config", suite, "-o", f"json={result}", "--trace", "30"]
            with loadgen(*command, *sinks) as running:
                until = time.monotonic() + PATIENCE
                while running.poll() is None and time.monotonic() < until:
                    with contextlib.suppress(OSError):
                        url = f"http://127.0.0.1:{port}/metrics"
                        seen.append(urllib.request.urlopen(url, timeout=1).read().decode())
                    time.sleep(0.3)
                seen += running.communicate(timeout=PATIENCE)
                code = running.returncode
            self.assertEqual(code, 99, seen)
            self.assertTrue(any("loadgen_" in it for it in seen), "nothing was scraped")
            seen.append(pathlib.Path(result).read_text(encoding="utf-8"))
            document = json.loads(seen[-1])
            for arguments in (("validate", "--print", suite), ("list", "--json", "--config", suite)):
                with loadgen(*arguments) as running:
                    seen += running.communicate(timeout=PATIENCE)
            self.assertTrue(datagrams.kept)
            return document, "\n".join([*seen, *datagrams.kept])

    FIELDS = {
        "authorization": {"env": "PLANTED_TOKEN", "prefix": "Bearer "},
        "x-api-key": {"file": "key.txt"},
        "x-secret": "planted-literal-3",
        "x-plain": {"env": "PLANTED_PLAIN"},
        "x-filled": "id {{ env.PLANTED_FILLED }}",
    }

    def check(self, document, everything):
        (found,) = document["scenarios"]
        examples = " ".join(it["example"] for it in found["failures"])
        self.assertIn("I do not know", examples)
        self.assertIn("id ***", examples)
        self.assertIn("trace 30 of 30", everything)
        for secret in self.SECRETS:
            self.assertNotIn(secret, everything)
        for place in ("PLANTED_TOKEN", "key.txt", "PLANTED_PLAIN", "PLANTED_FILLED"):
            self.assertIn(place, everything)
        return found

    def test_grpc(self):
        with Server(interceptors=[Echoing()]) as server:
            step = call("Find", ITEM)
            document, everything = self.everything(
                server.address, step, {"metadata": self.FIELDS}
            )
        found = self.check(document, everything)
        self.assertEqual(found["outcomes"]["grpc.UNAUTHENTICATED"], 60)
        self.assertEqual([it["id"] for it in servers(found)], ["***"])

    def test_websocket(self):
        with EchoingWebsocket() as server:
            step = exchange("/farewell", {"text": "hello"})
            document, everything = self.everything(
                server.address, step, {"headers": self.FIELDS, "connection_per": "iteration"}
            )
        found = self.check(document, everything)
        self.assertLess(0, found["outcomes"]["http.403"])
        self.assertLess(0, found["outcomes"]["close.4001"])


if __name__ == "__main__":
    unittest.main()
