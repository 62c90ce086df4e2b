#!/usr/bin/env python3
"""How loadgen holds out: 20,000 gRPC calls a second and three ways to use WebSocket, for many minutes,
against `loadgen serve`, which cuts connections on purpose and is killed and started again all through.

    tests/soak.py [MINUTES]     60 unless told, from 5 to 1440

LOADGEN names the binary; unless it is set, the release build is taken. SOAK_RATE is the calls a
second, where this machine cannot do 20,000. Every ten seconds a row with the memory of the run; at
the end what the ledger says. Ends with 1, and says why, when

- the memory grew: through the lowest of each ten seconds from the 150th on a line is laid, by least
  squares, and it may rise by 4 MiB from end to end. The points of the run over time may take 4 KiB
  a second besides, for the 600 seconds after which neighbours are merged;
- the ledger of any scenario does not balance, or did not plan exactly what the rate comes to;
- a failure is of another class than those of connections, or lies outside of an outage and is of no
  connection that was cut;
- what a server told StatsD that it answered is not what loadgen heard from it, but for what was
  under way when it was killed;
- loadgen ended otherwise than with 0 or 99.

All that it starts ends with it.
"""

import collections
import ctypes
import datetime
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
LOADGEN = os.environ.setdefault("LOADGEN", str(TARGET / "release" / "loadgen"))
sys.path.insert(0, str(ROOT / "tests" / "counterparts"))

# It asks where the binary is when it is imported.
from harness import check_books

RATE = int(os.environ.get("SOAK_RATE", "20000"))
VISITS_RATE = 100
# Calls, and messages, after which the servers cut a connection: every 15 seconds or so each.
CUT_AFTER = {"grpc": 15 * RATE, "websocket": 75}
# The most that a server answers in a second, more or less: a hundred talks are five messages a second.
MOST_PER_S = {"grpc": RATE, "websocket": VISITS_RATE + 500}
# Seconds from one restart to the next, and how long nobody is there.
RESTARTS_EVERY = 45
DOWN = 1
# How long after an outage something may still end that it has hurt: the time-out of a call, and the
# longest rest before connecting again.
AFTERMATH = 4
# Memory: nothing is judged before the windows of the percentiles have filled, and each server has been
# away twice: that makes more users at a time than ever before.
SETTLED_AFTER = 150
WINDOW = 10
MOST_GROWTH_KIB = 4096
POINTS_UNTIL = 600
POINTS_KIB_PER_S = 4


def suite(seconds):
    """Three scenarios that judge nothing."""
    common = {"timeout": "2s", "connect_timeout": "1s", "graceful_stop": "5s", "thresholds": []}
    echo = {"websocket": {"path": "/echo", "send": {"size": "64B", "as": "text"}}}
    more = {"websocket": {"path": "/echo", "send": {"size": "4KiB"}}}
    hello = {"grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "soak"}}}
    duration = f"{seconds}s"
    rest = {"between": ["200ms", "600ms"]}

    def arriving(rate, most):
        return {"open": {"rate": f"{rate}/s", "duration": duration, "users": {"max": most}}}

    return {
        "scenarios": [
            {"name": "calls", "load": arriving(RATE, 1000), "steps": [hello], **common},
            {
                "name": "talks",
                "load": {"closed": {"users": 100, "duration": duration, "think_time": rest}},
                "steps": [{"name": "echo", **echo}, {"name": "more", **more}],
                **common,
            },
            {
                "name": "visits",
                "load": arriving(VISITS_RATE, 500),
                "connection_per": "iteration",
                "steps": [echo],
                **common,
            },
        ]
    }


class Statsd:
    """Adds up the counters that servers send."""

    def __init__(self):
        self.counters = collections.Counter()
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._socket.getsockname())
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            for line in self._socket.recv(65536).decode().splitlines():
                name, value = line.split(":", 1)
                if value.endswith("|c"):
                    self.counters[name] += int(value[:-2])

    def answered(self, server):
        """How many requests this server says it has answered."""
        return self.counters[f"loadgen.backend.{server}.{server}.requests"]


