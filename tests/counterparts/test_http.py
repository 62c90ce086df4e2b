"""HTTP steps against nginx, over both versions: kept connections, TLS, compression, redirections, refusals."""

import pathlib
import tempfile
import unittest

import trustme
from harness import Foreign, free_port, run, run_one, scenario

BODY = '{"message": "' + "hello " * 200 + '"}'


def nginx(folder, port, listen=""):
    """nginx that serves a few places by itself."""
    pathlib.Path(folder, "hello").write_text(BODY, encoding="utf-8")
    # Its workers have a user of their own.
    pathlib.Path(folder).chmod(0o755)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"{kind}_temp_path FOLDER/{kind}; " for kind in kinds)
    config = f"""
daemon off; worker_processes 1; pid FOLDER/pid; events {{ worker_connections 256; }}
http {{
  access_log off; {folders}
  default_type application/json; gzip on; gzip_types application/json;
  keepalive_requests 10; client_max_body_size 1k;
  server {{
    listen 127.0.0.1:{port} {listen};
    root {folder};
    location /login {{ add_header set-cookie "sid=7; Path=/"; return 302 /hello?from=login; }}
    location /whoami {{ return 200 '{{"cookie": "$http_cookie", "protocol": "$server_protocol"}}'; }}
    location /upload {{ proxy_pass http://127.0.0.1:1; }}
    location /gone {{ return 410; }}
  }}
}}
"""
    return Foreign("nginx", config, port)


def get(name, path, *checks, **fields):
    return {"name": name, "http": {"path": path, **fields}, "check": list(checks)}


class Nginx(unittest.TestCase):
    """The same questions over either version."""

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        authority = trustme.CA()
        authority.cert_pem.write_to_path(f"{self.folder}/ca.pem")
        pair = authority.issue_cert("localhost").private_key_and_cert_chain_pem
        pair.write_to_path(f"{self.folder}/pair.pem")
        self.port = free_port()

    def nginx(self, version):
        """nginx over TLS that agrees to both, or without it, and what a scenario says of it."""
        http2 = "http2" if version == "2" else ""
        files = f"ssl_certificate {self.folder}/pair.pem; ssl_certificate_key {self.folder}/pair.pem;"
        listen = f"ssl {http2}; {files} http2_max_concurrent_streams 4"
        self.enterContext(nginx(self.folder, self.port, listen))
        return {
            "tls": {"ca_file": f"{self.folder}/ca.pem", "server_name": "localhost"},
            "http_version": version,
        }

    def ask(self, version, *steps, address=None, **fields):
        said = self.nginx(version)
        address = address or f"https://127.0.0.1:{self.port}"
        return run_one(scenario("ask", address, *steps, **said, **fields))

    def test_connections_end_after_so_many_requests(self):
        for version in ("1.1", "2"):
            with self.subTest(version):
                self.setUp()
                protocol = {"1.1": "HTTP/1.1", "2": "HTTP/2.0"}[version]
                step = get("who", "/whoami", f"reply.protocol == '{protocol}'")
                found = self.ask(version, step)
                self.assertEqual(found["outcomes"], {"ok": 400})
                # nginx says so before it ends a connection of HTTP/1.1, and with GOAWAY.
                self.assertGreaterEqual(found["connections"]["opened"], 40)
                if version == "1.1":
                    self.assertEqual(found["connections"]["dropped"], 0)

    def test_packed_redirected_and_remembered(self):
        for version in ("1.1", "2"):
            with self.subTest(version):
                self.setUp()
                found = self.ask(
                    version,
                    get("login", "/login", "status == 200", "headers['content-encoding'] == 'gzip'",
                        "reply.message | length == 1200"),
                    get("who", "/whoami", "reply.cookie == 'sid=7'"),
                    cookies=True,
                    redirects=1,
                    headers={"accept-encoding": "gzip"},
                    load={"closed": {"users": 4, "iterations": 40}},
                )
                self.assertEqual(found["outcomes"], {"ok": 40}, found["failures"])
                self.assertEqual(found["connections"]["redirects"], 40)
                first = found["steps"][0]["first_byte_us"]
                # A redirection has an answer of its own.
                self.assertEqual(first["count"], 80)

    def test_refusals_are_outcomes(self):
        for version in ("1.1", "2"):
            with self.subTest(version):
                self.setUp()
                load = {"closed": {"users": 2, "iterations": 10}}
                gone = self.ask(version, get("gone", "/gone"), load=load)
                self.assertEqual(gone["outcomes"], {"ok": 0, "http.410": 10})
                self.setUp()
                # More than nginx takes: it answers before it has read all.
                body = {"size": "64KiB"}
                step = get("upload", "/upload", method="POST", body=body)
                large = self.ask(version, step, load=load)
                self.assertEqual(large["outcomes"], {"ok": 0, "http.413": 10})

    def test_a_server_of_one_version_is_told(self):
        said = self.nginx("1.1")
        said["http_version"] = "2"
        address = f"https://127.0.0.1:{self.port}"
        told = run(scenario("ask", address, get("who", "/whoami"), **said), expect=101)
        self.assertIn("ALPN `h2`", told)


if __name__ == "__main__":
    unittest.main()
