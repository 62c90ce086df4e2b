"""The monitoring stack without containers, started by its own script, and what it says."""

import json
import os
import pathlib
import re
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

from harness import PATIENCE, tool, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "monitoring" / "native.sh"
WORK = pathlib.Path(os.environ["MONITORING_TESTS"])
PICTURES = pathlib.Path(os.environ["MONITORING_PICTURES"])
# What native.sh takes ports from, and the kind of each.
PORTS = {
    "MONITORING_STATSD_PORT": socket.SOCK_DGRAM,
    "MONITORING_STATSD_ADMIN_PORT": socket.SOCK_STREAM,
    "MONITORING_CARBON_PORT": socket.SOCK_STREAM,
    "MONITORING_CARBON_PICKLE_PORT": socket.SOCK_STREAM,
    "MONITORING_CARBON_QUERY_PORT": socket.SOCK_STREAM,
    "MONITORING_GRAPHITE_PORT": socket.SOCK_STREAM,
}


def free_ports():
    """A free port for each; all are held until the last is found, so that no two are the same."""
    held = {name: socket.socket(type=kind) for name, kind in PORTS.items()}
    try:
        for it in held.values():
            it.bind(("127.0.0.1", 0))
        return {name: it.getsockname()[1] for name, it in held.items()}
    finally:
        for it in held.values():
            it.close()


def no_ports():
    """Datagrams that this host has refused because nobody listened."""
    lines = pathlib.Path("/proc/net/snmp").read_text(encoding="ascii").splitlines()
    names, values = (line.split() for line in lines if line.startswith("Udp:"))
    return int(values[names.index("NoPorts")])


def udp_socket(port):
    """Bytes that wait at the socket on this port, and datagrams that the kernel dropped there."""
    for line in pathlib.Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}"):
            return int(fields[4].split(":")[1], 16), int(fields[-1])
    raise AssertionError(f"nobody listens on port {port}/udp")