class Server:
    """`loadgen serve` under one name on one port, however often it is killed."""

    def __init__(self, protocol, statsd):
        self.protocol = protocol
        self._statsd = statsd
        self.address = "127.0.0.1:0"
        # When nobody was there, in seconds since the epoch.
        self.outages = []
        self.start()

    def start(self):
        command = [LOADGEN, "serve", self.protocol, "--address", self.address, "--threads", "1"]
        command += ["--id", self.protocol, "--cut-after", str(CUT_AFTER[self.protocol])]
        command += ["--statsd", self._statsd.address]
        # The kernel gives a port back the moment its last owner is gone, and not earlier.
        for _ in range(50):
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
            )
            words = self._process.stdout.readline().split()
            if words[1:3] == ["listening", "on"]:
                self.address = words[3]
                return
            self.end(signal.SIGKILL)
            time.sleep(0.1)
        raise SystemExit(f"`{' '.join(command)}` does not start")

    def end(self, how):
        self._process.send_signal(how)
        self._process.wait()
        self._process.stdout.close()

    def restart(self):
        """Kills it, and starts it again after a while."""
        begun = time.time()
        self.end(signal.SIGKILL)
        time.sleep(DOWN)
        self.start()
        self.outages.append((begun, time.time()))

    def restart_now_and_then(self, first, over):
        """Does so until all is over."""
        wait = first
        while not over.wait(wait):
            self.restart()
            wait = RESTARTS_EVERY - DOWN


def without_huge_pages():
    """Has the kernel give this process, and what it becomes, pages of the usual size only.

    Where it may, it makes one of 2 MiB of each stretch that has been written to anywhere, at a time of
    its own. The memory of a process that asks for nothing then grows for an hour or more.
    """
    pr_set_thp_disable = 41
    if ctypes.CDLL(None, use_errno=True).prctl(pr_set_thp_disable, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_THP_DISABLE)")


