"""Results in the forms that other tools read, read by these: HdrHistogram's own library, and Python's for CSV and XML."""

import csv
import json
import math
import pathlib
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as xml

from harness import LOADGEN, PATIENCE
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

HOUR_NS = 3_600_000_000_000

SUITE = {
    "scenarios": [
        {
            "name": "open_one",
            "load": {"open": {"rate": "400/s", "duration": "4s", "users": {"max": 50}}},
            "warm_up": "1s",
            "steps": [{"name": "hello", "grpc": {"method": "loadgen.v1.Greeter/Hello"}}],
            "thresholds": ["error_rate < 1%", "response_time.p50 < 1us"],
        },
        {
            "name": "closed_two",
            "load": {"closed": {"users": 3, "duration": "3s"}},
            "steps": [
                {"name": "first", "http": {"path": "/hello"}},
                {"pause": "10ms"},
                {"name": "second", "http": {"path": "/hello"}},
            ],
        },
    ]
}


class Results(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.place.cleanup)
        cls.folder = pathlib.Path(cls.place.name)
        (cls.folder / "suite.json").write_text(json.dumps(SUITE))
        run = [LOADGEN, "run", "suite.json", "--quiet", "--out", "json=run.json"]
        # One that does not hold.
        cls.call(run, {99})
        cls.document = json.loads((cls.folder / "run.json").read_text())
        kinds = ["csv", "hlog", "junit", "markdown"]
        outputs = [f"--out={kind}=run.{kind}" for kind in kinds]
        cls.call([LOADGEN, "report", "run.json", "--quiet", *outputs], {0})

    @classmethod
    def call(cls, command, expected):
        ended = subprocess.run(
            command, cwd=cls.folder, capture_output=True, encoding="utf-8", timeout=PATIENCE
        )
        if ended.returncode not in expected:
            raise AssertionError(f"{command} ended with {ended.returncode}: {ended}")

    def at(self, times, percentile):
        """Of the smallest sample that so many are not above; the library rounds to the nearest one."""
        count = times.get_total_count()
        return times.get_value_at_percentile(100 * math.ceil(percentile / 100 * count) / count)

    def near(self, found_ns, printed_us, part):
        self.assertAlmostEqual(found_ns / 1000, printed_us, delta=printed_us * part)

    def test_histograms_give_the_figures_beside_them(self):
        for scenario in self.document["scenarios"]:
            series = [scenario["response_time_us"], scenario["service_time_us"]]
            series += [step["response_time_us"] for step in scenario["steps"]]
            for figures in series:
                times = HdrHistogram.decode(figures["histogram"])
                self.assertEqual(times.get_total_count(), figures["count"])
                for name, percentile in [("p50", 50), ("p90", 90), ("p95", 95), ("p99", 99)]:
                    if name in figures:
                        found = self.at(times, percentile)
                        self.near(found, figures[name], 0.01)

    def test_histograms_of_runs_add_up(self):
        times = HdrHistogram(1, HOUR_NS, 3)
        response_times = [it["response_time_us"] for it in self.document["scenarios"]]
        for figures in response_times:
            times.decode_and_add(figures["histogram"])
        total = self.document["total"]["response_time_us"]
        self.assertEqual(times.get_total_count(), total["count"])
        self.near(self.at(times, 95), total["p95"], 0.001)

    def intervals(self):
        reader = HistogramLogReader(str(self.folder / "run.hlog"), HdrHistogram(1, HOUR_NS, 3))
        while interval := reader.get_next_interval_histogram():
            yield interval
        self.start_s = reader.get_start_time_sec()
        reader.close()

    def test_the_log_is_read_by_its_own_library(self):
        open_one, closed_two = self.document["scenarios"]
        sums = {}
        for interval in self.intervals():
            into = sums.setdefault(interval.get_tag(), HdrHistogram(1, HOUR_NS, 3))
            into.add(interval)
            into.begins = getattr(into, "begins", []) + [interval.get_start_time_stamp()]
        tags = {"open_one", "closed_two", "closed_two/first", "closed_two/second"}
        self.assertEqual(set(sums), tags)
        for scenario in (open_one, closed_two):
            found, figures = sums[scenario["name"]], scenario["response_time_us"]
            self.assertEqual(found.get_total_count(), figures["count"])
            self.near(self.at(found, 50), figures["p50"], 0.02)
            self.near(self.at(found, 95), figures["p95"], 0.02)
        # In milliseconds; what was warmed up with is in none.
        first = sums["open_one"].begins[0] / 1000
        self.assertAlmostEqual(first, self.start_s + 1, places=2)
        self.assertAlmostEqual(sums["closed_two"].begins[1] / 1000, self.start_s + 1, places=2)

    def test_the_table_adds_up(self):
        with open(self.folder / "run.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
        for scenario in self.document["scenarios"]:
            own = [row for row in rows if row["scenario"] == scenario["name"]]
            (run,) = [row for row in own if row["span"] == "run" and not row["step"]]
            self.assertEqual(float(run["response_time_p95_us"]), scenario["response_time_us"]["p95"])
            points = [row for row in own if row["span"] == "point" and not row["step"]]
            self.assertEqual(len(points), len(scenario["series"]))
            completed = sum(int(row["completed"]) for row in points)
            self.assertEqual(completed, scenario["ledger"]["completed"])
            steps = [row["step"] for row in own if row["step"] and row["span"] == "run"]
            self.assertEqual(steps, [step["name"] for step in scenario["steps"]])
            for step in scenario["steps"]:
                points = [row for row in own if row["span"] == "point" and row["step"] == step["name"]]
                self.assertEqual(len(points), len(step.get("series", [])))

    def test_the_test_report_has_each_condition(self):
        report = xml.parse(self.folder / "run.junit").getroot()
        is_invalid = self.document["verdict"]["status"] == "invalid"
        # The condition, and the run by it.
        self.assertEqual(report.get("failures"), "1" if is_invalid else "2")
        cases = {case.get("name"): case for case in report.iter("testcase")}
        names = {"run", "error_rate < 1%", "response_time.p50 < 1us"}
        self.assertEqual(set(cases), names)
        failure = cases["response_time.p50 < 1us"].find("failure")
        self.assertTrue(failure.get("message").startswith("was "), failure.attrib)
        self.assertEqual(cases["run"].find("error") is not None, is_invalid)
        self.assertEqual(cases["run"].find("failure") is not None, not is_invalid)


if __name__ == "__main__":
    unittest.main()
