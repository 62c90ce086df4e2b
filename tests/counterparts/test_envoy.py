"""`loadgen run` through Envoy, which asks everybody for a certificate and a token: who is let in, what is said to
who is not, and certificates and tokens that change under a run."""

import json
import os
import pathlib
import unittest

import trustme
from gateway_envoy import Gateway, Issuer
from harness import PROTOS, Run, call, run, run_one, scenario, wait_for
from server import ITEM, Server
from test_identity import Folder

FILES = [str(PROTOS), str(PROTOS / "shop" / "v1" / "shop.proto")]
FIND = "/shop.v1.Shop/Find"


class Envoy(unittest.TestCase):
    LIFE = None

    def setUp(self):
        self.authority, self.clients, self.issuer = trustme.CA(), trustme.CA(), Issuer()
        self.folder = self.enterContext(Folder())
        self.server = self.enterContext(Server())
        parts = (self.server.address, self.authority, self.clients, self.issuer, self.LIFE)
        self.gateway = self.enterContext(Gateway(*parts))
        self.tls = {"ca_file": self.folder.write("ca.pem", self.authority.cert_pem.bytes())}
        self.tls |= self.folder.pair(self.clients.issue_cert("old.test"))
        self.token = self.issuer.token("first")

    def plan(self, token=None, **fields):
        """Calls with a certificate and a token."""
        plan = scenario("find", self.gateway.address, call("Find", ITEM), tls=self.tls)
        if token is not None:
            self.token_file = self.folder.write("token.txt", token + "\n")
            plan["metadata"] = {"authorization": {"file": self.token_file, "prefix": "Bearer "}}
        return {**plan, **fields}

    def calls(self, count):
        """What the gateway has written down of calls of the load, once it is so many at least."""
        of_load = lambda: [it for it in self.gateway.calls() if it["path"] == FIND]
        return wait_for("the gateway's log", lambda: len(found := of_load()) >= count and found)


class Entry(Envoy):
    def test_certificate_and_token(self):
        """Asking for the descriptions goes the same way."""
        found = run_one(self.plan(self.token))
        self.assertEqual(found["outcomes"], {"ok": 400})
        self.assertEqual(self.server.shop.counts()["find"], 400)
        calls = self.calls(400)
        self.assertEqual(len(calls), 400)
        for name, seen in (("subject", "first"), ("names", "old.test"), ("status", "OK")):
            self.assertEqual({it[name] for it in calls}, {seen})
        stats = self.gateway.stats()
        # The load, and reflection in front of it on a connection of its own.
        asked = stats["http.gateway.downstream_rq_total"] - 400
        self.assertGreaterEqual(asked, 1)
        self.assertEqual(stats["http.gateway.downstream_rq_2xx"], 400 + asked)
        self.assertEqual(stats["http.gateway.jwt_authn.allowed"], 400 + asked)
        self.assertEqual(stats["cluster.behind.upstream_rq_total"], 400 + asked)
        connections = found["connections"]["opened"]
        self.assertEqual(len({it["connection"] for it in calls}), connections)
        self.assertEqual(stats["handshake"], stats["http.gateway.downstream_cx_total"])
        self.assertGreater(stats["handshake"], connections)

    def test_who_is_not_let_in(self):
        """Nobody without a certificate of this authority gets as far as to say anything."""
        token = {"metadata": {"authorization": f"Bearer {self.token}"}, "protos": FILES}
        ca_file = {"ca_file": self.tls["ca_file"]}
        said = run(self.plan(**token, tls=ca_file), expect=101)
        self.assertIn("tls.cert_file", said)
        other = self.folder.pair(trustme.CA().issue_cert("old.test"), name="other")
        said = run(self.plan(**token, tls={**ca_file, **other}), expect=101)
        # What the gateway says of it is lost where the line is cut before it was read.
        self.assertRegex(said, "does not accept our client certificate|the connection broke")
        stats = self.gateway.stats()
        self.assertGreaterEqual(stats["fail_verify_no_cert"], 1)
        self.assertGreaterEqual(stats["fail_verify_error"], 1)
        # Nor does loadgen tell anything to whom it does not know.
        said = run(self.plan(**token, tls={**self.tls, "ca_file": other["cert_file"]}), expect=101)
        self.assertIn("certificate", said.lower())
        self.assertEqual(self.gateway.stats()["http.gateway.downstream_rq_total"], 0)
        self.assertEqual(self.server.shop.counts(), {})

    def test_tokens_that_are_refused(self):
        cases = {
            "none": (None, "UNAUTHENTICATED", "Jwt is missing"),
            "no token": ("nonsense", "UNAUTHENTICATED", "Jwt"),
            "of another": (Issuer().token("first"), "UNAUTHENTICATED", "Jwt verification fails"),
            "expired": (self.issuer.token("first", lasts_s=-3600), "UNAUTHENTICATED", "Jwt is expired"),
            "for something else": (self.issuer.token("first", "read"), "PERMISSION_DENIED", "RBAC"),
        }
        for name, (token, status, said) in cases.items():
            with self.subTest(name):
                found = run_one(self.plan(token, protos=FILES))
                self.assertEqual(found["outcomes"], {"ok": 0, f"grpc.{status}": 400})
                (failure,) = found["failures"]
                self.assertIn(said, failure["example"])
                if token is not None:
                    self.assertNotIn(token, json.dumps(found))
                # Whoever asks for the descriptions is told the same, before the run.
                refused = run(self.plan(token), expect=104)
                self.assertIn(status, refused)
                self.assertIn(said, refused)
        stats = self.gateway.stats()
        self.assertEqual(stats["http.gateway.rbac.denied"], 401)
        self.assertGreaterEqual(stats["http.gateway.jwt_authn.denied"], 4 * 401)
        self.assertEqual(self.server.shop.counts(), {})


