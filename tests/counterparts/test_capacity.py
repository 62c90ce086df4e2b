"""How loadgen classifies loads is how PyPI's MLRsearch does, from the same trials.

Compared are the classification of each load, the relevant bounds and the conditional rate for one goal. Which trial
is next is not: the draft leaves it open, and so it differs. So does, on purpose, what comes on top and is turned off
here (`doubt` of 1): a load that all trials agree on by MLRsearch is a bound for loadgen only when they would hardly be
that one-sided by chance.
"""

import json
import os
import pathlib
import random
import subprocess
import tempfile
import unittest

from MLRsearch.discrete_load import DiscreteLoad
from MLRsearch.discrete_result import DiscreteResult
from MLRsearch.discrete_width import DiscreteWidth
from MLRsearch.goal_result import GoalResult
from MLRsearch.load_rounding import LoadRounding
from MLRsearch.measurement_database import MeasurementDatabase
from MLRsearch.target_spec import TargetSpec
from MLRsearch.trial_measurement.measurement_result import MeasurementResult

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The tests of all of the workspace have built it, with the same features.
BUILD = ["cargo", "build", "--quiet", "--workspace", "--example", "capacity"]
EXAMPLE = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/examples/capacity"

# In seconds, where nothing is built yet.
BUILDING = 900

SCRIPTS = 100
OFFERED = 1000


def script(number):
    """Trials of loads around a capacity of 5,000/s: held far below, not held far above, and in between either."""
    chance = random.Random(number)
    full_s = chance.choice([2, 3, 8])
    trials = []
    for load in chance.sample(range(1, 200), chance.randint(3, 12)):
        for _ in range(chance.randint(1, 9)):
            is_held = chance.random() < 1 / (1 + 2 ** ((load - 100) / 20))
            trials.append(
                {
                    "load": load,
                    "duration_s": chance.choice([1, full_s, full_s, 2 * full_s]),
                    "lost": 0 if is_held else chance.randint(1, 400),
                }
            )
    chance.shuffle(trials)
    return {
        "exceed_ratio": chance.choice([0.5, 0.5, 0.25, 0.0]),
        "final_duration_s": full_s,
        "duration_sum_s": full_s * chance.choice([1, 3, 5]),
        "trials": trials,
    }


def rate(load):
    """Short enough to be the same number in any reader's hands."""
    return load and round(float(load), 3)


def by_mlrsearch(script):
    rounding = LoadRounding(min_load=50.0, max_load=50_000.0, float_goals=(0.02,))
    target = TargetSpec(
        loss_ratio=0.0,
        exceed_ratio=script["exceed_ratio"],
        discrete_width=DiscreteWidth(rounding=rounding, float_width=0.02),
        trial_duration=float(script["final_duration_s"]),
        duration_sum=float(script["duration_sum_s"]),
        expansion_coefficient=2,
        fail_fast=False,
        preceding=None,
    )
    database = MeasurementDatabase(targets=(target,))
    trials = []
    for trial in script["trials"]:
        load = DiscreteLoad(rounding=rounding, int_load=trial["load"])
        result = MeasurementResult(
            intended_duration=trial["duration_s"],
            intended_load=float(load),
            offered_count=OFFERED,
            loss_count=trial["lost"],
        )
        database.add(DiscreteResult.with_load(result=result, load=load))
        trials.append(
            {
                "rate": rate(load),
                "duration_s": trial["duration_s"],
                "held": result.loss_ratio <= 0.0,
                "kept": 1 - result.loss_ratio,
            }
        )
    names = {(True, True): "lower", (False, False): "upper", (True, False): "undecided"}
    loads = [
        {"rate": rate(load), "class": names[stats.estimates(target)]}
        for load, stats in database.load_to_stats.items()
    ]
    result = GoalResult.from_bounds(database.get_relevant_bounds(target))
    conditional = None
    if result.relevant_lower_bound:
        ratio = result.relevant_lower_bound.target_to_stat[target].pessimistic_loss_ratio
        conditional = rate(result.relevant_lower_bound) * (1 - ratio)
    expected = {
        "loads": loads,
        "lower": rate(result.relevant_lower_bound),
        "upper": rate(result.relevant_upper_bound),
        "conditional": conditional,
    }
    return {**script, "trials": trials}, expected


class Classification(unittest.TestCase):
    def test_loads_are_classified_as_mlrsearch_does(self):
        given, expected = zip(*(by_mlrsearch(script(number)) for number in range(SCRIPTS)))
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "scripts.json"
            path.write_text(json.dumps(given))
            subprocess.run(BUILD, cwd=ROOT, check=True, timeout=BUILDING)
            ended = subprocess.run(
                [EXAMPLE, path], cwd=ROOT, capture_output=True, encoding="utf-8", timeout=BUILDING
            )
        self.assertEqual(ended.returncode, 0, ended.stderr)
        found = json.loads(ended.stdout)
        self.assertEqual(len(found), SCRIPTS)
        for number, (ours, theirs) in enumerate(zip(found, expected)):
            with self.subTest(number):
                self.assertEqual(ours["loads"], theirs["loads"])
                self.assertEqual(ours["lower"], theirs["lower"])
                self.assertEqual(ours["upper"], theirs["upper"])
                if theirs["conditional"] is None:
                    self.assertIsNone(ours["conditional"])
                else:
                    self.assertAlmostEqual(ours["conditional"], theirs["conditional"], 6)
        classes = {load["class"] for theirs in expected for load in theirs["loads"]}
        self.assertEqual(classes, {"lower", "upper", "undecided"})


if __name__ == "__main__":
    unittest.main()
