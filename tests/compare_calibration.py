#!/usr/bin/env python3
"""Whether `loadgen compare` takes chance for more, and finds what is there, with real runs.

Two groups of ten runs of one build, taken by turns, differ in nothing but chance: how often is any figure called
better or worse? All of these runs divided into two groups at random: how often then? And a server that takes a
tenth longer for each answer: is its p50 found to be worse?

    tests/compare_calibration.py [PAIRS] [SPLITS]

PAIRS of groups (1 unless told) take 20 s each, and SPLITS (200 unless told) some time of one core. LOADGEN says which
program is tried.
"""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

LOADGEN = os.environ.get("LOADGEN", "loadgen")
RUNS = 10
# On a machine that is not idle some runs are invalid; what chance does is to be seen all the same.
COMPARE = ["compare", "--json", "--within", "0%", "--force"]


def loadgen(*args):
    """What it prints; a threshold that does not hold is no matter here."""
    done = subprocess.run([LOADGEN, *args], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 99):
        sys.exit(f"loadgen {' '.join(args)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def runs_by_turns(folder, pair, flags):
    """So many runs for each of these flags, one after the other; the files of each."""
    files = [[] for _ in flags]
    for nth in range(RUNS):
        for side, of_side in enumerate(flags):
            path = str(folder / f"{pair}-{side}-{nth}.json")
            loadgen("run", "-q", "-s", "hello_high", "-d", "1s", "-o", f"json={path}", *of_side)
            files[side].append(path)
    return files


def compared(base, new):
    """Each figure of the scenario as a whole, by its metric."""
    document = json.loads(loadgen(*COMPARE, *base, "--", *new))
    return {it["metric"]: it for it in document["scenarios"][0]["figures"]}


def tell(what, comparisons):
    """How often chance was taken for more."""
    claims = sum(any(it["verdict"] in ("better", "worse") for it in all.values()) for all in comparisons)
    by_metric = {}
    for figures in comparisons:
        for metric, it in figures.items():
            by_metric[metric] = by_metric.get(metric, 0) + (it.get("p", 1) <= 0.05)
    print(f"{what}: any figure called better or worse in {claims} of {len(comparisons)}")
    for metric, count in by_metric.items():
        print(f"  {metric}: p <= 0.05 in {count}")


class Server:
    """A server that takes this long for each answer."""

    def __init__(self, delay):
        flags = ["serve", "grpc", "--address", "127.0.0.1:0", "--id", "b", "--delay", delay]
        self.process = subprocess.Popen([LOADGEN, *flags], stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().split()[3]

    def __enter__(self):
        return ["--grpc-target", self.address, "-c", "8"]

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def main():
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    splits = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        groups = [runs_by_turns(folder, pair, [[], []]) for pair in range(pairs)]
        tell("groups taken by turns", [compared(*it) for it in groups])
        every = [path for group in groups for side in group for path in side]
        documents = [json.loads(pathlib.Path(it).read_text()) for it in every]
        rates = [it["scenarios"][0]["throughput_per_s"] for it in documents]
        invalid = sum(it["verdict"]["status"] == "invalid" for it in documents)
        print(f"{len(every)} runs, {invalid} of them invalid, {min(rates):.0f}/s to {max(rates):.0f}/s")
        chance = random.Random(15)
        divided = []
        for _ in range(splits):
            drawn = chance.sample(every, 2 * RUNS)
            divided.append(compared(drawn[:RUNS], drawn[RUNS:]))
        tell("groups divided at random", divided)
        with Server("10ms") as before, Server("11ms") as after:
            p50 = compared(*runs_by_turns(folder, "slower", [before, after]))["response_time.p50"]
        print(f"a tenth slower: p50 {p50['verdict']}, {p50['change']}, p {p50['p']}")


if __name__ == "__main__":
    main()
