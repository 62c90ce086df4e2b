"""`loadgen run --out html=FILE`, opened in Chromium: what is drawn is what the document says."""

import http.server
import json
import math
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import unittest

from harness import LOADGEN, PATIENCE, Serve, a_search, tool

# What a server could say to run something in a page that shows it.
HARMFUL = "</script><script>harmed=true</script><img src=x onerror=harmed=true>"


class Report:
    """A run's report in the browser, and the document that came with it. Use it in a `with`.

    Pictures of it go to a folder of this name in the one that PAGE_PICTURES names.
    """

    def __init__(self, name, *flags, command="run", expect=(0, 99)):
        self._folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(os.environ.get("PAGE_PICTURES") or self._folder.name, name)
        folder.mkdir(parents=True, exist_ok=True)
        self.file = pathlib.Path(self._folder.name, "report.html")
        result = pathlib.Path(self._folder.name, "result.json")
        command = [LOADGEN, command, "--quiet", *flags, "-o", f"html={self.file}", "-o", f"json={result}"]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE)
        if done.returncode not in expect:
            raise AssertionError(f"exit code {done.returncode}, expected {expect}\n{done.stderr}")
        self.document = json.loads(result.read_text(encoding="utf-8"))
        self.markup = self.file.read_text(encoding="utf-8")
        script = pathlib.Path(__file__).with_name("report_page.cjs")
        environment = {**os.environ, "CHROMIUM": shutil.which("google-chrome") or tool("chromium")}
        shown = subprocess.run(
            [tool("node"), str(script), str(self.file), str(folder)],
            check=True,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            timeout=180,
            env=environment,
        )
        self.shown = json.loads(shown.stdout)
        print(f"the report opened in {self.shown['opened_ms']} ms")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def chart(self, kind, scenario=0):
        """The series of a chart by name: its points, those left out that are nothing."""
        (found,) = [it for it in self.shown["charts"] if (it["kind"], it["scenario"]) == (kind, scenario)]
        points = {it["name"]: [p for p in it["data"] if p[1] is not None] for it in found["series"]}
        return points, found


