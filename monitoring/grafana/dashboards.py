#!/usr/bin/env python3
"""
Writes the five Grafana dashboards, as JSON for Grafana to load.

    dashboards.py [--check] FOLDER

With `--check` it writes nothing and says which files are not what it would write.
"""

import json
import pathlib
import sys

import graphite
from boards.errors import errors
from boards.grpc import grpc
from boards.overview import overview
from boards.resources import resources
from boards.websocket import websocket
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins


def register_types() -> None:
    """Lets the SDK read what is written here back into its types."""
    register_default_plugins()
    graphite.register()


def files() -> dict[str, str]:
    """What each file holds, by its name."""
    made = [overview(), grpc(), websocket(), errors(), resources()]
    return {
        f"{it.uid.removeprefix('loadgen-')}.json": json.dumps(it, cls=JSONEncoder, indent=2) + "\n"
        for it in made
    }


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    folders = [it for it in arguments if it != "--check"]
    if len(folders) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    folder = pathlib.Path(folders[0])
    status = 0
    for name, text in files().items():
        path = folder / name
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            print(f"{path}: not what monitoring/grafana would write: run `just dashboards`", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
