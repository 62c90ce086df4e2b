"""
The dashboards against Graphite itself: whether every query of every panel comes back with data.

Once with every metric that docs/src/metrics.md has, sent to StatsD by hand, where the answers are
known; once with loads.
"""

import json
import re
import socket
import subprocess
import time
import unittest
import urllib.error

import grafana
import metrics
from harness import LOADGEN, Run, wait_for
from stack import Stack

STACK = Stack("panels")


def setUpModule():
    unittest.enterModuleContext(STACK)


def send(lines):
    """To StatsD, many lines a datagram: it loses datagrams that come faster than it reads them."""
    port = STACK.ports["MONITORING_STATSD_PORT"]
    with socket.socket(type=socket.SOCK_DGRAM) as to_statsd:
        for first in range(0, len(lines), 15):
            to_statsd.sendto("\n".join(lines[first : first + 15]).encode(), ("127.0.0.1", port))


def find(query):
    return [it["text"] for it in json.loads(STACK.get("/metrics/find", query=query))]


def expand(query):
    return json.loads(STACK.get("/metrics/expand", query=query))["results"]


def unless_being_made(ask):
    """An answer, or nothing where Graphite has come upon a file that carbon is just making."""
    try:
        return ask()
    except urllib.error.HTTPError as error:
        if error.code != 500:
            raise
        return None


def settle():
    """Waits until all that was sent can be asked for."""
    wait_for("what was sent, in Graphite", lambda: unless_being_made(lambda: STACK.settle() or True))


def values_of(board, run):
    return grafana.all_values(board, run, find, expand)


def has_data(series):
    return any(value is not None for points in series.values() for value, _ in points)


def empty_targets(run, since):
    """Queries without an answer, as `file: panel: letter`, of all dashboards with this run chosen."""
    empty = []
    for name, board in grafana.boards().items():
        values = values_of(board, run)
        for panel, target in grafana.targets(board):
            if not has_data(STACK.render([grafana.sent(target, values)], since)):
                empty.append(f"{name}: {panel['title']}: {target['refId']}")
    return sorted(empty)


def read(board, values, since):
    """What the panels say, read by Grafana's own code."""

    def ask(target):
        form = [("target", target), ("from", since), ("until", "now"), ("format", "json")]
        return json.loads(STACK.post("/render", form))

    return grafana.read(board, values, ask)


def marks(run, since):
    """Names of the annotations that Graphite has events for, and the events."""
    found = {}
    for annotation in grafana.boards()["overview.json"]["annotations"]["list"]:
        tags = " ".join(grafana.fill(it, {"run": run}) for it in annotation["target"]["tags"])
        events = json.loads(STACK.get("/events/get_data", tags=tags, **{"from": since, "until": "now"}))
        if events:
            found[annotation["name"]] = events
    return found


