"""The dashboards as Grafana reads them: panels, queries, and variables put in their place."""

import filecmp
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
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


def sent(target, values):
    """A query as Grafana's Graphite plugin sends it: its letter is put behind the name of each series."""
    letter = target["refId"]
    return fill(f'aliasSub({target["target"]}, "(^.*$)", "\\1 {letter}")', values)


def answered(target, series):
    """The answer as the plugin hands it on, without the letter."""
    letter = " " + target["refId"]
    if not all(it["target"].endswith(letter) for it in series):
        raise AssertionError(f"not all are named …{letter}: {[it['target'] for it in series]}")
    return [{**it, "target": it["target"].removesuffix(letter)} for it in series]


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


def packages():
    """The folder that has Grafana's own code and types, from npm; installed once for each lock file."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    folder = target / "grafana" / "packages"
    lock, stamp = HERE / "packages" / "package-lock.json", folder / "installed.json"
    if not (stamp.is_file() and filecmp.cmp(lock, stamp, shallow=False)):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file in lock.parent.iterdir():
            shutil.copy(file, folder)
        command = ["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=optional"]
        subprocess.run([*command, "--prefix", folder], check=True, stdin=subprocess.DEVNULL)
        shutil.copy(lock, stamp)
    return folder


def read(board, values, ask):
    """
    What a dashboard's panels say by Grafana's own code, by title; see read.cjs.

    `ask` hands a query to Graphite and returns its answer as it is.
    """

    def answer(target):
        return {"refId": target["refId"], "series": answered(target, ask(sent(target, values)))}

    panels = [
        {"panel": panel, "answers": [answer(it) for it in panel["targets"]]} for panel in board["panels"]
    ]
    with tempfile.NamedTemporaryFile(suffix=".json") as said:
        done = subprocess.run(
            ["node", HERE / "read.cjs", said.name],
            input=json.dumps(panels),
            env={**os.environ, "NODE_PATH": str(packages() / "node_modules")},
            capture_output=True,
            encoding="utf-8",
        )
        if done.returncode != 0:
            raise AssertionError(f"{board['uid']}: {done.stderr}")
        answers = json.load(said)
    return {panel["title"]: it for panel, it in zip(board["panels"], answers, strict=True)}
