"""Running the loadgen binary and reading what it says."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PROTOS = HERE / "proto"
LOADGEN = os.environ["LOADGEN"]
# The longest that anything here may take, in seconds. A hang is a failure, not a long wait.
PATIENCE = 60


def tool(name):
    """The path of a program that must be there."""
    path = shutil.which(name)
    if path is None:
        raise RuntimeError(f"`{name}` is not installed: these tests fail rather than skip")
    return path


def run(*scenarios, expect=0, flags=()):
    """Runs scenarios, checks what holds for every run, and returns the result document."""
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "scenarios.json")
        config.write_text(json.dumps({"scenarios": scenarios}), encoding="utf-8")
        done = subprocess.run(
            [LOADGEN, "run", "--config", config, "--json", *flags],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            encoding="utf-8",
            check=False,
        )
    if done.returncode != expect:
        raise AssertionError(
            f"exit code {done.returncode}, expected {expect}\n{done.stderr}\n{done.stdout[:2000]}"
        )
    if expect not in (0, 99):
        return done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "loadgen.result/1", document["schema"]
    for scenario in document["scenarios"]:
        check_books(scenario)
    return document


def run_one(scenario, **options):
    """Runs one scenario and returns its part of the result document."""
    (found,) = run(scenario, **options)["scenarios"]
    return found


def check_books(scenario):
    """What adds up in every run, whatever the service did."""
    ledger = scenario["ledger"]
    ended = ledger["completed"] + ledger["failed"]
    outcomes = scenario["outcomes"]
    assert ledger["planned"] == ledger["started"] + ledger["dropped"], ledger
    assert ledger["started"] == ended + ledger["interrupted"], ledger
    assert sum(outcomes.values()) == ended, (outcomes, ledger)
    assert outcomes.get("ok", 0) == ledger["completed"], (outcomes, ledger)
    assert scenario["response_time_us"]["count"] == ended, scenario["response_time_us"]
    assert scenario["service_time_us"]["count"] == ended, scenario["service_time_us"]


def scenario(name, address, *steps, load=None, **fields):
    """A scenario that judges nothing: the tests do."""
    return {
        "name": name,
        "targets": [address],
        "load": load or {"closed": {"users": 8, "iterations": 400}},
        "steps": list(steps),
        "thresholds": [],
        **fields,
    }


def call(method, message=None, **fields):
    """A step that calls the shop."""
    grpc = {"method": f"shop.v1.Shop/{method}", "message": message or {}, **fields}
    return {"name": method.lower(), "grpc": grpc}


class Serve:
    """`loadgen serve grpc` on a free port. Use it in a `with`."""

    def __init__(self, *flags):
        self._process = subprocess.Popen(
            [LOADGEN, "serve", "grpc", "--address", "127.0.0.1:0", *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        line = self._process.stdout.readline()
        words = line.split()
        if words[:3] != ["grpc", "listening", "on"]:
            self._process.kill()
            raise AssertionError(f"the first line is {line!r}")
        self.address = words[3]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def terminate(self):
        """Asks it to end, and returns its exit code and how long it took."""
        begun = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=PATIENCE), time.monotonic() - begun
