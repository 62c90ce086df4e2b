"""What the result document says that StatsD must have been told: docs/src/metrics.md, "Counters"."""

import re

# In names, what is none of these becomes `_`.
NOT_SAFE = re.compile(r"[^A-Za-z0-9_-]")


def clean(name):
    """A scenario's, step's or backend's name as one part of a metric's."""
    return NOT_SAFE.sub("_", name)[:200] or "_"


def outcome(key):
    """An outcome's key: its class and, behind the first dot, what the class says."""
    return ".".join(clean(part) for part in key.split(".", 1))


def told_of(scenario):
    """The servers that sinks are told of: those with a name, and beside them what is of nobody, where it is any."""
    *named, unknown = scenario["backends"]
    return [*named, unknown] if named and unknown["requests"] else named


def of_scenario(scenario):
    """The counters of one scenario of the document, by name without prefix and scenario."""
    counters = dict(scenario["ledger"]) | {"unanswered": scenario["unanswered"]}
    counters |= {f"outcomes.{outcome(key)}": it for key, it in scenario["outcomes"].items()}
    counters |= {f"bytes.{way}": scenario["bytes"][way] for way in ("sent", "received")}
    counters |= {
        f"connections.{what}": scenario["connections"][what]
        for what in ("opened", "failed", "dropped", "reconnected", "redirects")
    }
    messages = {"sent": 0, "received": 0}
    for step in scenario["steps"]:
        head = f"steps.{clean(step['name'])}"
        counters[f"{head}.requests"] = sum(step["outcomes"].values())
        counters[f"{head}.failed"] = sum(
            it for key, it in step["outcomes"].items() if key != "ok"
        )
        counters |= {f"{head}.outcomes.{outcome(key)}": it for key, it in step["outcomes"].items()}
        for what, count in step.get("messages", {}).items():
            if what.endswith("_per_s"):
                continue
            counters[f"{head}.messages_{what}"] = count
            if what in messages:
                messages[what] += count
    counters |= {f"messages.{way}": count for way, count in messages.items()}
    for backend in told_of(scenario):
        head = f"backends.{clean(backend['id'])}"
        counters[f"{head}.requests"] = backend["requests"]
        counters[f"{head}.failed"] = backend["failed"]
    return counters


def expected(document, prefix):
    """The counters that a document stands for, by their names in StatsD."""
    scenarios = document["scenarios"]
    names = [it["name"] for it in scenarios]
    wanted = {}
    for scenario in scenarios:
        name = clean(scenario["name"])
        if names.count(scenario["name"]) > 1:
            name += f"_{clean(scenario['protocol'])}"
        for metric, count in of_scenario(scenario).items():
            # Of what never happened nothing is sent.
            if count:
                wanted[f"{prefix}.{name}.{metric}"] = count
    return wanted


def differences(counted, document, prefix):
    """Where counters and document disagree, a line each.

    What a reference backend counts for itself (`<prefix>.backend.…`) has no figure in the document
    either: it may have been asked more than was heard of.
    """
    wanted = expected(document, prefix)

    def compares(name):
        return name in wanted or not name.startswith(f"{prefix}.backend.")

    return [
        f"{name}: {counted.get(name)} counted, {wanted.get(name)} in the document"
        for name in sorted(filter(compares, wanted.keys() | counted.keys()))
        if counted.get(name, 0) != wanted.get(name, 0)
    ]