class Stack:
    """StatsD, carbon and graphite-web on free ports, in a folder of their own. Use it in a `with`.

    The folder stays when it is over, to be looked into; the next of that name begins anew.
    """

    def __init__(self, name="stack", ports=None):
        self.folder = WORK / name
        self.ports = ports or free_ports()
        self.statsd = f"127.0.0.1:{self.ports['MONITORING_STATSD_PORT']}"
        self.graphite = f"http://127.0.0.1:{self.ports['MONITORING_GRAPHITE_PORT']}"
        self._settled = 0

    def __enter__(self):
        self.script("clean")
        try:
            self.script("start")
        except BaseException:
            self.script("stop")
            raise
        return self

    def __exit__(self, *_):
        self.script("stop")

    def script(self, *arguments, expect=0):
        """Runs native.sh for this stack, and returns what it said."""
        environment = {name: str(port) for name, port in self.ports.items()}
        done = subprocess.run(
            [SCRIPT, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            env={**os.environ, **environment, "MONITORING_FOLDER": str(self.folder)},
            # The first time it installs.
            timeout=10 * PATIENCE,
        )
        if done.returncode != expect:
            raise AssertionError(f"native.sh {arguments}: exit code {done.returncode}\n{done.stdout}")
        return done.stdout

    def get(self, path, **query):
        """What graphite-web answers to a GET."""
        url = f"{self.graphite}{path}?{urllib.parse.urlencode(query, doseq=True)}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return answer.read()

    def post(self, path, body):
        """What graphite-web answers to a POST; `body` is a form's fields, or an object for JSON."""
        if isinstance(body, dict):
            data = json.dumps(body).encode()
        else:
            data = urllib.parse.urlencode(body).encode()
        with urllib.request.urlopen(f"{self.graphite}{path}", data, timeout=PATIENCE) as answer:
            return answer.read()

    def render(self, targets, since, until="now", **more):
        """The series of these targets: each a name and its points, `(value or None, time)`.

        `since` and `until` are Graphite's: seconds since 1970, `-5min`, `now`. There is a point at
        `until` and none at `since`.
        """
        form = [("target", it) for it in targets]
        form += [("from", since), ("until", until), ("format", "json"), *more.items()]
        return {it["target"]: it["datapoints"] for it in json.loads(self.post("/render", form))}

    def png(self, name, targets, since, until="now", **more):
        """Keeps Graphite's picture of these targets, and returns its path."""
        form = [("target", it) for it in targets]
        form += [("from", since), ("until", until), ("format", "png")]
        form += {"width": 1000, "height": 360, "title": name, **more}.items()
        picture = self.post("/render", form)
        if not picture.startswith(b"\x89PNG"):
            raise AssertionError(f"no picture of {name}: {picture[:300]!r}")
        PICTURES.mkdir(parents=True, exist_ok=True)
        path = PICTURES / f"{name}.png"
        path.write_bytes(picture)
        return path

    def names(self):
        """All that Graphite has."""
        return json.loads(self.get("/metrics/index.json"))

    def counters(self, prefix, since, step=1):
        """What Graphite's counters below a prefix add up to since then, by name without `stats.…`.

        `step` is the seconds between points, which says that they are of the archive meant.
        """
        head = f"stats.counters.{prefix}."
        names = [it for it in self.names() if it.startswith(head) and it.endswith(".count")]
        if not names:
            return {}
        sums = {}
        for name, points in self.render(names, since).items():
            times = [at for _, at in points]
            steps = {after - before for before, after in zip(times, times[1:])}
            if steps != {step}:
                raise AssertionError(f"{name}: points {steps} s apart, not {step}")
            total = sum(value for value, _ in points if value is not None)
            sums[name.removeprefix("stats.counters.").removesuffix(".count")] = total
        return sums

    def settle(self):
        """Waits until whatever StatsD has been sent so far can be had from graphite-web.

        A count that is sent after it arrives after it. It does so twice: carbon makes a metric's
        file some time after it has the first point, and only then graphite-web knows the name.
        """
        port = self.ports["MONITORING_STATSD_PORT"]
        for _ in range(2):
            self._settled += 1
            name = f"settled.{os.getpid()}_{self._settled}"
            with socket.socket(type=socket.SOCK_DGRAM) as to_statsd:
                to_statsd.sendto(f"{name}:1|c".encode(), ("127.0.0.1", port))
            series = f"stats.counters.{name}.count"
            wait_for(f"{series} in Graphite", lambda series=series: self._try_render(series))

    def _try_render(self, series):
        try:
            return self.render([series], "-10min")
        except urllib.error.HTTPError as error:
            # graphite-web fails when it reads a file that carbon is just making.
            if error.code != 500:
                raise
            return None

    def drops(self):
        """Datagrams that the kernel has dropped at StatsD's socket."""
        return udp_socket(self.ports["MONITORING_STATSD_PORT"])[1]

    def ask_statsd(self, what):
        """What StatsD says at its admin port: `counters`, `gauges`."""
        port = self.ports["MONITORING_STATSD_ADMIN_PORT"]
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as admin:
            admin.sendall(f"{what}\n".encode())
            said = b""
            while not said.endswith(b"END\n\n"):
                part = admin.recv(65536)
                if not part:
                    break
                said += part
        # It prints an object as JavaScript would write it.
        script = "process.stdout.write(JSON.stringify(eval('(' + process.argv[1] + ')')))"
        command = [tool("node"), "-e", script, said.decode().removesuffix("END\n\n")]
        done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
        return json.loads(done.stdout)


class Tap:
    """Stands before StatsD, keeps every datagram and hands it on. Use it in a `with`."""

    def __init__(self, to):
        host, port = to.rsplit(":", 1)
        self._to = (host, int(port))
        self.datagrams = []

    def __enter__(self):
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._hand_on)
        self._thread.start()
        return self

    def _hand_on(self):
        while True:
            datagram = self._socket.recv(65536)
            if not datagram:
                return
            self.datagrams.append(datagram.decode())
            self._socket.sendto(datagram, self._to)

    def __exit__(self, *_):
        # An empty datagram ends it, behind all that came before.
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def drops(self):
        """Datagrams that the kernel dropped before it."""
        return udp_socket(self.port)[1]

    def lines(self):
        """Every metric that came by: name, value and type."""
        for datagram in self.datagrams:
            for line in datagram.split("\n"):
                name, value, kind = re.fullmatch(r"([^:|]+):([^:|]+)\|([a-z]+)", line).groups()
                yield name, float(value), kind


class BlackHole:
    """A socket that nobody reads. Use it in a `with`."""

    def __init__(self, port=0):
        self._port = port

    def __enter__(self):
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        # As small as the kernel lets it be, so that it is full at once.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self._socket.bind(("127.0.0.1", self._port))
        self.port = self._socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_):
        self._socket.close()

    def drops(self):
        """Datagrams that the kernel dropped before it."""
        return udp_socket(self.port)[1]
