"""Running the loadgen binary and reading what it says."""

import json
import math
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

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


def wait_for(what, condition):
    """Asks until the answer is something, and returns it."""
    until = time.monotonic() + PATIENCE
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > until:
            raise AssertionError(f"{what}: not within {PATIENCE} s")
        time.sleep(0.02)


def free_port(kind=socket.SOCK_STREAM):
    """A port of loopback that nobody has at this moment."""
    with socket.socket(type=kind) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def run(*scenarios, expect=0, flags=()):
    """Runs scenarios, checks what holds for every run, and returns the result document.

    Where nothing ran, what it said on standard error.
    """
    with Run(*scenarios, flags=flags) as running:
        return running.result(expect)


class Run:
    """A run under way, of these scenarios or of those shipped that the flags name. Use it in a `with`.

    One that holds more than `most_kib` of memory is ended for it. `suite` is what its file says beside them.
    """

    def __init__(self, *scenarios, flags=(), limits=None, most_kib=math.inf, suite=None):
        self.stderr = ""
        self.code = None
        # The most memory that it was seen to hold.
        self.peak_kib = 0
        self._most_kib = most_kib
        self._folder = tempfile.TemporaryDirectory()
        config = pathlib.Path(self._folder.name, "scenarios.json")
        config.write_text(json.dumps({**(suite or {}), "scenarios": scenarios}), encoding="utf-8")
        command = [LOADGEN, "run", "--json", *flags]
        if scenarios:
            command += ["--config", config]
        if limits is not None:
            command = ["bash", "-c", f'{limits} && exec "$@"', "bash", *command]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        self._folder.cleanup()

    def hold(self):
        """Stops it where it stands, until `go_on`."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        """Lets it run again."""
        self._process.send_signal(signal.SIGCONT)

    def goes_on(self):
        """True while it does; what it said is in the error if it does not."""
        if self._process.poll() is not None:
            raise AssertionError(f"it ended with {self._process.returncode}: {self._end()}")
        return True

    def stop(self):
        """Has it begin nothing more and wait for what is under way."""
        self._process.send_signal(signal.SIGINT)

    def resident_kib(self):
        """How much memory it holds."""
        return self._memory_kib("VmRSS")

    def _memory_kib(self, key):
        """A figure of its memory, 0 once it has ended."""
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        found = re.search(rf"^{key}:\s+(\d+) kB", status, re.MULTILINE)
        return int(found[1]) if found else 0

    def _end(self):
        """Waits for its end, and returns what it said."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return self._process.communicate(timeout=0.05)
            except subprocess.TimeoutExpired:
                if time.monotonic() > until:
                    raise
                # The kernel remembers the most there was, so that nothing falls between two looks.
                self.peak_kib = max(self.peak_kib, self._memory_kib("VmHWM"))
                if self.peak_kib > self._most_kib:
                    self._process.kill()
                    raise AssertionError(
                        f"it holds {self.peak_kib} KiB, and at most {self._most_kib} are expected"
                    ) from None

    def result(self, expect=0):
        """Waits for its end and checks what holds for every run; `expect` is its exit code, or several.

        What it said on standard error is in `stderr` then, and how it ended in `code`.
        """
        stdout, stderr = self._end()
        self.stderr = stderr
        code = self.code = self._process.returncode
        if code not in (expect if isinstance(expect, tuple) else (expect,)):
            raise AssertionError(
                f"exit code {code}, expected {expect}\n{stderr}\n{stdout[:2000]}"
            )
        if code not in (0, 99, 105):
            return stderr
        document = json.loads(stdout)
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
    # What was left unanswered is in the response time, and in the service time where it was started.
    unanswered = scenario["unanswered"]
    assert unanswered <= ledger["interrupted"] + ledger["dropped"], (unanswered, ledger)
    assert scenario["response_time_us"]["count"] == ended + unanswered, scenario["response_time_us"]
    served = scenario["service_time_us"]["count"]
    least = ended + max(0, unanswered - ledger["dropped"])
    assert least <= served <= ended + min(unanswered, ledger["interrupted"]), (served, ledger)
    # What is told second by second adds up to what is told of the whole.
    for key in ("started", "completed", "failed"):
        assert sum(point[key] for point in scenario["series"]) == ledger[key], (key, ledger)
    for key in ("opened", "failed", "dropped"):
        dated = sum(point.get("connections", {}).get(key, 0) for point in scenario["series"])
        assert dated == scenario["connections"][key], (key, dated, scenario["connections"])


def servers(found):
    """The servers that named themselves in a scenario's part of a result. No request is of anybody else."""
    *named, unknown = found["backends"]
    assert (unknown["id"], unknown["requests"]) == ("(unknown)", 0), unknown
    return named


