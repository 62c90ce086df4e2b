"""The dashboards as files: whether they are whole, fit together and ask for what there is."""

import contextlib
import copy
import fnmatch
import io
import itertools
import json
import re
import sys
import tempfile
import unittest

import grafana
import metrics

sys.path.insert(0, str(grafana.ROOT / "monitoring" / "grafana"))
import dashboards  # noqa: E402
from grafana_foundation_sdk.cog.encoder import JSONEncoder  # noqa: E402
from grafana_foundation_sdk.models import dashboard as models  # noqa: E402
from grafana_foundation_sdk.models import units  # noqa: E402

SOURCE = {"type": "graphite", "uid": "graphite"}
# Grafana sets these itself.
BUILT_IN = {"__interval"}
KNOWN = metrics.known()
dashboards.register_types()
UNITS = {it for name, it in vars(units).items() if isinstance(it, str) and not name.startswith("__")}
# What a variable may be, by way of example.
VALUES = {"run": "loadgen", "scenario": "light", "step": "hello", "backend": "one"}


def paths(target):
    """Paths of metrics in a query."""
    return re.findall(r"stats\.(?:[^\s,(){}']|\{[^}]*\})+", target)


def alternatives(path):
    """`a.{b,c}` is `a.b` and `a.c`."""
    found = re.search(r"\{([^{}]*)\}", path)
    if not found:
        return [path]
    head, tail = path[: found.start()], path[found.end() :]
    return [it for part in found[1].split(",") for it in alternatives(head + part + tail)]


def is_known(path):
    """Whether the specification has metrics that this path, without variables, asks for."""
    nodes = path.split(".")
    return any(
        len(nodes) == len(parts) and all(map(fnmatch.fnmatchcase, parts, nodes))
        for parts in (it.split(".") for it in KNOWN)
    )


def overlaps(one, other):
    """Whether two places on the grid share a cell."""
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def read_typed(board):
    """The dashboard after Grafana's own types have read and written it: a wrong field does not survive."""
    board = copy.deepcopy(board)
    # In the SDK's type an annotation's query is Grafana's own; see graphite.EventQuery.
    of_events = [it["target"] for it in board["annotations"]["list"]]
    extra = [{key: it.pop(key) for key in ("refId", "queryType", "fromAnnotations")} for it in of_events]
    typed = models.Dashboard.from_json(board)
    # The SDK keeps the words that stand for a choice as they are: they are read here.
    for variable in typed.templating.list_val:
        models.VariableType(variable.type_val)
        models.VariableRefresh(variable.refresh)
        models.VariableSort(variable.sort)
    for link in typed.links:
        models.DashboardLinkType(link.type_val)
    models.DashboardCursorSync(typed.graph_tooltip)
    for panel in typed.panels:
        if panel.field_config.defaults.color:
            models.FieldColorModeId(panel.field_config.defaults.color.mode)
    written = json.loads(json.dumps(typed, cls=JSONEncoder))
    for it, fields in zip(written["annotations"]["list"], extra, strict=True):
        it["target"] |= fields
    return written