class Specified(unittest.TestCase):
    """All metrics of the specification, in some seconds that lie apart."""

    RUN = "specified"
    # What is sent in each round. Of the rest: counters 1, gauges 1.
    COUNTS = {"started": 4, "completed": 3, "failed": 1, "late": 1}
    ROUNDS = 4

    @classmethod
    def setUpClass(cls):
        cls.since = int(time.time()) - 60
        lines = []
        for path in metrics.known():
            kind, name = path.removeprefix("stats.").split(".", 1)
            name = name.replace("loadgen.", f"{cls.RUN}.", 1)
            if kind == "counters":
                name = name.removesuffix(".count")
                lines.append(f"{name}:{cls.COUNTS.get(name.split('.', 2)[2], 1)}|c")
            else:
                lines.append(f"{name}:1|g")
        for _ in range(cls.ROUNDS):
            send(lines)
            settle()
        cls.until = int(time.time())

    def points(self, title, **more):
        """What the first query of a panel of the overview is answered, all series' values together."""
        board = grafana.boards()["overview.json"]
        (panel,) = (it for it in board["panels"] if it["title"] == title)
        filled = grafana.fill(panel["targets"][0]["target"], values_of(board, self.RUN))
        (points,) = STACK.render([filled], self.since, self.until, **more).values()
        return points

    def test_every_query_has_data(self):
        self.assertEqual(empty_targets(self.RUN, self.since), [])

    def test_every_line_has_a_name_for_people(self):
        for name, board in grafana.boards().items():
            values = values_of(board, self.RUN)
            for panel, target in grafana.targets(board):
                if panel["type"] == "timeseries":
                    for line in STACK.render([grafana.fill(target["target"], values)], self.since):
                        with self.subTest(f"{name}: {panel['title']}"):
                            self.assertRegex(line, r"^[\w. -]+$")

    def test_what_grafana_makes_of_it(self):
        boards = grafana.boards()
        said = read(boards["overview.json"], values_of(boards["overview.json"], self.RUN), self.since)
        green, red = "#73BF69", "#F2495C"
        for title, text, colour in (
            ("Failed", "25.00%", red),
            ("Started late", "25.00%", red),
            # The specification's examples have 1 in every gauge: a whole core.
            ("Generator busy", "100%", red),
            ("Generator the limit?", "yes", red),
            ("Response time p99", "1 µs", None),
        ):
            with self.subTest(title):
                (figure,) = said[title]
                self.assertEqual(figure["text"], text)
                if colour:
                    self.assertEqual(figure["color"], colour)
        # For the knee the queries are joined, second by second.
        knee = said["Knee: response time against rate"]
        self.assertEqual({it["name"]: it["unit"] for it in knee}, {"completed": "ops", "p95": "µs", "p99": "µs"})
        self.assertEqual({it["frame"] for it in knee}, {0})
        # Two axes, each with its unit.
        lines = {it["name"]: it for it in said["Generator: busy, and how late it starts"]}
        self.assertEqual((lines["busy"]["text"], lines["busy"].get("axis")), ("100%", None))
        self.assertEqual((lines["light.p99"]["text"], lines["light.p99"]["axis"]), ("1 µs", "right"))
        # What means the same has the same colour.
        rates = {it["name"]: it["color"] for it in said["Rate: planned, started, completed, failed"]}
        self.assertEqual((rates["completed"], rates["failed"]), ("green", "red"))

        calm = {"run": "calm", "scenario": "hello"}
        send(["calm.hello.started:9|c", "calm.hello.completed:9|c", "calm.generator.cpu_busy:0.3|g"])
        settle()
        said = read(boards["overview.json"], calm, self.since)
        for title, text in (("Failed", "0.00%"), ("Generator busy", "30%"), ("Generator the limit?", "no")):
            self.assertEqual(said[title], [{"text": text, "color": green}], title)

    def test_figures_say_something(self):
        for name, board in grafana.boards().items():
            figures = {it["title"]: it for it in board["panels"] if it["type"] == "stat"}
            nobody = {it["name"]: "" for it in grafana.variables(board)} | {"run": "nobody"}
            full = read(board, values_of(board, self.RUN), self.since)
            empty = read(board, nobody, self.since)
            for title, panel in figures.items():
                with self.subTest(f"{name}: {title}"):
                    self.assertEqual(len(full[title]), 1)
                    nothing = panel["fieldConfig"]["defaults"]["noValue"]
                    self.assertNotEqual(full[title][0]["text"], nothing)
                    self.assertEqual([it["text"] for it in empty[title]], [nothing])

    def test_what_can_be_chosen(self):
        expected = {
            "run": [self.RUN],
            "scenario": ["heavy", "light"],
            "step": ["hello"],
            "backend": ["one", "two"],
        }
        for name, board in grafana.boards().items():
            values = values_of(board, self.RUN)
            for variable in grafana.variables(board):
                with self.subTest(f"{name}: {variable['name']}"):
                    offered = grafana.options(variable, values, find, expand)
                    if variable["name"] == "run":
                        # StatsD's own gauges, and what tests wait for, are no runs of loadgen.
                        self.assertIn(self.RUN, offered)
                        self.assertNotIn("statsd", offered)
                    else:
                        self.assertEqual(offered, expected[variable["name"]])

    def test_a_run_without_scenarios_is_empty_and_no_error(self):
        for name, board in grafana.boards().items():
            values = {it["name"]: "" for it in grafana.variables(board)} | {"run": "nobody"}
            for panel, target in grafana.targets(board):
                with self.subTest(f"{name}: {panel['title']}"):
                    filled = grafana.fill(target["target"], values)
                    self.assertFalse(has_data(STACK.render([filled], self.since)))

    def test_rates_are_true_at_every_zoom(self):
        # Straight to carbon, which takes points of the past: some seconds of work amid idle ones, none
        # in the same 10 s as another, where carbon would keep the later one of such points.
        run, now = "zoomed", int(time.time())
        counts = {150: 6, 165: 60, 200: 1, 333: 500, 450: 30}
        # Two hours ago: there, Graphite keeps counts of 10 s.
        for name, since in (("now", now - 700), ("before", now - 7900)):
            metric = f"stats.counters.{run}.{name}.completed.count"
            lines = [f"{metric} {count} {since + at}\n" for at, count in counts.items()]
            with socket.create_connection(("127.0.0.1", STACK.ports["MONITORING_CARBON_PORT"])) as carbon:
                carbon.sendall("".join(lines).encode())
            (target,) = (
                grafana.fill(it["target"], {"run": run, "scenario": name})
                for panel, it in grafana.targets(grafana.boards()["overview.json"])
                if panel["title"].startswith("Rate:") and "'completed')" in it["target"]
            )

            def area(points):
                """What the line covers: points times seconds is a count again."""
                (found,) = STACK.render([target], since, since + 600, maxDataPoints=points).values()
                seconds = found[1][1] - found[0][1]
                return sum(value * seconds for value, _ in found if value is not None)

            wait_for(
                f"{metric} in Graphite",
                lambda: expand(metric) and unless_being_made(lambda: area(1000)),
            )
            for points in (1000, 300, 60, 11):
                with self.subTest(name, points=points):
                    self.assertAlmostEqual(area(points), sum(counts.values()), places=6)

    def test_shares(self):
        for title, expected in (("Failed", 1 / 4), ("Started late", 1 / 4)):
            for points in (1000, 7):
                with self.subTest(title, points=points):
                    found = self.points(title, maxDataPoints=points)
                    last = [value for value, _ in found if value is not None][-1]
                    self.assertAlmostEqual(last, expected)

    def test_a_share_without_the_part_is_zero(self):
        run = "flawless"
        send([f"{run}.hello.started:5|c", f"{run}.hello.completed:5|c", f"{run}.hello.users:1|g"])
        settle()
        for title in ("Failed", "Started late"):
            with self.subTest(title):
                board = grafana.boards()["overview.json"]
                (panel,) = (it for it in board["panels"] if it["title"] == title)
                filled = grafana.fill(panel["targets"][0]["target"], values_of(board, run))
                (points,) = STACK.render([filled], self.since).values()
                self.assertEqual([value for value, _ in points if value is not None], [0])

    def test_the_fullest_pool_counts(self):
        """Of two scenarios with one of 1 and one of 4 streams in use, the first is what is to be seen."""
        run = "pools"
        gauges = {"full.grpc.streams_in_use": 1, "full.grpc.streams_allowed": 1}
        gauges |= {"roomy.grpc.streams_in_use": 1, "roomy.grpc.streams_allowed": 4}
        send([f"{run}.{name}:{value}|g" for name, value in gauges.items()])
        settle()
        board = grafana.boards()["grpc.json"]
        (panel,) = (it for it in board["panels"] if it["title"] == "Streams in use")
        filled = grafana.fill(panel["targets"][0]["target"], values_of(board, run))
        (points,) = STACK.render([filled], self.since).values()
        self.assertEqual({value for value, _ in points if value is not None}, {1})

    def test_the_end_of_a_run_is_no_time_of_zero(self):
        run = "over"
        lines = [f"{run}.hello.response_time_us.{name}" for name in ("p50", "p95", "p99", "max")]
        for value in (700, 0):
            send([f"{line}:{value}|g" for line in lines])
            settle()
        board = grafana.boards()["overview.json"]
        for title in ("Response time p95", "Response time p99", "Response time"):
            with self.subTest(title):
                (panel,) = (it for it in board["panels"] if it["title"] == title)
                filled = grafana.fill(panel["targets"][0]["target"], values_of(board, run))
                for points in STACK.render([filled], self.since).values():
                    self.assertEqual({value for value, _ in points if value is not None}, {700})

    def test_marks(self):
        since = int(time.time()) - 5
        for tags, what in (
            ("loadgen run-start 1 first first:start", "run 1 starts"),
            ("loadgen run-end 1 first pass first:pass", "run 1 has passed"),
            ("loadgen run-start 2 other other:start", "run 2 starts"),
        ):
            STACK.post("/events/", {"what": what, "tags": tags, "data": ""})
        found = {name: [it["what"] for it in events] for name, events in marks("first", since).items()}
        self.assertEqual(found, {"Run starts": ["run 1 starts"], "Run passed": ["run 1 has passed"]})
        self.assertEqual(list(marks("other", since)), ["Run starts"])
        self.assertEqual(marks("nobody", since), {})


