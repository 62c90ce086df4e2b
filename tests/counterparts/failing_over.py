"""Proxies in front of three gRPC servers that a run starts, kills, freezes and asks to go, beside their own logs.

    just failover [ROUNDS] [PROXY...]

prints what loadgen says of each failover beside what the proxy's log says, medians of the rounds, in seconds.
"""

import contextlib
import pathlib
import re
import statistics
import sys
import threading
import time

import grpc
import proxies
from grpc_health.v1 import health_pb2, health_pb2_grpc
from harness import Run, free_port

# What it takes to say that something is over, in seconds, as in loadgen's definitions.
SETTLE = 0.5
# What has begun so shortly before a server was gone was under way then.
UNDER_WAY = 0.1
# How long an answer may take to be a good one.
OK_WITHIN = 0.25
NAMES = ("b1", "b2", "b3")
# How b2 is taken away, one after the other, and for how long, in seconds.
EVENTS = ("kill", "freeze", "drain")
FIRST, AWAY = 3, 2.5
# What is told of an event, in the order in which it is printed.
FIGURES = ("lost", "slow", "detected", "relapses", "recovered", "returned", "rebalanced")


class Watched:
    """When a server was there and when not: by the kernel's tables, and by what it says of its health.

    Use it in a `with`. `gone` and `back` are times of the clock.
    """

    def __init__(self, port):
        self._port = port
        self._pattern = re.compile(rf" 0100007F:{port:04X} 00000000:0000 0A ")
        self._over = threading.Event()
        self._leaves = threading.Event()
        self._threads = [threading.Thread(target=it) for it in (self._look, self._listen)]
        self.gone = []
        self.back = []

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _look(self):
        table, was, process = pathlib.Path("/proc/net/tcp"), False, None
        while not self._over.wait(0.008):
            listens = bool(self._pattern.search(table.read_text(encoding="ascii")))
            if not listens:
                process = None
                self._leaves.clear()
            elif process is None:
                process = self._process()
            serves = listens and not self._leaves.is_set() and not _stands(process)
            if was != serves:
                (self.back if serves else self.gone).append(time.time())
                was = serves

    def _process(self):
        """Where the kernel tells of the process that was told to listen there."""
        for found in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if f"127.0.0.1:{self._port}\0".encode() in found.read_bytes() and b"\0serve\0" in found.read_bytes():
                    return found.with_name("stat")
        return None

    def _listen(self):
        """Hears from the server itself that it is about to go."""
        while not self._over.wait(0.02):
            with grpc.insecure_channel(f"127.0.0.1:{self._port}") as channel, contextlib.suppress(grpc.RpcError):
                asked = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=1)
                for told in asked:
                    if told.status == health_pb2.HealthCheckResponse.NOT_SERVING:
                        self._leaves.set()


def _stands(stat):
    """Whether a process is stopped."""
    try:
        return stat is not None and ") T " in stat.read_text(encoding="utf-8")
    except OSError:
        return False


def figures(log, port, gone, back, until):
    """What the log of a proxy says of a server that was gone and came back, and of all until another time.

    Seconds from either, and counts.
    """
    before = [it for it in log if gone - 1.5 <= it.at < gone]
    log = [it for it in log if gone - UNDER_WAY <= it.at < until - UNDER_WAY]
    slow = [it for it in log if it.is_ok and it.took > OK_WITHIN and it.at >= gone]
    found = {"lost": sum(not it.is_ok for it in log), "slow": len(slow), "detected": None, "relapses": 0}
    # Whoever has nobody to name has failed with the one that is gone.
    # What came just before it was back, it got after that.
    of_it = [it.at for it in log if gone <= it.at < back - UNDER_WAY and it.port in (port, 0)]
    last = _before_silence([gone, *of_it])
    if back - last >= SETTLE:
        found["detected"] = last - gone
        found["relapses"] = sum(at > last for at in of_it)
    bad = [it.at for it in log if it.at >= gone and (not it.is_ok or it.took > OK_WITHIN)]
    found["recovered"] = _before_silence([gone, *bad]) - gone
    share = sum(it.port == port for it in before) / len(before)
    assert 0.8 < share * len(NAMES) < 1.2, f"{share} of what came before was for it"
    answers = [it.at + it.took for it in log if it.port == port and it.is_ok]
    returned = min((at for at in answers if at >= back), default=None)
    found["returned"] = returned and returned - back
    found["rebalanced"] = None
    if returned is not None:
        for begin in (it.at for it in log if returned <= it.at <= until - 1):
            window = [it for it in log if begin <= it.at < begin + 1]
            if abs(sum(it.port == port for it in window) / len(window) / share - 1) <= 0.2:
                found["rebalanced"] = begin - back
                break
    return found