def problems(board, uids):
    """What is wrong with one dashboard, a sentence each."""
    found = []
    panels = board["panels"]
    try:
        if read_typed(board) != board:
            found.append("Grafana's types read something else")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return [f"Grafana's types cannot read it: {error!r}"]
    for what in ("id", "title"):
        values = [it[what] for it in panels]
        if len(set(values)) != len(values):
            found.append(f"two panels have one {what}")
    if len(panels) > 16:
        found.append(f"{len(panels)} panels are too many to look at")
    for one, other in itertools.combinations(panels, 2):
        if overlaps(one["gridPos"], other["gridPos"]):
            found.append(f"“{one['title']}” lies over “{other['title']}”")
    cells = sum(it["gridPos"]["w"] * it["gridPos"]["h"] for it in panels)
    bottom = max(it["gridPos"]["y"] + it["gridPos"]["h"] for it in panels)
    if any(it["gridPos"]["x"] + it["gridPos"]["w"] > 24 for it in panels) or cells < 24 * bottom:
        found.append("the grid has gaps, or panels stand out of it")

    for panel in panels:
        title, defaults = panel["title"], panel["fieldConfig"]["defaults"]
        if panel.get("datasource") != SOURCE:
            found.append(f"“{title}” has no data source")
        if len(panel.get("description", "")) < 30:
            found.append(f"“{title}” does not say what it shows")
        if defaults.get("unit") not in UNITS:
            found.append(f"“{title}” has no unit that Grafana knows: {defaults.get('unit')}")
        if not defaults.get("noValue"):
            found.append(f"“{title}” does not say what to do when it is empty")
        if panel.get("interval") != "1s":
            found.append(f"“{title}” does not ask for points of a second")
        letters = [it["refId"] for it in panel["targets"]]
        if not letters or len(set(letters)) != len(letters):
            found.append(f"“{title}” has no queries, or two of one letter")

    names = [it["name"] for it in grafana.variables(board)]
    if len(set(names)) != len(names):
        found.append("two variables have one name")
    if any(it.startswith("Grafana's types cannot") for it in found):
        return found
    asked = [("an annotation", tag) for it in board["annotations"]["list"] for tag in it["target"]["tags"]]
    asked += [(f"“{panel['title']}”", target["target"]) for panel, target in grafana.targets(board)]
    for index, variable in enumerate(grafana.variables(board)):
        where = f"variable {variable['name']}"
        if variable.get("datasource") != SOURCE:
            found.append(f"{where} has no data source")
        # A variable may only use those before it.
        for used in used_variables(variable["query"]) - set(names[:index]):
            found.append(f"{where} uses ${used}, which is not defined before it")
    for where, text in asked:
        for used in used_variables(text) - set(names) - BUILT_IN:
            found.append(f"{where} uses ${used}, which is not defined")
    for _, target in grafana.targets(board):
        if target.get("datasource") != SOURCE:
            found.append(f"{target['target']}: no data source")
    found += unknown_metrics(board)
    unused = set(names) - {used for _, text in asked for used in used_variables(text)}
    unused -= {used for it in grafana.variables(board) for used in used_variables(it["query"])}
    found += [f"${it} is used nowhere" for it in sorted(unused)]

    for link in board["links"]:
        uid = link["url"].removeprefix("/d/")
        if uid not in uids:
            found.append(f"the link {link['title']} leads to {link['url']}, which is no dashboard")
        if not (link["includeVars"] and link["keepTime"]):
            found.append(f"the link {link['title']} forgets what is chosen")
    if {it["url"].removeprefix("/d/") for it in board["links"]} != uids - {board["uid"]}:
        found.append("not every other dashboard is linked to")
    if board["refresh"] != "5s" or board["time"] != {"from": "now-15m", "to": "now"}:
        found.append("refresh and time range are not 5 s and the last 15 minutes")
    return found


def used_variables(text):
    return {it[1] or it[2] for it in grafana.VARIABLE.finditer(text.replace(r"\1", ""))}


def unknown_metrics(board):
    found = []
    for panel, target in grafana.targets(board):
        text = target["target"]
        asked = paths(text)
        if not asked:
            found.append(f"“{panel['title']}” asks for no metric: {text}")
        for path in asked:
            if used_variables(path) <= VALUES.keys():
                for it in alternatives(grafana.fill(path, VALUES)):
                    if not is_known(it):
                        found.append(f"“{panel['title']}” asks for {it}, which docs/src/metrics.md does not have")
        bare = re.sub(r"'[^']*'", "", text)
        if bare.count("(") != bare.count(")"):
            found.append(f"“{panel['title']}”: parentheses do not match: {text}")
    # The steps of a scenario, for example: a metric or something that metrics stand below.
    for variable in grafana.variables(board):
        for path in paths(variable["query"]):
            nodes = grafana.fill(path, VALUES).split(".")
            heads = {tuple(it.split(".")[: len(nodes)]) for it in KNOWN}
            if not any(len(it) == len(nodes) and all(map(fnmatch.fnmatchcase, it, nodes)) for it in heads):
                found.append(f"variable {variable['name']} asks for {path}, which docs/src/metrics.md does not have")
    return found


