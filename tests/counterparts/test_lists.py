"""Targets that are lists of addresses: Debian's etcd, Consul's documented API on a small server of these tests' own
(Consul itself is in no registry that they may use), and a name in a hosts file of the test's own (Debian's
libnss-wrapper). What each address got is held against what grpcio and Node counted."""

import http.server
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import time
import unittest
import unittest.mock

from balancing import Journaled
from harness import PATIENCE, Run, call, free_port, run, scenario, tool, wait_for
from server import ITEM, Server

LOAD = {"open": {"rate": "200/s", "duration": "4s", "users": {"max": 100}}}
# The same of users who are all there from the start: an open load has as many as it needs, which may be two.
OF_USERS = {"closed": {"users": 20, "iterations": 800, "think_time": "100ms"}}
ALL = 800


class Etcd:
    """An etcd with nothing in it. Use it in a `with`."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self._folder.name)
        self.address = f"127.0.0.1:{free_port()}"
        peers = f"http://127.0.0.1:{free_port()}"
        self._log = (folder / "log").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [
                tool("etcd"),
                f"--data-dir={folder / 'data'}",
                f"--listen-client-urls=http://{self.address}",
                f"--advertise-client-urls=http://{self.address}",
                f"--listen-peer-urls={peers}",
                f"--initial-advertise-peer-urls={peers}",
                f"--initial-cluster=default={peers}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for("etcd", lambda: self._asked("endpoint", "health").returncode == 0)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.kill()
        self._log.close()
        self._folder.cleanup()

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def _asked(self, *words):
        return subprocess.run(
            [tool("etcdctl"), f"--endpoints=http://{self.address}", *words],
            env=os.environ | {"ETCDCTL_API": "3"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
        )

    def put(self, key, value):
        self._asked("put", "--", key, value).check_returncode()

    def delete(self, key):
        self._asked("del", key).check_returncode()


class Consul:
    """What of Consul's API its documentation says of a service's health. Use it in a `with`."""

    def __init__(self, token):
        self.instances = []
        self.paths = set()
        consul = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                consul.paths.add(self.path)
                is_known = self.headers["X-Consul-Token"] == token
                told = consul.instances if is_known else f"token {self.headers['X-Consul-Token']} is unknown"
                body = json.dumps(told).encode()
                self.send_response(200 if is_known else 403)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def has(self, *addresses, own):
        """It has instances there, by addresses of their own or their nodes'."""
        self.instances = [
            {
                "Node": {"Node": "n", "Address": "192.0.2.1" if own else host},
                "Service": {"Service": "shop", "Address": host if own else "", "Port": int(port)},
                "Checks": [{"CheckID": "serfHealth", "Status": "passing"}],
            }
            for host, port in (it.split(":") for it in addresses)
        ]


