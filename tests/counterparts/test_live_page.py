"""`loadgen run --ui` and `loadgen capacity --ui`, looked at in Chromium: what is drawn is what the document says in the
end."""

import json
import math
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from harness import LOADGEN, PATIENCE, Serve, a_search, tool

SCENARIO = {
    "name": "steady",
    "load": {"open": {"rate": "200/s", "duration": "90s", "users": {"max": 50}}},
    "steps": [{"name": "hello", "grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "world"}}}],
    "thresholds": ["error_rate < 1%", "response_time.p95 < 1us"],
}


def looked_at(script, url, pictures):
    """What a script sees of a page."""
    environment = {**os.environ, "CHROMIUM": shutil.which("google-chrome") or tool("chromium")}
    shown = subprocess.run(
        [tool("node"), str(pathlib.Path(__file__).with_name(script)), url, str(pictures)],
        check=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=180,
        env=environment,
    )
    return json.loads(shown.stdout)


def pictures_in(folder):
    """Pictures go where PAGE_PICTURES says."""
    pictures = pathlib.Path(os.environ.get("PAGE_PICTURES") or folder, "live")
    pictures.mkdir(parents=True, exist_ok=True)
    return pictures


class LiveSearches(unittest.TestCase):
    """A search for a capacity under way."""

    def stopped_from_the_page(self):
        """What was seen of a search that is stopped there, its document, and its exit code."""
        with Serve("--delay", "20ms") as server, tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            searched = a_search(server.address, budget="5m")
            suite, result = folder / "suite.json", folder / "result.json"
            suite.write_text(json.dumps({"scenarios": [searched]}), encoding="utf-8")
            command = [LOADGEN, "capacity", "--config", suite, "--quiet", "--ui=0", "-o", f"json={result}"]
            search = subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8")
            try:
                url = search.stderr.readline().split()[-1]
                shown = looked_at("live_search.cjs", url, pictures_in(folder))
                search.communicate(timeout=PATIENCE)
            finally:
                search.kill()
                search.wait()
            document = json.loads(result.read_text(encoding="utf-8"))
        return shown, document, search.returncode

    def test_it_is_stopped_from_the_page(self):
        for _ in range(3):
            shown, document, code = self.stopped_from_the_page()
            # Nothing breaks where the machine was too busy to offer what would.
            if document["capacity"].get("breaks_first"):
                break
        self.assertEqual((shown["errors"], shown["asked"], shown["wide"]), ([], [], []))
        self.assertIn("SEARCHING", shown["running"]["title"] + shown["running"]["text"])
        self.assertIn("What breaks first", shown["over"]["text"])
        self.assertNotIn("SEARCHING", shown["over"]["text"])
        self.assertIn("It ends with what is known so far", shown["dialog"])
        before, after = shown["trials"]
        capacity = document["capacity"]
        self.assertLess(before, after)
        self.assertEqual(capacity["end"], "stopped")
        self.assertGreaterEqual(len(capacity["trials"]), after)
        last = capacity["trials"][-1]
        self.assertLessEqual(last["from_s"] + last["duration_s"], capacity["took_s"])
        self.assertEqual(code, 105)


class LivePages(unittest.TestCase):
    """A run under way."""

    @classmethod
    def setUpClass(cls):
        """One run, looked at from its beginning to its end."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            pictures = pictures_in(folder)
            suite = folder / "suite.json"
            suite.write_text(json.dumps({"scenarios": [SCENARIO]}), encoding="utf-8")
            result = folder / "result.json"
            command = [LOADGEN, "run", "--config", suite, "--quiet", "--ui=0", "-o", f"json={result}"]
            run = subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8")
            try:
                url = run.stderr.readline().split()[-1]
                cls.shown = looked_at("live_page.cjs", url, pictures)
                _, cls.said = run.communicate(timeout=PATIENCE)
            finally:
                run.kill()
                run.wait()
            cls.document = json.loads(result.read_text(encoding="utf-8"))

    def series(self, page, kind, name):
        """What is drawn in a chart, without what is nothing."""
        (found,) = [it for it in page["charts"] if it["kind"] == kind]
        (line,) = [it for it in found["series"] if it["name"] == name]
        return [it for it in line["data"] if it[1] is not None]

    def test_nothing_is_complained_of(self):
        self.assertEqual(self.shown["errors"], [])
        self.assertEqual(self.shown["asked"], [])
        self.assertEqual(self.shown["wide"], [])
        self.assertEqual(self.said, "")

    def test_the_token_leaves_the_address(self):
        self.assertNotIn("token", self.shown["address"])
        self.assertEqual(self.shown["cookie"], "")

    def test_there_is_no_verdict_before_the_end(self):
        for page in self.shown["running"]:
            self.assertRegex(page["title"], r"^steady, \d+ s of 90 s: RUNNING$")
            for word in ("There is no verdict before the end", "Thresholds as they stand so far", "does not hold"):
                self.assertIn(word, page["text"])
            for word in ("FAIL", "PASS", "INVALID"):
                self.assertNotIn(word, page["text"])

    def test_what_was_drawn_was_so_in_the_end(self):
        series = self.document["scenarios"][0]["series"]
        for page in self.shown["running"]:
            drawn = self.series(page, "time", "completed")
            self.assertGreaterEqual(len(drawn), 2)
            # What was drawn last was still going on.
            for (x, rate), point in zip(drawn[:-1], series):
                self.assertEqual(x, point["t_s"] + 0.5)
                self.assertEqual(rate, point["completed"])

    def test_in_the_end_it_is_the_report(self):
        (scenario,) = self.document["scenarios"]
        points = [it for it in scenario["series"] if "response_time_us" in it]
        status = self.document["verdict"]["status"].upper()
        for page in self.shown["over"]:
            self.assertTrue(page["title"].endswith(f": {status}"), page["title"])
            self.assertNotIn("so far", page["text"])
            for name in ("p50", "p95", "max"):
                expected = [it["response_time_us"][name] for it in points if name in it["response_time_us"]]
                drawn = [10**y for _, y in self.series(page, "time", name)]
                self.assertEqual(len(drawn), len(expected), name)
                for one, other in zip(drawn, expected):
                    self.assertTrue(math.isclose(one, other, rel_tol=1e-9), (name, one, other))
        begin = 'id="loadgen-result">'
        carried = self.shown["saved"].split(begin)[1].split("</script>")[0]
        self.assertEqual(json.loads(carried), self.document)

    def test_a_reload_keeps_all_points(self):
        before, after = self.shown["before"], self.shown["reloaded"]
        self.assertEqual([it["t_s"] for it in after], list(range(len(after))))
        self.assertGreaterEqual(len(after), len(before))
        self.assertEqual(after[: len(before) - 2], before[:-2])

    def test_what_a_reader_did_to_the_page_stays(self):
        before, after = self.shown["kept"]
        self.assertTrue(before["isOpen"] and before["isHidden"] and before["figure"], before)
        top = before.pop("top") - after.pop("top")
        self.assertEqual(before, after)
        self.assertLess(abs(top), 60)

    def test_it_is_steered(self):
        answers = self.shown["answers"]
        for name, begins in (
            ("rate", "Done: rate 50/s at "),
            ("nonsense", "Not done: `rate`: `fast` is not a rate"),
            ("note", "Done: <b>a deploy</b> at "),
            ("pause", "Done: pause at "),
            ("resume", "Done: resume at "),
        ):
            self.assertTrue(answers[name].startswith(begins), answers[name])
        # What was refused does not stand there as if it were so.
        self.assertEqual(answers["putBack"], "50/s")
        self.assertEqual(self.shown["steerable"], [True, False])
        self.assertNotIn('id="steer"', self.shown["saved"])
        self.assertTrue(self.document["run"]["stopped"])
        events = self.document["scenarios"][0]["events"]
        self.assertEqual(
            [it["event"] for it in events], ["rate 50/s", "<b>a deploy</b>", "pause", "resume", "stop"]
        )
        for page in self.shown["over"]:
            (chart,) = [it for it in page["charts"] if it["kind"] == "time"]
            marks = next(it["marks"] for it in chart["series"] if it.get("marks"))
            self.assertTrue({it["done_s"] for it in events[:-1]} <= set(marks), marks)


if __name__ == "__main__":
    unittest.main()