def message_counts(step):
    """A step's messages: the counts, once its rates are seen to be of these counts."""
    found = dict(step["messages"])
    for way in ("sent", "received"):
        rate = found.pop(f"{way}_per_s", 0)
        assert (rate > 0) == (found[way] > 0), step["messages"]
    return found


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


def exchange(path, send=None, **fields):
    """A step over WebSocket."""
    if send is not None:
        fields["send"] = send
    return {"websocket": {"path": path, **fields}}


class Server:
    """A server that is a process of its own, and says where it listens. Use it in a `with`."""

    def __init__(self, *command, port=0):
        self._command = command
        self._process = None
        self.address = None
        self._start(port)

    def _start(self, port):
        self._process = subprocess.Popen(
            [*self._command, str(port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        line = self._process.stdout.readline()
        if not line.startswith("listening on "):
            self.kill()
            raise AssertionError(f"the first line is {line!r}")
        self.address = line.split()[2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self.kill()

    def kill(self):
        """Ends it as a crash would."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def end(self):
        """Asks it to end, and returns what it has said since it began to listen."""
        self._process.terminate()
        said, _ = self._process.communicate(timeout=PATIENCE)
        return said

    def start_again(self):
        """Starts it again on the same port."""
        self._start(int(self.address.rsplit(":", 1)[1]))

    def freeze(self, seconds):
        """Stops it for a while, as a host that stands still would."""
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)


def ws_server():
    """The server of npm's `ws`."""
    return Server(tool("node"), str(HERE / "server_ws.cjs"))


def websockets_server():
    """The server of PyPI's `websockets`, as a process."""
    return Server(sys.executable, str(HERE / "server_websockets.py"))


def a_search(address, **how):
    """A scenario whose capacity is looked for: no more than eight calls are under way at a time."""
    return {
        "name": "searched",
        "targets": [address],
        "connections": 1,
        "streams_per_connection": 8,
        "load": {"open": {"rate": "1/s", "duration": "1s"}},
        "steps": [{"name": "hello", "grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "x"}}}],
        "capacity": {"goals": ["response_time.p90 < 100ms"], **how},
    }


class Serve:
    """`loadgen serve grpc`, or `websocket`, on a free port. Use it in a `with`."""

    def __init__(self, *flags, protocol="grpc"):
        self._process = subprocess.Popen(
            [LOADGEN, "serve", protocol, "--address", "127.0.0.1:0", *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        line = self._process.stdout.readline()
        words = line.split()
        if words[:3] != [protocol, "listening", "on"]:
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


class Foreign:
    """nginx, HAProxy, Envoy or Traefik with this configuration, or nghttpd with these flags. Use it in a `with`; `port`
    is where it listens.

    `FOLDER` in the configuration is where `files` are, by their names. One that listens before it knows what to do
    says at the URL `ready` that it does. What it has written to `FOLDER/log`, or printed, is in `log` once it has
    ended, line by line.
    """

    def __init__(self, program, config, port, files=(), ready=None):
        self.port = port
        self.log = []
        self._ready = ready
        self._folder = tempfile.TemporaryDirectory()
        folder = self._folder.name
        self._log = pathlib.Path(folder, "log")
        # Envoy and Traefik go by the name's end.
        path = pathlib.Path(folder, "conf.yaml")
        for name, content in {"conf.yaml": config, **dict(files)}.items():
            content = content.replace("FOLDER", folder)
            pathlib.Path(folder, name).write_text(content, encoding="utf-8")
        flags = {
            "nginx": ["-p", folder, "-e", f"{folder}/error.log", "-c", path],
            "haproxy": ["-db", "-f", path],
            "envoy": ["-c", path, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"],
            "traefik": [f"--configFile={path}"],
            "nghttpd": ["--no-tls", "--verbose", "--address=127.0.0.1", f"--htdocs={folder}", *config.split()],
        }
        # Those of PyPI are beside its Python.
        beside = pathlib.Path(sys.executable).with_name(program)
        found = beside if beside.exists() else tool(program)
        with self._log.open("ab") as printed:
            self._process = subprocess.Popen([found, *flags[program]], stdout=printed)

    def __enter__(self):
        try:
            wait_for("it listens", self._listens)
            if self._ready:
                wait_for("it is ready", self._is_ready)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # Not killed: nginx would leave its worker behind.
        self._process.terminate()
        self._process.wait()
        self.log = self._log.read_text(encoding="utf-8").splitlines()
        self._folder.cleanup()

    def tell(self, what):
        """Sends it a signal."""
        self._process.send_signal(what)

    def _listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True

    def _is_ready(self):
        try:
            return urllib.request.urlopen(self._ready, timeout=PATIENCE).close() is None
        except OSError:
            return False