def _before_silence(times):
    """The last of these before the first long enough time without any."""
    return next((at for at, then in zip(times, times[1:], strict=False) if then - at >= SETTLE), times[-1])


def fail_over(kind, *, rate=300):
    """A run through this kind of proxy in which b2 goes and comes back in every way.

    For each of `EVENTS`, what loadgen says of it and what the proxy's log says; and how many requests it refused
    without a line in its log.
    """
    ports = [free_port() for _ in NAMES]
    servers = {
        name: {"address": f"127.0.0.1:{it}", "lame_duck": "1200ms"} for name, it in zip(NAMES, ports, strict=True)
    }
    with kind(ports) as proxy, Watched(ports[1]) as watched:
        scenario = {
            "name": "failover",
            "targets": [f"127.0.0.1:{proxy.port}"],
            "load": {"open": {"rate": f"{rate}/s", "duration": f"{FIRST + len(EVENTS) * kind.apart}s"}},
            # The proxy was there before its servers were, and has to find them first.
            "warm_up": "2s",
            "steps": [{"grpc": {"method": "loadgen.v1.Greeter/Hello"}}],
            "events": [
                {"at": f"{FIRST + nth * kind.apart}s", action: "b2", "for": f"{AWAY}s"}
                for nth, action in enumerate(EVENTS)
            ],
            "expect": {"failover": {"ok_within": f"{OK_WITHIN}s", "lost": ">= 0"}},
            "thresholds": [],
        }
        with Run(scenario, suite={"backends": {"serve": "grpc"} | servers}) as running:
            document = running.result(expect=(0, 99))
        ended = time.time()
    (found,) = document["scenarios"]
    log = sorted(proxy.log())
    # The first time that it came is when it was started.
    times = list(zip(watched.gone, watched.back[1:], strict=False))
    assert len(found["failovers"]) == len(times) == len(EVENTS), (found["failovers"], watched.gone, watched.back)
    ends = [gone for gone, _ in times[1:]] + [min(ended, log[-1].at + UNDER_WAY)]
    logged = [figures(log, ports[1], *of_it, end) for of_it, end in zip(times, ends, strict=True)]
    told = [{it: event.get(it, event.get(f"{it}_s")) for it in FIGURES} for event in found["failovers"]]
    unlogged = 0 if kind.logs_refused else found["outcomes"].get("reset.REFUSED_STREAM", 0)
    return list(zip(told, logged, strict=True)), unlogged


def main(rounds, names):
    """Prints a line for each figure of each event of each proxy."""
    kinds = [it for it in proxies.KINDS if not names or it.__name__ in names]
    print(f"{'':14}{'':8}{'':12}{'loadgen':>10}{'its log':>10}")
    for kind in kinds:
        seen = [fail_over(kind)[0] for _ in range(rounds)]
        for nth, action in enumerate(EVENTS):
            for figure in FIGURES:
                told, logged = ([pair[nth][side][figure] for pair in seen] for side in (0, 1))
                line = f"{kind.__name__:14}{action:8}{figure:12}{median(told):>10}{median(logged):>10}"
                print(line, flush=True)


def median(values):
    """Of those that there are, as text; where most never came it says so."""
    known = [it for it in values if it is not None]
    if len(known) * 2 <= len(values):
        return "never"
    return f"{statistics.median(known):.3f}".rstrip("0").rstrip(".")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1, sys.argv[2:])
