"""`loadgen serve tcp`, asked by clients of other people's making: Python's, curl's and OpenSSL's."""

import random
import socket
import subprocess
import threading
import unittest

import trustme
from harness import PATIENCE, Serve, tool


def serve(*flags):
    return Serve(*flags, protocol="tcp")


def connect(server):
    host, port = server.address.split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def rest(client):
    """All that comes until the server ends its side in good order."""
    received = bytearray()
    while read := client.recv(1 << 16):
        received += read
    return bytes(received)


class Echo(unittest.TestCase):
    def test_half_close(self):
        """Whatever is sent comes back, in pieces of any size, and then the end."""
        rng = random.Random(1)
        with serve() as server:
            for length in (0, 1, 4096, 65_536, 5_000_000):
                sent = rng.randbytes(length)
                with connect(server) as client:

                    def send():
                        at = 0
                        while at < len(sent):
                            at += client.send(sent[at : at + rng.randrange(1, 200_000)])
                        client.shutdown(socket.SHUT_WR)

                    sending = threading.Thread(target=send)
                    sending.start()
                    self.assertEqual(rest(client), sent)
                    sending.join()

    def test_curl(self):
        with serve("--identity-on-connect", "--id", "here-1") as server:
            done = subprocess.run(
                [tool("curl"), "--silent", f"telnet://{server.address}", "--max-time", "2"],
                input=b"hello\n",
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
            self.assertEqual(done.stdout, b"here-1\nhello\n")

    def test_many_at_once(self):
        with serve() as server:
            clients = [connect(server) for _ in range(500)]
            for number, client in enumerate(clients):
                client.sendall(f"number {number}".encode())
                client.shutdown(socket.SHUT_WR)
            for number, client in enumerate(clients):
                self.assertEqual(rest(client), f"number {number}".encode())
                client.close()


class Lines(unittest.TestCase):
    def test_lines(self):
        with serve("--lines", "--id", "here-1") as server, connect(server) as client:
            file = client.makefile("rwb", buffering=0)
            for line, answer in (
                (b"one\n", b"one\n"),
                (b"identity\r\n", b"here-1\n"),
                (b"\n", b"\n"),
            ):
                file.write(line)
                self.assertEqual(file.readline(), answer)
            file.write(b"last\nclose\nlost\n")
            self.assertEqual(rest(client), b"last\n")


class Servers(unittest.TestCase):
    """Servers with flags of their own."""

    def test_openssl(self):
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        with (
            certificate.private_key_and_cert_chain_pem.tempfile() as pem,
            authority.cert_pem.tempfile() as trusted,
            serve("--lines", "--tls-cert", pem, "--tls-key", pem, "--id", "here-1") as server,
        ):
            done = subprocess.run(
                [
                    *(tool("openssl"), "s_client", "-quiet", "-verify_return_error"),
                    *("-CAfile", trusted, "-connect", server.address),
                ],
                input=b"hello\nidentity\nclose\n",
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
            self.assertEqual((done.stdout, done.returncode), (b"hello\nhere-1\n", 0), done.stderr)

    def test_cut(self):
        with serve("--lines", "--cut-after", "1") as server, connect(server) as client:
            client.sendall(b"1\n")
            self.assertEqual(client.recv(16), b"1\n")
            client.sendall(b"2\n")
            with self.assertRaises(ConnectionResetError):
                client.recv(16)

    def test_ends_gracefully(self):
        with serve() as server, connect(server) as client:
            client.sendall(b"before")
            self.assertEqual(client.recv(16), b"before")
            code, took = server.terminate()
            self.assertEqual((client.recv(16), code), (b"", 0))
            self.assertLess(took, 10)


if __name__ == "__main__":
    unittest.main()