def resident_kib(pid):
    """How much memory a process holds; nothing once it is gone."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    return found and int(found[1])


def watch(process, seconds):
    """Samples the memory once a second, `(second, KiB)`, until the process is gone."""
    samples = []
    begun = time.monotonic()
    print(f"{'second':>8} {'run KiB':>10}", flush=True)
    while process.poll() is None:
        now = time.monotonic() - begun
        resident = resident_kib(process.pid)
        # What the report takes at the end is no part of the load.
        if resident and now < seconds:
            if len(samples) % 10 == 0:
                print(f"{now:8.0f} {resident:10}", flush=True)
            samples.append((now, resident))
        if now > seconds + 60:
            process.kill()
            raise SystemExit("loadgen did not end by itself within a minute of its plan")
        time.sleep(max(0, len(samples) - (time.monotonic() - begun)) if now < seconds else 0.1)
    return samples


def memory(samples, settled_after=SETTLED_AFTER):
    """What is wrong with these samples, from so many seconds on."""
    lowest = {}
    for second, kib in samples:
        if second >= settled_after:
            window = int(second // WINDOW)
            lowest[window] = min(kib, lowest.get(window, kib))
    middle_x = sum(lowest) / len(lowest)
    middle_y = sum(lowest.values()) / len(lowest)
    rise = sum((x - middle_x) * (y - middle_y) for x, y in lowest.items())
    slope = rise / sum((x - middle_x) ** 2 for x in lowest) / WINDOW
    judged = (len(lowest) - 1) * WINDOW
    with_points = max(0, min(judged, POINTS_UNTIL - settled_after))
    most = MOST_GROWTH_KIB + POINTS_KIB_PER_S * with_points
    print(
        f"memory: {min(lowest.values())} to {max(lowest.values())} KiB; the line through the lowest"
        f" of each {WINDOW} s rises by {slope * judged:.0f} KiB in {judged} s, and may by {most}"
    )
    if slope * judged > most:
        yield f"memory rises by {slope * judged:.0f} KiB in {judged} s, and may by {most}"


def dated(scenario, outages, begun):
    """The failures of this scenario that nothing explains."""
    cut = False
    for point in scenario["series"]:
        dropped = point.get("connections", {}).get("dropped", 0) > 0
        # What ends with a connection may be seen in the second after it.
        explained = dropped or cut
        cut = dropped
        start = begun + point["t_s"]
        end = start + point["seconds"]
        explained |= any(start < up + AFTERMATH and down - 1 < end for down, up in outages)
        if point["failed"] and not explained:
            yield f"`{scenario['name']}`: {point['failed']} failed in second {point['t_s']}, in no outage"


def ledger(document, outages, seconds):
    """What is wrong with the books."""
    begun = datetime.datetime.fromisoformat(document["run"]["started_at"]).timestamp()
    planned = {"calls": RATE * seconds, "visits": VISITS_RATE * seconds}
    for scenario in document["scenarios"]:
        name, books, connections = scenario["name"], scenario["ledger"], scenario["connections"]
        print(f"{name}: {books}")
        print(f"  {scenario['outcomes']}")
        counts = {it: connections[it] for it in ("opened", "failed", "dropped", "reconnected")}
        print(f"  connections {counts}")
        try:
            check_books(scenario)
        except AssertionError as wrong:
            yield f"`{name}`: the books do not balance: {wrong}"
        if books["planned"] != planned.get(name, books["planned"]):
            yield f"`{name}`: planned {books['planned']}, and the rate comes to {planned[name]}"
        strange = set(scenario["outcomes"]) - {"ok", "connection", "connect", "timeout"}
        if strange:
            yield f"`{name}`: failures of {strange}"
        if connections["dropped"] == 0 and name != "visits":
            yield f"`{name}`: no connection was cut"
        if scenario["series"][-1]["completed"] == 0:
            yield f"`{name}`: nothing was answered in the last second"
        yield from dated(scenario, outages[scenario["protocol"]], begun)


def servers(document, both, statsd):
    """Where loadgen and the servers disagree about how many requests were answered."""
    heard, lost = collections.Counter(), collections.Counter()
    for scenario in document["scenarios"]:
        for backend in scenario["backends"]:
            heard[backend["id"]] += backend["requests"] - backend["failed"]
        # Answers that did not get through, and those nobody waited for any more.
        failed, interrupted = (scenario["ledger"][it] for it in ("failed", "interrupted"))
        lost[scenario["protocol"]] += failed + interrupted
    for server in both:
        name, kills = server.protocol, len(server.outages)
        told = statsd.answered(name)
        print(f"{name}: killed {kills} times, told of {told} answers, {heard[name]} got here")
        # Who is killed does not tell of what came since the last time a second was over.
        untold = 2 * kills * MOST_PER_S[name]
        # A talk that failed with its second message had one that was answered.
        if not heard[name] - untold <= told <= heard[name] + 2 * lost[name]:
            yield f"{name} told of {told} answers, and {heard[name]} got here"


def main():
    words = sys.argv[1:] or ["60"]
    if len(words) > 1 or not words[0].isdecimal() or not 5 <= int(words[0]) <= 1440:
        sys.exit(
            "MINUTES is a whole number from 5 to 1440: memory is judged from the 150th second on"
        )
    seconds = 60 * int(words[0])
    if not os.access(LOADGEN, os.X_OK):
        sys.exit(
            f"no loadgen binary at {LOADGEN}: build one with `cargo build --release`, or set LOADGEN"
        )
    for name in ("GRPC_HOST", "GRPC_PORT", "WEBSOCKET_HOST", "WEBSOCKET_PORT", "STATSD_HOST"):
        os.environ.pop(name, None)
    # Terminals and `timeout` end this as an error would, and so with what was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    statsd = Statsd()
    over = threading.Event()
    both, process = [], None
    with tempfile.TemporaryDirectory() as folder:
        try:
            both = [Server(protocol, statsd) for protocol in ("grpc", "websocket")]
            config, result = pathlib.Path(folder, "suite.json"), pathlib.Path(folder, "result.json")
            config.write_text(json.dumps(suite(seconds)), encoding="utf-8")
            command = [
                LOADGEN,
                "run",
                config,
                "--quiet",
                "--workers",
                "1",
                "--out",
                f"json={result}",
            ]
            for server in both:
                command += [f"--{server.protocol}-target", server.address]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, preexec_fn=without_huge_pages
            )
            restarts = []
            for server, first in zip(both, (30, 50)):
                thread = threading.Thread(target=server.restart_now_and_then, args=(first, over))
                thread.start()
                restarts.append(thread)
            samples = watch(process, seconds)
        finally:
            over.set()
            if process and process.poll() is None:
                process.kill()
                process.wait()
            for thread in restarts if process else []:
                thread.join()
            for server in both:
                server.end(signal.SIGTERM)
        document = json.loads(result.read_text(encoding="utf-8"))
    # The last figures are on their way.
    time.sleep(0.5)
    verdict = document["verdict"]
    print(
        f"exit code {process.returncode}; verdict {verdict['status']}",
        *verdict["reasons"],
        sep="; ",
    )
    outages = {server.protocol: server.outages for server in both}
    wrong = [*memory(samples), *ledger(document, outages, seconds)]
    wrong += servers(document, both, statsd)
    if process.returncode not in (0, 99):
        wrong.append(f"exit code {process.returncode}")
    print(f"{len(wrong)} things are wrong" if wrong else "nothing is wrong", *wrong, sep="\n  ")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
