"""The dashboards read by TypeScript with the types of Grafana (npm's `@grafana/schema`)."""

import copy
import json
import pathlib
import subprocess
import tempfile
import unittest

import grafana

FOLDER = grafana.packages()
COMPOSABLE = "@grafana/schema/dist/esm/raw/composable"
# The types write a choice as an enumeration, JSON as its word.
HEAD = f"""
import type {{ Dashboard }} from "@grafana/schema";
import type * as stat from "{COMPOSABLE}/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as timeseries from "{COMPOSABLE}/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
import type * as xychart from "{COMPOSABLE}/xychart/panelcfg/x/XYChartPanelCfg_types.gen";

type Json<T> = T extends string ? `${{T}}`
  : T extends number | boolean | null | undefined ? T
  : T extends (infer Item)[] ? Json<Item>[]
  : T extends object ? {{ [Key in keyof T]: Json<T[Key]> }}
  : T;
"""


def script(board):
    """The dashboard as a constant of Grafana's type, and so are its panels' settings."""
    board = copy.deepcopy(board)
    for variable in board["templating"]["list"]:
        # The SDK writes them for every variable; they are an interval's, and ignored elsewhere.
        for key in ("auto", "auto_min", "auto_count"):
            variable.pop(key)
    for annotation in board["annotations"]["list"]:
        # A query is whatever its data source reads; of this one Grafana publishes no type.
        annotation["target"] = {"refId": annotation["target"]["refId"]}
    lines = [HEAD, f"export const board: Json<Dashboard> = {json.dumps(board, indent=1)};"]
    for panel in board["panels"]:
        name, kind = f"panel{panel['id']}", panel["type"]
        lines.append(f"export const {name}: Json<{kind}.Options> = {json.dumps(panel['options'])};")
        if kind != "stat":
            custom = json.dumps(panel["fieldConfig"]["defaults"].get("custom", {}))
            lines.append(f"export const {name}Lines: Json<{kind}.FieldConfig> = {custom};")
    return "\n".join(lines)


def complaints(boards):
    """What TypeScript says of these."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        files = []
        for name, board in boards.items():
            files.append(pathlib.Path(folder, name).with_suffix(".ts"))
            files[-1].write_text(script(board), encoding="utf-8")
        command = [FOLDER / "node_modules" / ".bin" / "tsc", "--noEmit", "--strict", "--skipLibCheck"]
        command += ["--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"]
        done = subprocess.run(
            [*command, *files], stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8"
        )
        return done.stdout + done.stderr


class Types(unittest.TestCase):
    maxDiff = None

    def test_every_dashboard_is_one(self):
        self.assertEqual(complaints(grafana.boards()), "")

    def test_what_is_none_is_told(self):
        def first(board, kind):
            return next(it for it in board["panels"] if it["type"] == kind)

        cases = {
            "refrsh": lambda it: it.update(refrsh="5s"),
            "VariableRefresh|'9'": lambda it: it["templating"]["list"][0].update(refresh=9),
            "tabel": lambda it: first(it, "timeseries")["options"]["legend"].update(displayMode="tabel"),
            "drawStile": lambda it: first(it, "timeseries")["fieldConfig"]["defaults"]["custom"].update(
                drawStile="line"
            ),
            "rainbow": lambda it: first(it, "stat")["options"].update(colorMode="rainbow"),
            "automatic": lambda it: first(it, "xychart")["options"].update(mapping="automatic"),
            "'string' is not assignable to type 'number'": lambda it: first(it, "stat")["gridPos"].update(w="3"),
        }
        boards = {}
        for number, breaking in enumerate(cases.values()):
            board = grafana.boards()["overview.json"]
            breaking(board)
            boards[f"broken{number}"] = board
        said = complaints(boards)
        for number, expected in enumerate(cases):
            with self.subTest(expected):
                lines = "\n".join(it for it in said.splitlines() if f"broken{number}.ts" in it)
                self.assertRegex(lines, expected)


if __name__ == "__main__":
    unittest.main()