def load(name, rate, *steps, max_users=200, **fields):
    """An open load: enough a second for a p99."""
    of = {"rate": f"{rate}/s", "duration": "6s", "users": {"max": max_users}}
    if "when_busy" in fields:
        of["when_busy"] = fields.pop("when_busy")
    return {"name": name, "load": {"open": of}, "steps": list(steps), "thresholds": [], **fields}


def call(name, method, message):
    return {"name": name, "grpc": {"method": f"loadgen.v1.Greeter/{method}", "message": message}}


HELLO = call("hello", "Hello", {"name": "world"})
ECHO = {"name": "echo", "websocket": {"path": "/echo", "send": {"size": "64B"}}}
FEED = {
    "name": "feed",
    "websocket": {
        "path": "/stream",
        "send": {"json": {"count": 3, "interval_us": 2000}},
        "stream": {"messages": 3, "sequence": "sequence"},
    },
}
SURPLUS = {"name": "surplus", "websocket": {**FEED["websocket"], "stream": {"messages": 2, "sequence": "sequence"}}}
HEALTHY = [
    load("unary", 1200, HELLO),
    # More users than streams: some wait for one.
    {
        "name": "crowded",
        "load": {"closed": {"users": 30, "duration": "6s"}},
        "connections": 1,
        "streams_per_connection": 2,
        "steps": [call("feed", "Stream", {"count": 3, "interval_us": 2000})],
        "thresholds": [],
    },
    load("chat", 1200, ECHO, FEED),
]
IMPATIENT = {"timeout": "50ms", "graceful_stop": "0s", "late_after": "1us"}
FAULTY = [
    load("unary", 200, HELLO, max_users=4, when_busy="drop", thresholds=["error_rate < 1%"], **IMPATIENT),
    load("chat", 200, ECHO, FEED, max_users=8, **IMPATIENT),
    # One message more comes than is expected: whether one comes too late is for chance to say.
    load("surplus", 20, SURPLUS, max_users=8),
    # Its iterations are longer than the run, but for some that run into a fault.
    {
        "name": "endless",
        "load": {"closed": {"users": 20, "duration": "5s"}},
        "timeout": "2m",
        "graceful_stop": "0s",
        "steps": [call("drip", "Stream", {"count": 60, "interval_us": 1000000})],
        "thresholds": [],
    },
]
FAULTS = ["--error-rate", "5%", "--stall", "200ms", "--stall-rate", "3%", "--cut-after", "80"]
FAULTS += ["--refuse-rate", "10%"]
# What shows nothing unless something goes wrong. In the faulty load all of it must show something.
NOT_WHEN_HEALTHY = {
    "errors.json: Failed iterations by outcome: A",
    "errors.json: Failed iterations by outcome: B",
    "errors.json: Failed requests by step: A",
    "errors.json: Failed requests by outcome: A",
    "errors.json: Failed requests by outcome: B",
    "errors.json: Failed requests by server: A",
    "errors.json: Dropped, late, interrupted: A",
    "errors.json: Dropped, late, interrupted: B",
    "errors.json: Dropped, late, interrupted: C",
    "errors.json: Connections failed and dropped: A",
    "grpc.json: Requests by status: B",
    "overview.json: Failed, by outcome: A",
    "overview.json: Failed, by outcome: B",
    "websocket.json: Message faults by kind: A",
    "websocket.json: Iterations by outcome: B",
}


