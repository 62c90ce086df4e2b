#!/usr/bin/env python3
"""Makes 100,000 gRPC calls a second with the codec of our own, at a server that cuts connections meanwhile.

    tests/proof_codec.py [MINUTES]

An hour unless told, two minutes at the least. One call in ten has a message of its own, the others are the same. What
is due may be sent to a grid (`--pacing auto`), as a rate like this is meant to be made.
LOADGEN names the binary (`target/release/loadgen`), PROOF_RATE another rate. Exits with 1, and says why, when

- the memory grew: through the lowest of each ten seconds from the 60th on a line is laid, by least squares, and it may
  rise by 4 MiB from end to end. The points of the run over time may take 4 KiB a second besides, for the 600 seconds
  after which neighbours are merged;
- the ledger of a scenario does not balance, one call in a hundred was not started, or another codec spoke;
- a failure is of another class than those of connections, or lies where no connection was cut;
- the server does not count what loadgen does, but for calls that were under way when a connection was cut;
- loadgen ended otherwise than with 0 or 99.

All that it starts ends with it.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

RATE = int(os.environ.get("PROOF_RATE", "100000"))
# It asks for its own when it is imported.
os.environ["SOAK_RATE"] = str(RATE)

import soak

# The windows of the percentiles have filled by then, and each connection has been cut.
SETTLED_AFTER = 60


def suite(seconds):
    """Two scenarios that judge nothing."""
    common = {"codec": "own", "timeout": "2s", "connect_timeout": "1s", "graceful_stop": "5s", "thresholds": []}

    def calling(name, share, who):
        load = {"rate": f"{RATE * share // 10}/s", "duration": f"{seconds}s", "users": {"max": 250}}
        hello = {"grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": who}}}
        return {"name": name, "load": {"open": load}, "connections": 4, "steps": [hello], **common}

    return {"scenarios": [calling("constant", 9, "proof"), calling("templated", 1, "{{ uuid() }}")]}


def books(document, seconds):
    """What is wrong with them."""
    for scenario in document["scenarios"]:
        name, ledger, connections = scenario["name"], scenario["ledger"], scenario["connections"]
        counts = {it: connections[it] for it in ("opened", "failed", "dropped", "reconnected")}
        print(f"{name}: {ledger}\n  {scenario['outcomes']}\n  connections {counts}")
        try:
            soak.check_books(scenario)
        except AssertionError as wrong:
            yield f"`{name}`: the books do not balance: {wrong}"
        planned = RATE * {"constant": 9, "templated": 1}[name] // 10 * seconds
        if ledger["planned"] != planned:
            yield f"`{name}`: planned {ledger['planned']}, and the rate comes to {planned}"
        if ledger["started"] < 0.99 * planned:
            yield f"`{name}`: {ledger['started']} of {planned} calls were started: this machine does not do it"
        if scenario["codec"] != "own":
            yield f"`{name}`: the codec is {scenario['codec']}"
        strange = {key for key, count in scenario["outcomes"].items() if count} - {"ok", "connection", "connect"}
        if strange:
            yield f"`{name}`: failures of {strange}"
        yield from soak.dated(scenario, [], 0)
    if not any(scenario["connections"]["dropped"] for scenario in document["scenarios"]):
        yield "no connection was cut"


def main():
    words = sys.argv[1:] or ["60"]
    if len(words) > 1 or not words[0].isdecimal() or not 2 <= int(words[0]) <= 1440:
        sys.exit("MINUTES is a whole number from 2 to 1440: memory is judged from the 60th second on")
    seconds = 60 * int(words[0])
    if not os.access(soak.LOADGEN, os.X_OK):
        sys.exit(f"no loadgen binary at {soak.LOADGEN}: build one with `cargo build --release`, or set LOADGEN")
    for name in ("GRPC_HOST", "GRPC_PORT", "STATSD_HOST"):
        os.environ.pop(name, None)
    # Terminals and `timeout` end this as an error would, and so with what was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    statsd = soak.Statsd()
    server, process = soak.Server("grpc", statsd), None
    with tempfile.TemporaryDirectory() as folder:
        try:
            config, result = pathlib.Path(folder, "suite.json"), pathlib.Path(folder, "result.json")
            config.write_text(json.dumps(suite(seconds)), encoding="utf-8")
            command = [soak.LOADGEN, "run", config, "--quiet", "--workers", "1", "--pacing", "auto"]
            command += ["--out", f"json={result}", "--grpc-target", server.address]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, preexec_fn=soak.without_huge_pages
            )
            samples = soak.watch(process, seconds)
        finally:
            if process and process.poll() is None:
                process.kill()
                process.wait()
            server.end(signal.SIGTERM)
        document = json.loads(result.read_text(encoding="utf-8"))
    # The last figures are on their way.
    time.sleep(0.5)
    verdict = document["verdict"]
    print(f"exit code {process.returncode}; verdict {verdict['status']}", *verdict["reasons"], sep="; ")
    wrong = [*soak.memory(samples, SETTLED_AFTER), *books(document, seconds)]
    wrong += soak.servers(document, [server], statsd)
    if process.returncode not in (0, 99):
        wrong.append(f"exit code {process.returncode}")
    print(f"{len(wrong)} things are wrong" if wrong else "nothing is wrong", *wrong, sep="\n  ")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
