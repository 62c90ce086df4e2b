"""The metrics that docs/src/metrics.md says there are."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "src" / "metrics.md").read_text(encoding="utf-8")
STATISTICS = ("mean", "p50", "p90", "p95", "p99", "p999", "max")
# What a name is made of where the tables leave it open, by way of example: what a run might send.
EXAMPLES = {
    "<prefix>": ("loadgen",),
    "<scenario>": ("light", "heavy"),
    "<step>": ("hello",),
    "<backend>": ("one", "two"),
    "<protocol>": ("grpc", "websocket"),
    "<outcome>": ("ok", "timeout", "grpc.UNAVAILABLE"),
    "<name>": ("own",),
    "<statistic>": STATISTICS,
}


def specified():
    """Every name of the tables with its open parts: `("gauges", "<prefix>.<scenario>.users")`."""
    names = []
    for part in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        kind = part.split("\n", 1)[0].lower()
        if kind not in ("counters", "gauges"):
            continue
        for section in part.split("\n### ")[1:]:
            heading, *lines = section.splitlines()
            (root,) = re.findall(r"`(<prefix>[^`]*)\.`", heading)
            for line in lines:
                if line.startswith("| `"):
                    names += [(kind, f"{root}.{it}") for it in re.findall(r"`([^`]+)`", line.split("|")[1])]
    return names


def examples(name):
    """What a name stands for, with every example for each of its open parts."""
    opened = re.search(r"<\w+>", name)
    if not opened:
        return [name]
    return [
        it
        for example in EXAMPLES[opened[0]]
        for it in examples(name.replace(opened[0], example, 1))
    ]


def known():
    """Graphite's paths of all examples: what a dashboard may ask for."""
    return {
        f"stats.{kind}.{it}{'.count' if kind == 'counters' else ''}"
        for kind, name in specified()
        for it in examples(name)
    }