class Rotation(Envoy):
    LIFE = "0.5s"

    def test_certificate_and_token_change(self):
        """The token for the next call, the certificate for the next connection; and nothing fails."""
        load = {"open": {"rate": "100/s", "duration": "8s", "users": {"max": 20}}}
        second = self.issuer.token("second")
        with Run(self.plan(self.token, load=load, connections=1)) as running:
            self.calls(50)
            self.folder.write("token.txt", second)
            wait_for("the new token", lambda: self.calls(1)[-1]["subject"] == "second")
            self.folder.pair(self.clients.issue_cert("new.test"))
            wait_for("the new certificate", lambda: self.calls(1)[-1]["names"] == "new.test")
            os.unlink(self.token_file)
            document = running.result()
        (found,) = document["scenarios"]
        self.assertEqual(found["outcomes"], {"ok": 800}, found["failures"])
        self.assertEqual(self.server.shop.counts()["find"], 800)
        calls = self.calls(800)
        # Calls are written down as they end. That the file is gone changes nothing.
        subjects = [it["subject"] for it in calls]
        self.assertEqual(set(subjects), {"first", "second"})
        self.assertEqual(set(subjects[subjects.index("second") + 20 :]), {"second"})
        by_connection = {}
        for it in calls:
            by_connection.setdefault(it["connection"], set()).add(it["names"])
        names = [name for (name,) in by_connection.values()]
        self.assertEqual(names, sorted(names, reverse=True))
        self.assertEqual(set(names), {"old.test", "new.test"})
        self.assertLessEqual(len(names), found["connections"]["opened"])
        # Each change is dated.
        changes = [(pathlib.Path(it["file"]).name, it["field"], "problem" in it) for it in found["changes"]]
        whole = [it for it in changes if not it[2]]
        field = "metadata.authorization"
        self.assertEqual(whole[0], ("token.txt", field, False))
        self.assertLessEqual({("client.pem", "tls.cert_file", False), ("client.key", "tls.key_file", False)}, set(whole))
        self.assertEqual(changes[-1], ("token.txt", field, True))
        at = [it["t_s"] for it in found["changes"]]
        self.assertEqual(at, sorted(at))
        self.assertTrue(0 < at[0] and at[-1] < 8, at)
        for secret in (self.token, second):
            self.assertNotIn(secret, json.dumps(document) + running.stderr)


if __name__ == "__main__":
    unittest.main()
