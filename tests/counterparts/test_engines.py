"""One load from many processes that SLURM and Open MPI start, by the scripts of the documentation, beside the count
of the server that they send to."""

import json
import os
import signal
import unittest

from engines import Slurm, Ssh, apart_s, shard
from harness import PATIENCE, call, check_books, scenario, wait_for
from server import ITEM, Server

SHARDS = 4
LOAD = {"open": {"rate": "200/s", "duration": "4s"}}
ARRIVALS = 800


class Engine(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server())

    def plan(self, engine, **fields):
        """The file of calls that the server counts; a threshold that only the whole holds to."""
        fields = {"load": LOAD, **fields}
        plan = scenario("find", self.server.address, call("Find", ITEM), **fields)
        (engine.work / "find.json").write_text(json.dumps({"scenarios": [plan]}), encoding="utf-8")
        return "find.json"

    def whole(self, engine):
        """The merged scenario, once its shards are seen to be its parts and the files to be there."""
        folder = engine.results()
        document = json.loads((folder / "whole.json").read_text(encoding="utf-8"))
        (found,) = document["scenarios"]
        check_books(found)
        for name in ("report.html", "junit.xml"):
            self.assertGreater((folder / name).stat().st_size, 0, name)
        parts = [json.loads(it.read_text(encoding="utf-8")) for it in sorted((folder / "shards").glob("*.json"))]
        for key in ("started", "completed"):
            self.assertLessEqual(sum(it["scenarios"][0]["ledger"][key] for it in parts), found["ledger"][key])
        return document, found, parts

    def passes(self, engine, code):
        document, found, parts = self.whole(engine)
        # Where much else is done meanwhile, the generator may have been in the way.
        self.assertEqual(code, {"pass": 0, "invalid": 100}[document["verdict"]["status"]], document["verdict"])
        self.assertEqual([it["run"]["shard"]["index"] for it in parts], list(range(SHARDS)))
        self.assertEqual({it["scenarios"][0]["ledger"]["planned"] for it in parts}, {ARRIVALS // SHARDS})
        self.assertEqual(found["ledger"]["planned"], ARRIVALS)
        self.assertEqual(found["outcomes"], {"ok": ARRIVALS})
        self.assertEqual(self.server.shop.counts(), {"find": ARRIVALS})
        self.assertLess(apart_s(engine.results() / "shards"), 0.02)
        self.assertEqual([it["pass"] for it in found["thresholds"]], [True, True])

    def is_at_work(self, engine):
        """Waits until the journal of a shard has what it did: its head, and then an entry a second."""
        sizes = set()

        def has_entries():
            sizes.update(it.stat().st_size for it in engine.work.glob("loadgen-*/shards/2.json.journal/*"))
            return len(sizes) > 2

        wait_for("the journal", has_entries)

    def loses(self, engine, variable):
        """A shard is killed once its journal has what it did."""
        self.is_at_work(engine)
        killed = wait_for("the shard", lambda: shard(engine.work, variable, 2))
        os.kill(killed, signal.SIGKILL)

    def is_invalid(self, engine):
        document, found, parts = self.whole(engine)
        self.assertEqual([it["run"]["shard"]["index"] for it in parts], [0, 1, 3])
        self.assertEqual(document["verdict"]["status"], "invalid", document["verdict"])
        said = json.dumps(document["verdict"])
        self.assertIn("shard 2 was cut off", said)
        self.assertIn("of the planned load is missing", said)
        counted, ok = self.server.shop.counts()["find"], found["outcomes"]["ok"]
        three = ARRIVALS * (SHARDS - 1) // SHARDS
        # What the journal has is what was done until a second before the end at the most.
        self.assertTrue(three <= ok <= counted < ARRIVALS, (ok, counted))
        self.assertLessEqual(counted - ok, 2 * ARRIVALS // 4 // SHARDS, (ok, counted))


class OverSlurm(Engine):
    def test_passes(self):
        with Slurm() as cluster:
            plan = self.plan(cluster, thresholds=[f"completed == {ARRIVALS}", "throughput > 150/s"])
            code, said = cluster.ended(cluster.submit(plan))
            self.assertIn("all 4 merged", said)
            self.passes(cluster, code)

    def test_a_shard_is_killed(self):
        with Slurm() as cluster:
            job = cluster.submit(self.plan(cluster))
            self.loses(cluster, "SLURM_PROCID")
            code, said = cluster.ended(job)
            self.assertEqual(code, 100, said)
            self.assertIn("not all shards ended well", said)
            self.assertFalse(cluster.starts_again(job))
            self.is_invalid(cluster)

    def test_a_node_fails(self):
        with Slurm() as cluster:
            job = cluster.submit(self.plan(cluster))
            self.is_at_work(cluster)
            cluster.fail(3)
            code, said = cluster.ended(job)
            self.assertIn(code, (0, 100), said)
            document, _, parts = self.whole(cluster)
            self.assertLessEqual({0, 1, 3}, {it["run"]["shard"]["index"] for it in parts})


class OverMpi(Engine):
    def test_passes(self):
        with Ssh() as hosts:
            plan = self.plan(hosts, thresholds=[f"completed == {ARRIVALS}", "throughput > 150/s"])
            with hosts.start(plan) as script:
                said, complaints = script.communicate(timeout=PATIENCE)
            self.assertIn("all 4 merged", said, complaints)
            self.passes(hosts, script.returncode)

    def test_a_shard_is_killed(self):
        with Ssh() as hosts:
            with hosts.start(self.plan(hosts)) as script:
                self.loses(hosts, "OMPI_COMM_WORLD_RANK")
                said, complaints = script.communicate(timeout=PATIENCE)
            self.assertEqual(script.returncode, 100, said)
            self.assertIn("shard 2 ended with exit code 137", (hosts.results() / "shards.log").read_text(encoding="utf-8"))
            self.is_invalid(hosts)

    def test_it_is_stopped(self):
        with Ssh() as hosts:
            # `mpirun` by itself would have let half of it be made.
            plan = self.plan(hosts, load={"open": {"rate": "200/s", "duration": "1m"}})
            with hosts.start(plan) as script:
                self.is_at_work(hosts)
                script.send_signal(signal.SIGINT)
                said, complaints = script.communicate(timeout=PATIENCE)
            document, found, parts = self.whole(hosts)
            self.assertEqual(len(parts), SHARDS)
            self.assertTrue(document["run"]["stopped"], said)
            self.assertIn(script.returncode, (100, 105), complaints)
            self.assertLess(found["ledger"]["completed"], 60 * 200 // 3)


if __name__ == "__main__":
    unittest.main()