class Lists(unittest.TestCase):
    def setUp(self):
        self.servers = [self.enterContext(Server()) for _ in range(3)]
        self.goes, self.stays, self.comes = (it.address for it in self.servers)

    def counts(self):
        return [it.shop.counts()["find"] for it in self.servers]

    def changed_under_load(self, target, change, flags=(), load=LOAD, **fields):
        """The list changes under load; what was asked of whom is what the servers counted."""
        plan = scenario("lists", target, call("Find", ITEM), load=load, resolve_every="200ms", **fields)
        with Run(plan, flags=flags) as running:
            wait_for("the load", lambda: min(self.counts()[:2]) > 50)
            self.assertEqual(self.counts()[2], 0)
            change()
            wait_for("the third", lambda: self.counts()[2] > 0)
            # What was sent before the list was known to all has been answered.
            time.sleep(0.2)
            before, *_ = self.counts()
            document = running.result()
            said = running.stderr
        (found,) = document["scenarios"]
        self.assertEqual(found["outcomes"], {"ok": ALL}, found["failures"])
        counts = self.counts()
        self.assertEqual((counts[0], sum(counts)), (before, ALL))
        rows = {it["address"]: it for it in found["addresses"]}
        self.assertEqual({it["target"] for it in found["addresses"]}, {target})
        self.assertEqual([rows[it.address]["completed"] for it in self.servers], counts)
        for row in rows.values():
            self.assertAlmostEqual(row["share"], row["completed"] / ALL, places=5)
        goes, stays, comes = (rows[it.address] for it in self.servers)
        self.assertEqual((goes["since_s"], stays["since_s"]), (0, 0))
        self.assertTrue(0 < goes["gone_s"] <= comes["since_s"] + 0.5 < 4, (goes, comes))
        self.assertNotIn("gone_s", stays)
        self.assertNotIn("gone_s", comes)
        self.assertEqual(found["connections"]["dropped"], 0)
        self.assertGreaterEqual(len(found["changes"]), 1)
        return document, said

    def test_etcd(self):
        with Etcd() as etcd:
            etcd.put("shop/1", self.goes)
            # As gRPC's libraries keep it.
            etcd.put("shop/2", json.dumps({"Op": 0, "Addr": self.stays, "Metadata": None}))
            etcd.put("shopping/1", "127.0.0.1:1")

            def change():
                etcd.put("shop/3", self.comes)
                etcd.delete("shop/1")

            self.changed_under_load(f"etcd://{etcd.address}/shop/", change, connections=8)

    def test_an_etcd_that_dies(self):
        with Etcd() as etcd:
            for nth, address in enumerate((self.goes, self.stays)):
                etcd.put(f"shop/{nth}", address)
            target = f"etcd://{etcd.address}/shop/"
            plan = scenario("dies", target, call("Find", ITEM), load=LOAD, resolve_every="200ms")
            with Run(plan) as running:
                wait_for("the load", lambda: min(self.counts()[:2]) > 50)
                etcd.kill()
                document = running.result()
        (found,) = document["scenarios"]
        self.assertEqual(found["outcomes"], {"ok": ALL}, found["failures"])
        rows = {it["address"]: it["completed"] for it in found["addresses"]}
        self.assertEqual(rows, dict(zip((self.goes, self.stays), self.counts())))
        warnings = [it for it in document["verdict"]["warnings"] if target in it]
        self.assertEqual(len(warnings), 1, document["verdict"])
        said = f"no new list could be had of {target}, so that the one before went on being used (`targets[0]`): "
        self.assertIn(said, warnings[0])

    def test_consul(self):
        token = "t0ken-that-nobody-tells"
        self.enterContext(unittest.mock.patch.dict(os.environ, {"CONSUL_HTTP_TOKEN": token}))
        with Consul(token) as consul:
            consul.has(self.goes, self.stays, own=False)
            target = f"consul://{consul.address}/shop"
            change = lambda: consul.has(self.stays, self.comes, own=True)
            document, said = self.changed_under_load(target, change, load=OF_USERS, connection_per="user")
            self.assertEqual(consul.paths, {"/v1/health/service/shop?passing=true"})
        self.assertNotIn(token, said + json.dumps(document))

    def test_a_consul_that_refuses(self):
        token = "t0ken-that-nobody-tells"
        self.enterContext(unittest.mock.patch.dict(os.environ, {"CONSUL_HTTP_TOKEN": token}))
        with Consul("another") as consul:
            plan = scenario("refused", f"consul://{consul.address}/shop", call("Find", ITEM))
            said = run(plan, expect=101)
        self.assertIn("403", said)
        self.assertNotIn(token, said)

    def test_nobody_to_ask(self):
        for scheme, answers in (("etcd", "is etcd there"), ("consul", "is Consul there")):
            target = f"{scheme}://127.0.0.1:{free_port()}/shop"
            said = run(scenario("nobody", target, call("Find", ITEM)), expect=101)
            self.assertIn(target, said)
            self.assertIn(answers, said)


class Names(unittest.TestCase):
    """A name that has two addresses and then another two."""

    NAME = "shop.test"

    def resolve(self, *numbers):
        self.hosts.write_text("".join(f"127.0.0.{it} {self.NAME}\n" for it in numbers), encoding="utf-8")
        # The file is read again when its time has another second.
        self.changes += 1
        os.utime(self.hosts, (self.changes, self.changes))

    def test_dns(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.hosts, self.changes = pathlib.Path(folder, "hosts"), 0
        port = free_port()
        make = lambda it: Journaled("h2", f"at-{it}", folder, port=port, host=f"127.0.0.{it}")
        at = {it: self.enterContext(make(it)) for it in (1, 2, 3)}
        asked = lambda it: len(at[it].ids("begun"))
        self.resolve(1, 2)
        target = f"dns:///{self.NAME}:{port}"
        step = {"http": {"path": "/hello?id=dns-{{ iteration }}"}}
        plan = scenario("dns", target, step, load=LOAD, http_version="2", resolve_every="200ms")
        preload = f"export LD_PRELOAD={os.environ['NSS_WRAPPER']} NSS_WRAPPER_HOSTS={self.hosts}"
        with Run(plan, limits=preload) as running:
            wait_for("the load", lambda: min(asked(1), asked(2)) > 50)
            self.resolve(2, 3)
            wait_for("the third", lambda: asked(3) > 0)
            time.sleep(0.2)
            before = asked(1)
            (found,) = running.result()["scenarios"]
        self.assertEqual(found["outcomes"], {"ok": ALL}, found["failures"])
        rows = {it["address"]: it["completed"] for it in found["addresses"]}
        self.assertEqual(rows, {f"127.0.0.{it}:{port}": asked(it) for it in at})
        self.assertEqual((asked(1), sum(rows.values())), (before, ALL))


if __name__ == "__main__":
    unittest.main()
