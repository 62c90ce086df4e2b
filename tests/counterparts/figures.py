"""The counters that a result document stands for, as sinks with labels tell them."""

from ledger import told_of


def counters(document):
    """By name, words joined by dots, and labels: what each counter must be."""
    found = {}
    for scenario in document["scenarios"]:
        own = {"scenario": scenario["name"], "protocol": scenario["protocol"]}

        def put(name, value, own=own, **labels):
            found[name, frozenset((own | labels).items())] = value

        for key, value in scenario["ledger"].items():
            put(key, value)
        for key, value in scenario["outcomes"].items():
            put("outcomes", value, outcome=key)
        for key in ("sent", "received"):
            put(f"bytes.{key}", scenario["bytes"][key])
        for key in ("opened", "failed", "dropped", "reconnected", "redirects"):
            put(f"connections.{key}", scenario["connections"][key])
        for backend in told_of(scenario):
            put("backends.requests", backend["requests"], backend=backend["id"])
            put("backends.failed", backend["failed"], backend=backend["id"])
        for step in scenario["steps"]:
            put("steps.requests", step["response_time_us"]["count"], step=step["name"])
            if len(scenario["steps"]) == 1:
                # The step's are the scenario's.
                for key, value in scenario["outcomes"].items():
                    put("steps.outcomes", value, step=step["name"], outcome=key)
            # The document leaves the messages out where they are one and its reply.
            for key in ("sent", "received", "missing", "out_of_order", "unexpected", "too_late"):
                if "messages" in step:
                    put(f"steps.messages_{key}", step["messages"].get(key, 0), step=step["name"])
    return found