class Files(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.boards = grafana.boards()
        cls.uids = {it["uid"] for it in cls.boards.values()}

    def test_they_are_what_the_program_writes(self):
        self.assertEqual(dashboards.main(["--check", str(grafana.FOLDER)]), 0)
        self.assertEqual(set(self.boards), set(dashboards.files()))

    def test_a_stale_file_is_told(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(dashboards.main([folder]), 0)
            self.assertEqual(dashboards.main(["--check", folder]), 0)
            stale = grafana.pathlib.Path(folder, "grpc.json")
            stale.write_text(stale.read_text(encoding="utf-8").replace("5s", "6s"), encoding="utf-8")
            self.assertEqual(dashboards.main(["--check", folder]), 1)
        self.assertIn("grpc.json", said.getvalue())
        self.assertNotIn("errors.json", said.getvalue())

    def test_there_are_five(self):
        names = ["overview", "grpc", "websocket", "errors", "resources"]
        self.assertEqual(self.uids, {f"loadgen-{it}" for it in names})
        self.assertEqual(set(self.boards), {f"{it}.json" for it in names})
        titles = [it["title"] for it in self.boards.values()]
        self.assertEqual(len(set(titles)), 5)

    def test_each_is_sound(self):
        for name, board in self.boards.items():
            with self.subTest(name):
                self.assertEqual(problems(board, self.uids), [])

    def test_percentiles_are_not_added_up_or_averaged(self):
        for name, board in self.boards.items():
            for panel, target in grafana.targets(board):
                with self.subTest(f"{name}: {panel['title']}"):
                    if re.search(r"_us\.", target["target"]):
                        self.assertNotRegex(target["target"], "sumSeries|average|'sum'|'avg")


class Broken(unittest.TestCase):
    """Each of these would be let through if its check did not work."""

    def check(self, expected, breaking):
        boards = grafana.boards()
        uids = {it["uid"] for it in boards.values()}
        board = boards["overview.json"]
        breaking(board)
        self.assertRegex("\n".join(problems(board, uids)), expected)

    def test_broken_dashboards(self):
        def panel(board, index=8):
            return board["panels"][index]

        def defaults(board):
            return panel(board)["fieldConfig"]["defaults"]

        def target(board, text):
            panel(board)["targets"][0]["target"] = text

        cases = {
            "types read something else": lambda it: it.update(refresh_rate="5s"),
            "types read something else ": lambda it: panel(it).update(descriptoin="x"),
            "types cannot read it": lambda it: it["templating"].update(list=5),
            "types cannot read it: KeyError": lambda it: panel(it)["targets"][0].pop("target"),
            "types cannot read it.*VariableRefresh": lambda it: it["templating"]["list"][0].update(refresh=9),
            "two panels have one id": lambda it: panel(it).update(id=1),
            "two panels have one title": lambda it: panel(it).update(title=panel(it, 9)["title"]),
            "too many": lambda it: it["panels"].extend(it["panels"][:2]),
            "lies over": lambda it: panel(it)["gridPos"].update(x=1),
            "gaps": lambda it: it["panels"].pop(0),
            "stand out of it": lambda it: panel(it, 9)["gridPos"].update(x=13),
            "no data source": lambda it: panel(it).update(datasource={"type": "prometheus", "uid": "x"}),
            "does not say what it shows": lambda it: panel(it).update(description="A rate"),
            "no unit": lambda it: defaults(it).update(unit="us"),
            "what to do when it is empty": lambda it: defaults(it).pop("noValue"),
            "points of a second": lambda it: panel(it).pop("interval"),
            "two of one letter": lambda it: panel(it)["targets"][1].update(refId="A"),
            r"uses \$scenari, which is not defined": lambda it: target(it, "stats.gauges.$run.$scenari.users"),
            "asks for stats.gauges.loadgen.light.user,": lambda it: target(it, "stats.gauges.$run.$scenario.user"),
            "asks for stats.counters.loadgen.light.planned,": lambda it: target(
                it, "stats.counters.$run.$scenario.planned"
            ),
            "response_time_us.p98,": lambda it: target(it, "stats.gauges.$run.$scenario.response_time_us.{p95,p98}"),
            "asks for no metric": lambda it: target(it, "constantLine(1)"),
            "parentheses": lambda it: target(it, "sumSeries(stats.gauges.$run.$scenario.users"),
            "not defined before it": lambda it: it["templating"]["list"].reverse(),
            r"an annotation uses \$runn": lambda it: it["annotations"]["list"][0]["target"].update(tags=["$runn:x"]),
            r"\$step is used nowhere": lambda it: it["templating"]["list"].append(
                {**it["templating"]["list"][1], "name": "step"}
            ),
            "which is no dashboard": lambda it: it["links"][0].update(url="/d/loadgen-grcp"),
            "forgets what is chosen": lambda it: it["links"][0].update(includeVars=False),
            "not every other": lambda it: it["links"].pop(),
            "refresh and time range": lambda it: it.update(refresh="1m"),
        }
        for expected, breaking in cases.items():
            with self.subTest(expected):
                self.check(expected.strip(), breaking)

    def test_a_variable_that_asks_for_what_is_not_there(self):
        def breaking(board):
            board["templating"]["list"][1]["query"] = "stats.gauges.$run.$run.grcp.*"

        self.check("variable scenario asks for", breaking)


if __name__ == "__main__":
    unittest.main()