class Serve:
    """`loadgen serve all` that sends its own metrics beside a run's. Use it in a `with`."""

    def __init__(self, run, *flags):
        command = [LOADGEN, "serve", "all", "--id", "reference", *flags]
        for server in ("grpc", "websocket", "http", "tcp"):
            command += [f"--{server}-address", "127.0.0.1:0"]
        self._process = subprocess.Popen(
            [*command, "--statsd", STACK.statsd, "--statsd-prefix", run],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        self.targets = {}
        for _ in range(2):
            line = self._process.stdout.readline()
            words = re.match(r"(grpc|websocket) listening on (\S+)", line)
            if not words:
                self.__exit__()
                raise AssertionError(f"loadgen serve said {line!r}")
            self.targets[words[1]] = words[2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


class Loads(unittest.TestCase):
    """A load of both protocols on a healthy service, and one on a service with faults."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.since = int(time.time()) - 5
        cls.documents = {}
        # 99: more fail than a threshold allows.
        for run, scenarios, faults, code in (
            ("healthy", HEALTHY, [], 0),
            ("faulty", FAULTY, FAULTS, 99),
        ):
            flags = ["--statsd", STACK.statsd, "--statsd-prefix", run, "--graphite", STACK.graphite]
            with Serve(run, *faults) as served:
                for protocol, target in served.targets.items():
                    flags += [f"--{protocol}-target", target]
                with Run(*scenarios, flags=flags) as running:
                    cls.documents[run] = running.result(code)
                settle()

    def test_a_healthy_run_fills_every_panel(self):
        self.assertEqual(set(empty_targets("healthy", self.since)) - NOT_WHEN_HEALTHY, set())

    def test_a_faulty_run_fills_the_panels_of_failures(self):
        self.assertEqual(set(empty_targets("faulty", self.since)) & NOT_WHEN_HEALTHY, set())

    def test_the_list_names_only_what_there_is(self):
        there = {
            f"{name}: {panel['title']}: {target['refId']}"
            for name, board in grafana.boards().items()
            for panel, target in grafana.targets(board)
        }
        self.assertEqual(NOT_WHEN_HEALTHY - there, set())

    def test_only_scenarios_of_the_protocol_can_be_chosen(self):
        for name, expected in (("grpc.json", ["crowded", "unary"]), ("websocket.json", ["chat"])):
            self.assertEqual(values_of(grafana.boards()[name], "healthy")["scenario"], expected)

    def test_totals_are_those_of_the_document(self):
        """The figures of the errors dashboard, over the time range."""
        board = grafana.boards()["errors.json"]
        values = values_of(board, "faulty")
        figures = {
            "Failed iterations": "failed",
            "Dropped iterations": "dropped",
            "Interrupted iterations": "interrupted",
        }
        for title, key in figures.items():
            with self.subTest(title):
                (panel,) = (it for it in board["panels"] if it["title"] == title)
                (points,) = STACK.render(
                    [grafana.fill(panel["targets"][0]["target"], values)], self.since
                ).values()
                total = sum(value for value, _ in points if value is not None)
                scenarios = self.documents["faulty"]["scenarios"]
                self.assertEqual(total, sum(it["ledger"][key] for it in scenarios))
                self.assertGreater(total, 0)

    def test_marks(self):
        for run in ("healthy", "faulty"):
            verdict = self.documents[run]["verdict"]["status"]
            names = {"pass": "Run passed", "fail": "Run failed", "invalid": "Run invalid"}
            found = marks(run, self.since)
            with self.subTest(run):
                self.assertEqual(set(found), {"Run starts", names[verdict]})
                self.assertEqual({len(it) for it in found.values()}, {1})

    def test_pictures(self):
        """Graphite's pictures of the overview, to be looked at."""
        board = grafana.boards()["overview.json"]
        values = values_of(board, "healthy")
        for panel in board["panels"]:
            if panel["type"] == "timeseries":
                name = "overview " + re.sub(r"\W+", " ", panel["title"]).strip()
                targets = [grafana.fill(it["target"], values) for it in panel["targets"]]
                STACK.png(name.replace(" ", "-").lower(), targets, self.since, hideLegend="false")