class Pages(unittest.TestCase):
    """Reports of runs of all kinds."""

    def check_page(self, report):
        """What holds for every page."""
        shown = report.shown
        self.assertEqual(shown["asked"], [])
        self.assertEqual(shown["errors"], [])
        self.assertEqual(shown["wide"], [])
        self.assertFalse(shown["harmed"])
        self.assertLess(len(report.markup), 2_500_000)
        self.assertIn(report.document["verdict"]["status"].upper(), shown["text"])
        for sentence in report.document["verdict"]["reasons"]:
            self.assertIn(sentence.split(":")[0], shown["text"])
        begin = 'id="loadgen-result">'
        carried = report.markup.split(begin)[1].split("</script>")[0]
        self.assertEqual(json.loads(carried), report.document)

    def check_over_time(self, report, place):
        """The lines are the document's points."""
        scenario = report.document["scenarios"][place]
        lines, found = report.chart("time", place)
        points = [it for it in scenario["series"] if "response_time_us" in it]
        for name in ("p50", "p95", "p99", "max"):
            expected = [it["response_time_us"][name] for it in points if name in it["response_time_us"]]
            drawn = [10**y for _, y in lines[name]]
            self.assertEqual(len(drawn), len(expected), name)
            for one, other in zip(drawn, expected):
                self.assertTrue(math.isclose(one, other, rel_tol=1e-9), (name, one, other))
        whole = [it for it in scenario["series"] if it["t_s"] + it["seconds"] <= scenario["duration_s"]]
        for name in ("started", "completed"):
            for (x, drawn), point in zip(lines[name], whole):
                self.assertAlmostEqual(x, point["t_s"] + point["seconds"] / 2)
                self.assertAlmostEqual(drawn, point[name] / point["seconds"])
        self.assertEqual([y for _, y in lines["users"]], [it["users"] for it in scenario["series"]])
        self.assertEqual(len(found["table"]) - 1, len(scenario["series"]))

    def check_curves(self, report, place):
        """The curves go through the document's percentiles."""
        scenario = report.document["scenarios"][place]
        lines, _ = report.chart("percentiles", place)
        for name, key in (("response time", "response_time_us"), ("service time", "service_time_us")):
            for percentile, part in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
                if percentile not in scenario[key]:
                    continue
                at = -math.log10(1 - part)
                drawn = next(10**y for x, y in lines[name] if x >= at - 1e-9)
                self.assertTrue(math.isclose(drawn, scenario[key][percentile], rel_tol=0.01), (name, percentile))

    def test_a_steady_run(self):
        scenario = {
            "name": "steady",
            "load": {"open": {"rate": "400/s", "duration": "4s", "users": {"max": 50}}},
            "steps": [
                {"name": "hello", "grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "world"}}},
                {"name": "again", "grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "again"}}},
            ],
            "thresholds": ["error_rate < 1%", "response_time.p95 < 1us"],
        }
        with tempfile.TemporaryDirectory() as folder:
            suite = pathlib.Path(folder, "suite.json")
            suite.write_text(json.dumps({"scenarios": [scenario]}), encoding="utf-8")
            with Report("steady", "--config", suite, expect=(99,)) as report:
                self.check_page(report)
                self.check_over_time(report, 0)
                self.check_curves(report, 0)
                self.assertTrue(report.shown["hidden"])
                self.assertTrue(report.shown["zoomed"])
                self.assertIn("p50", report.shown["pointed"])
                for word in ("response_time.p95 < 1us", "fails", "hello", "again", "start lag"):
                    self.assertIn(word, report.shown["text"])

    def check_search(self, report):
        """What is drawn of a search is what its trials were."""
        capacity = report.document["capacity"]
        rates = [it for it in capacity["trials"] if "rate_per_s" in it]
        most, least = max(it["rate_per_s"] for it in rates), min(it["rate_per_s"] for it in rates)
        bounds = [capacity["lower_per_s"], capacity["upper_per_s"]]
        is_log = max(most, *bounds) / min(least, *bounds) > 10
        place = math.log10 if is_log else float
        (found,) = [it for it in report.shown["charts"] if it["kind"] == "capacity"]
        # Of each name there is a line, and then the points.
        of = {name: [it for it in found["series"] if it["name"] == name][-1]["data"] for name in ("p50", "errors")}
        timed = [it for it in rates if "p50" in it["response_time_us"]]
        expected = [(place(it["rate_per_s"]), it["response_time_us"]["p50"], it["result"]) for it in timed]
        self.assertEqual(len(of["p50"]), len(expected))
        for (x, y, result), (rate, p50, came) in zip(of["p50"], expected):
            self.assertTrue(math.isclose(x, rate) and math.isclose(10**y, p50), (x, y, rate, p50))
            self.assertEqual(result, came)
        errors = [(it["error_rate"], it["result"]) for it in rates]
        self.assertEqual([(y, result) for _, y, result in of["errors"]], errors)
        marks = [it["marks"] for it in found["series"] if it["name"] == "lines"]
        for of_part in marks:
            drawn = [it for it in of_part if it is not None]
            self.assertTrue(all(math.isclose(x, place(rate)) for x, rate in zip(drawn, bounds)), (drawn, bounds))
            self.assertEqual(len(drawn), 2)
        numbers = [str(at + 1) for at, it in enumerate(capacity["trials"]) if "rate_per_s" in it]
        self.assertEqual([row[0] for row in found["table"][1:]], numbers)

        (found,) = [it for it in report.shown["charts"] if it["kind"] == "scalability"]
        series = {it["name"]: it["data"] for it in found["series"]}
        users = [it for it in capacity["trials"] if "users" in it and it["result"] != "invalid"]
        self.assertEqual([y for _, y, _ in series["users"]], [it["completed_per_s"] for it in users])
        law = capacity["scalability"]
        steps = [x for x, _ in series["the law"]]
        held = [it for it in rates if it["result"] == "held" and "mean" in it["response_time_us"]]
        at_once = [it["users"] for it in users]
        at_once += [it["completed_per_s"] * it["response_time_us"]["mean"] / 1e6 for it in held]
        at_once = [it for it in at_once if it >= 1]
        is_log = max(at_once) / min(at_once) > 10
        ends = [math.log10(law[it]) if is_log else law[it] for it in ("from_users", "to_users")]
        for drawn, end in zip((steps[0], steps[-1]), ends):
            self.assertTrue(math.isclose(drawn, end, abs_tol=1e-9), (drawn, end))
        self.assertTrue(all(ends[0] - 1e-9 <= x <= ends[1] + 1e-9 for x in steps))

    def test_a_search_for_a_capacity(self):
        with Serve("--delay", "20ms") as server, tempfile.TemporaryDirectory() as folder:
            searched = a_search(server.address, budget="30s", width="10%")
            suite = pathlib.Path(folder, "suite.json")
            suite.write_text(json.dumps({"scenarios": [searched]}), encoding="utf-8")
            with Report("search", "--config", suite, command="capacity") as report:
                self.check_page(report)
                self.check_search(report)
                self.assertTrue(report.shown["hidden"])
                self.assertTrue(report.shown["zoomed"])
                self.assertIn("trial", report.shown["pointed"])
                words = ("What breaks first", "response_time.p90 < 100ms", "Universal Scalability Law", "one user alone")
                for word in words:
                    self.assertIn(word, report.shown["text"])

    def test_a_run_of_less_than_a_second(self):
        with Report("short", "--scenario", "hello_light", "--protocol", "grpc") as report:
            self.check_page(report)
            self.assertIn("500", report.shown["text"])
            self.check_curves(report, 0)

    def test_servers_that_go_and_come_back(self):
        with Report("balance", "--scenario", "balance_demo") as report:
            self.check_page(report)
            for place, scenario in enumerate(report.document["scenarios"]):
                self.check_over_time(report, place)
                done = [it["done_s"] for it in scenario["events"] if "done_s" in it]
                for kind in ("time", "backends", "timeline"):
                    _, found = report.chart(kind, place)
                    marks = next(it["marks"] for it in found["series"] if it.get("marks"))
                    self.assertTrue(set(done) <= set(marks), (kind, done, marks))
                # Each area ends where the sum of it and those below does.
                areas, found = report.chart("backends", place)
                for column, (key, points) in enumerate(areas.items()):
                    name = key.removeprefix("server ")
                    self.assertEqual(found["table"][0][column + 1], name)
                    answered = sum(
                        it["backends"].get(name, {}).get("completed", 0) + it["backends"].get(name, {}).get("failed", 0)
                        for it in scenario["series"]
                        if "backends" in it
                    )
                    told = sum(int(row[column + 1].replace(",", "")) for row in found["table"][1:])
                    self.assertEqual(told, answered, name)
                *_, highest = areas.values()
                self.assertTrue(all(math.isclose(y, 1) for _, y in highest), highest)

    def test_what_servers_say_does_nothing(self):
        class Harmful(http.server.BaseHTTPRequestHandler):
            """Names itself, and fails, with markup."""

            protocol_version = "HTTP/1.1"

            def do_GET(self):
                said = HARMFUL.encode()
                self.send_response(500)
                self.send_header("x-loadgen-backend", HARMFUL)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Harmful)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            scenario = {
                "name": "harmful",
                "targets": [f"127.0.0.1:{server.server_port}"],
                "load": {"closed": {"users": 2, "iterations": 200}},
                "steps": [{"name": "get", "http": {"path": "/"}}],
            }
            with tempfile.TemporaryDirectory() as folder:
                suite = pathlib.Path(folder, "suite.json")
                suite.write_text(json.dumps({"scenarios": [scenario]}), encoding="utf-8")
                with Report("harmful", "--config", suite, expect=(99,)) as report:
                    self.check_page(report)
                    self.assertIn("<script>harmed=true</script>", report.shown["text"])
                    (found,) = report.document["scenarios"]
                    self.assertLessEqual(max(it["users"] for it in found["series"]), 2)
        finally:
            server.shutdown()
            server.server_close()


class Scripts(unittest.TestCase):
    """What the page's script makes of documents that are dear to come by."""

    SCRIPTS = pathlib.Path(__file__).parents[2] / "loadgen-core" / "src" / "report" / "page" / "script"

    def made(self, script, expression):
        """What an expression is, in a script of the page."""
        text = (self.SCRIPTS / script).read_text(encoding="utf-8") + f"\nconsole.log(JSON.stringify({expression}))"
        done = subprocess.run([tool("node"), "-"], input=text, check=True, capture_output=True, encoding="utf-8", timeout=60)
        return json.loads(done.stdout)

    def test_a_curve_goes_on_to_ten_samples_before_its_end(self):
        for buckets, expected in (
            ([[1, 3, 9_500], [999, 1_001, 500]], [[0.95, 2], [0.999, 1_000]]),
            ([[1, 3, 9_990], [999, 1_001, 10]], [[0.999, 2]]),
            ([[1, 3, 50], [5, 7, 40], [8, 10, 10]], [[0.5, 2], [0.9, 6]]),
            ([[1, 3, 9]], []),
        ):
            self.assertEqual(self.made("histograms.js", f"curveOf({json.dumps(buckets)})"), expected)

    def test_of_a_day_between_two_events_there_is_nothing(self):
        one = {"b1": {"completed": 3, "failed": 0}}
        scenario = {
            "events": [{"done_s": 10, "ready_s": 12}, {"done_s": 86_000}],
            "timeline": [{"t_s": 9.9, "backends": one}, {"t_s": 10.2, "backends": one}, {"t_s": 86_001, "backends": one}],
        }
        moments = self.made("servers.js", f"momentsOf({json.dumps(scenario)})")
        expected = [(9.9, one), (10, {}), (10.2, one), (10.3, {}), (72.1, None), (85_995, {}), (86_001, one), (86_001.1, {})]
        self.assertEqual([(it["t"], it["backends"]) for it in moments], expected)


if __name__ == "__main__":
    unittest.main()
