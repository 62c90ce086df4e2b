"""The dashboards as Grafana reads them: panels, queries, and variables put in their place."""

import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "monitoring" / "grafana" / "dashboards"
# `$name` and `${name}`.
VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


def boards():
    """What is checked in, by file name."""
    return {it.name: json.loads(it.read_text(encoding="utf-8")) for it in sorted(FOLDER.glob("*.json"))}


def targets(board):
    """Every query of every panel: panel, query."""
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield panel, target


def variables(board):
    return board["templating"]["list"]


def fill(text, values):
    """Puts values in: one as it is, several as Graphite's `{a,b}`, as Grafana does for Graphite."""

    def value(found):
        it = values[found[1] or found[2]]
        if isinstance(it, str):
            return it
        return it[0] if len(it) == 1 else "{" + ",".join(it) + "}"

    return VARIABLE.sub(value, text)


def options(variable, values, find, expand):
    """
    What a variable offers. `find` and `expand` ask Graphite: names of the last node, whole paths.

    Grafana keeps what the variable's pattern matches; of a pattern with a group, what the group holds.
    """
    query = variable["query"]
    whole = re.fullmatch(r"expand\((.*)\)", query)
    found = expand(fill(whole[1], values)) if whole else find(fill(query, values))
    pattern = re.compile(variable.get("regex", "").strip("/"))
    matches = filter(None, map(pattern.search, found))
    return sorted({it[1] if pattern.groups else it.string for it in matches})


def all_values(board, run, find, expand):
    """The variables of a dashboard with a run chosen, and of everything else all."""
    values = {}
    for variable in variables(board):
        offered = options(variable, values, find, expand)
        if variable["name"] == "run":
            if run not in offered:
                raise AssertionError(f"{board['uid']}: no run {run} among {offered}")
            values["run"] = run
        else:
            # As the dashboards are set, "All" is every option. Without any there is nothing to put in.
            values[variable["name"]] = offered or ""
    return values
