"""Backends by a name that has several addresses, and others later: the C library looks it up in a hosts file of the
test's own (Debian's libnss-wrapper)."""

import os
import pathlib
import socket
import tempfile
import time
import unittest

from balancing import Balancer, Configured, Journaled, service
from harness import PATIENCE, Run, free_port, run_one, scenario, wait_for

NAME = "backends.test"
LOOK_UP = {"resolve_interval": "100ms"}


class Names(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.hosts = pathlib.Path(self.folder, "hosts")
        self.changes = 0
        self.port = free_port()
        self.environment = {"LD_PRELOAD": os.environ["NSS_WRAPPER"], "NSS_WRAPPER_HOSTS": str(self.hosts)}

    def resolve(self, *numbers):
        """Has the name stand for 127.0.0.NUMBER from now on."""
        lines = [f"127.0.0.{it} {NAME}\n" for it in numbers] or ["127.0.0.1 another.test\n"]
        self.hosts.write_text("".join(lines), encoding="utf-8")
        # The file is read again when its time has another second.
        self.changes += 1
        os.utime(self.hosts, (self.changes, self.changes))

    def backends(self, kind):
        """One on each of four addresses, all on one port."""
        make = lambda it: Journaled(kind, f"at-{it}", self.folder, port=self.port, host=f"127.0.0.{it}")
        self.at = {it: self.enterContext(make(it)) for it in range(1, 5)}

    def known(self, balancer):
        """The addresses that take work, by their last number."""
        up = [it["address"] for it in balancer.pool()["backends"] if it["state"] == "up"]
        return {int(it.split(":")[0].rsplit(".", 1)[1]) for it in up}

    def asked(self, head):
        """How many each was asked whose ids begin with this."""
        begun = {it: [id for id in one.ids("begun") if id.startswith(head)] for it, one in self.at.items()}
        return {it: len(ids) for it, ids in begun.items() if ids}

    def through(self, balancer, plan):
        """The name stands for three, then for one of them and another, under load; then for nobody."""
        named = f"{NAME}:{self.port}"
        wait_for("three", lambda: self.known(balancer) == {1, 2, 3})
        self.assertEqual({it["backend"] for it in balancer.pool()["backends"]}, {named})
        found = run_one(plan("first", {"closed": {"users": 1, "iterations": 12}}))
        self.assertEqual(found["outcomes"], {"ok": 12})
        self.assertEqual(self.asked("first"), {1: 4, 2: 4, 3: 4})
        with Run(plan("change", {"open": {"rate": "200/s", "duration": "4s", "users": {"max": 100}}})) as running:
            wait_for("the load", lambda: self.asked("change").get(1, 0) > 20)
            self.resolve(3, 4)
            wait_for("others", lambda: self.known(balancer) == {3, 4})
            changed_s = time.time()
            (found,) = running.result()["scenarios"]
        self.assertEqual(found["outcomes"], {"ok": 800}, found["failures"])
        self.assertEqual(sum(self.asked("change").values()), 800)
        for it, one in self.at.items():
            later = sum(line["what"] == "begun" and line["at_s"] > changed_s + 0.1 for line in one.journal())
            self.assertEqual(later > 20, it in (3, 4), (it, later))
        # A name without addresses keeps those that it had.
        self.resolve()
        (unresolved,) = wait_for("nobody", lambda: balancer.pool()["unresolved"])
        self.assertEqual(unresolved["backend"], named)
        found = run_one(plan("last", {"closed": {"users": 1, "iterations": 10}}))
        self.assertEqual(found["outcomes"], {"ok": 10})
        self.assertEqual(self.asked("last"), {3: 5, 4: 5})
        self.resolve(1)
        wait_for("it is known again", lambda: self.known(balancer) == {1} and not balancer.pool()["unresolved"])

    def test_http(self):
        self.backends("http")
        self.resolve(1, 2, 3)
        web = service("web", **LOOK_UP)
        web["backends"] = [{"address": f"{NAME}:{self.port}"}]
        with Balancer(web, environment=self.environment) as balancer:
            address = f"http://127.0.0.1:{balancer.port}"

            def plan(name, load):
                step = {"http": {"path": f"/hello?id={name}-{{{{ iteration }}}}&delay_ms=5"}}
                return scenario(name, address, step, load=load)

            self.through(balancer, plan)
            requests = balancer.requests()
        self.assertEqual((requests["requests"], requests["problems"], requests["retries"]), (822, {}, 0))

    def test_tcp(self):
        self.backends("tcp")
        self.resolve(1, 2, 3)
        config = {"backends": [{"address": f"{NAME}:{self.port}"}], **LOOK_UP}
        with Configured("tcp", config, environment=self.environment) as balancer:
            address = f"127.0.0.1:{balancer.port}"

            def plan(name, load):
                step = {"tcp": {"send": {"text": f"{name}-{{{{ iteration }}}}\n"}, "receive": {"until": "\n"}}}
                return scenario(name, address, step, load=load, connection_per="iteration")

            # These stay where they are, whatever the name stands for.
            held = [socket.create_connection(("127.0.0.1", balancer.port), timeout=PATIENCE) for _ in range(3)]
            self.through(balancer, plan)
            names = set()
            for client in held:
                client.sendall(b"held\n")
                names.add(client.makefile().readline())
                client.close()
            self.assertEqual(names, {f"held at-{it}\n" for it in (1, 2, 3)})
            wait_for("they are over", lambda: balancer.status()["connections"]["open"] == 0)
            counts = balancer.status()["connections"]
        self.assertEqual((counts["accepted"], counts["completed"], counts["broken"]), (825, 825, 0))


if __name__ == "__main__":
    unittest.main()
