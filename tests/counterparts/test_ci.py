"""The examples for hosted CI: what actionlint says of the workflow, and the commands of both, run as they stand there.
Neither service has run them; nothing here reads Jenkins's own syntax."""

import json
import os
import re
import subprocess
import unittest
import xml.etree.ElementTree as xml

import yaml
from engines import DOCS
from harness import HERE, LOADGEN, PATIENCE, call, scenario, tool
from server import ITEM, Server
from test_identity import Folder

WORKFLOW, PIPELINE = DOCS / "ci" / "github.yml", DOCS / "ci" / "Jenkinsfile"
SHARDS = 4
CALLS = 400


class Examples(unittest.TestCase):
    def test_the_workflow_is_one(self):
        done = subprocess.run(
            [tool("node"), HERE / "workflow.cjs", WORKFLOW], capture_output=True, encoding="utf-8", timeout=PATIENCE
        )
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)

    def commands(self, of):
        """What makes a part of the load, and what judges the whole."""
        if of is WORKFLOW:
            jobs = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
            runs = [it["run"] for job in ("shard", "verdict") for it in jobs[job]["steps"] if "run" in it]
        else:
            runs = re.findall(r"sh '''\n(.*?)'''", PIPELINE.read_text(encoding="utf-8"), re.DOTALL)
        (load,) = [it for it in runs if "loadgen run" in it]
        (judge,) = [it for it in runs if "loadgen merge" in it]
        return load, judge

    def carry_out(self, of, condition, holds):
        """Both commands, with four machines in one; the condition is judged as it must be."""
        load, judge = self.commands(of)
        folder, server = self.enterContext(Folder()), self.enterContext(Server())
        (folder.path / "bin").mkdir()
        (folder.path / "bin" / "loadgen").symlink_to(LOADGEN)
        plan = scenario("find", "nowhere.example:1", call("Find", ITEM), thresholds=[condition])
        # Each begins by itself.
        plan["load"] = {"open": {"rate": f"{CALLS // 4}/s", "duration": "4s"}}
        whole = folder.path / "whole"
        whole.mkdir()

        def run(script, place, **variables):
            (place / "load").mkdir(parents=True, exist_ok=True)
            (place / "load" / "checkout.yaml").write_text(json.dumps({"scenarios": [plan]}), encoding="utf-8")
            env = {**os.environ, "PATH": f"{folder.path}/bin:{os.environ['PATH']}", "SHARDS": str(SHARDS), **variables}
            # As both call a shell.
            return subprocess.Popen(["bash", "-e", "-c", script], cwd=place, env=env, stdout=subprocess.DEVNULL)

        parts = [
            run(load, folder.path / str(it), INDEX=str(it), TARGET=server.address) for it in range(SHARDS)
        ]
        self.assertEqual([it.wait(PATIENCE) for it in parts], [0] * SHARDS)
        self.assertEqual(server.shop.counts()["find"], CALLS)
        (whole / "result").mkdir()
        (whole / "shards").mkdir()
        for it in range(SHARDS):
            (folder.path / str(it) / "shards" / f"{it}.json").rename(whole / "shards" / f"{it}.json")
        summary = whole / "summary.md"
        code = run(judge, whole, GITHUB_STEP_SUMMARY=str(summary)).wait(PATIENCE)
        result = whole / "result"
        document = json.loads((result / "whole.json").read_text(encoding="utf-8"))
        # Where much else is done meanwhile, the generator may have been in the way.
        status = document["verdict"]["status"]
        self.assertIn(status, ("pass" if holds else "fail", "invalid"))
        self.assertEqual(code, {"pass": 0, "fail": 99, "invalid": 100}[status], document["verdict"])
        (found,) = document["scenarios"]
        self.assertEqual(found["outcomes"], {"ok": CALLS})
        self.assertGreater((result / "report.html").stat().st_size, 0)
        cases = xml.parse(result / "junit.xml").getroot().iter("testcase")
        failed = [it.get("name") for it in cases if it.find("failure") is not None]
        self.assertEqual(condition in failed, not holds, failed)
        if of is WORKFLOW:
            self.assertIn("find", summary.read_text(encoding="utf-8"))

    def test_workflow(self):
        self.carry_out(WORKFLOW, f"completed == {CALLS}", True)

    def test_workflow_fails(self):
        self.carry_out(WORKFLOW, f"completed > {CALLS}", False)

    def test_pipeline(self):
        self.carry_out(PIPELINE, f"completed == {CALLS}", True)

    def test_pipeline_fails(self):
        self.carry_out(PIPELINE, f"completed > {CALLS}", False)


if __name__ == "__main__":
    unittest.main()
