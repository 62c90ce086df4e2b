"""What `loadgen run --ui` costs the generator: its threads' processor time with three viewers, and with none.

    LOADGEN=target/release/loadgen python3 tests/ui_cost.py [RATE [SECONDS]]

One gRPC load of two steps, again and again, with and without `--ui`, in turn; the server and those who look are
processes of their own, all on this machine. Read from `/proc`, so Linux only.
"""

import base64
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

LOADGEN = os.environ["LOADGEN"]
ROUNDS = 3
VIEWERS = 3
TICKS = os.sysconf("SC_CLK_TCK")


class Viewer:
    """One who looks, as a process would: reads what comes and does nothing with it."""

    def __init__(self, address, token):
        head = self.ask(address, f"/?token={token}", "")
        cookie = re.search(r"set-cookie: ([^;]+)", head, re.I).group(1)
        self.socket = socket.create_connection(self.host(address))
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /live HTTP/1.1\r\nhost: {address}\r\ncookie: {cookie}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
            f"sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n".encode()
        )
        self.bytes = 0
        threading.Thread(target=self.read, daemon=True).start()

    @staticmethod
    def host(address):
        host, port = address.rsplit(":", 1)
        return host, int(port)

    def ask(self, address, path, fields):
        with socket.create_connection(self.host(address)) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nhost: {address}\r\n{fields}\r\n".encode())
            return b"".join(iter(lambda: connection.recv(65_536), b"")).decode()

    def read(self):
        while some := self.socket.recv(1 << 20):
            self.bytes += len(some)


def threads(process):
    """The processor time of each thread by its name, in seconds."""
    spent = {}
    for task in pathlib.Path(f"/proc/{process}/task").iterdir():
        name = (task / "comm").read_text(encoding="utf-8").strip()
        fields = (task / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        spent[name] = spent.get(name, 0) + (int(fields[11]) + int(fields[12])) / TICKS
    return spent


def measured(suite, seconds, viewers):
    """Processor time a second of the threads of a run, and the bytes a second that each viewer was sent."""
    flags = ["--ui=0"] if viewers else []
    command = [LOADGEN, "run", "--quiet", "--config", str(suite), *flags]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8")
    looking = []
    if viewers:
        address, token = re.search(r"http://(\S+)/\?token=(\w+)", run.stderr.readline()).groups()
        looking = [Viewer(address, token) for _ in range(viewers)]
    time.sleep(3)
    before, sent, began = threads(run.pid), sum(it.bytes for it in looking), time.monotonic()
    time.sleep(seconds)
    after, took = threads(run.pid), time.monotonic() - began
    spent = {name: (cpu - before.get(name, 0)) / took for name, cpu in after.items()}
    sent = (sum(it.bytes for it in looking) - sent) / took / max(1, viewers)
    run.terminate()
    run.wait()
    return spent, sent


def main():
    rate, seconds = (int(it) for it in (sys.argv[1:] + ["2000", "30"][len(sys.argv) - 1 :])[:2])
    serve = [LOADGEN, "serve", "grpc", "--address", "127.0.0.1:0", "--threads", "1"]
    server = subprocess.Popen(serve, stdout=subprocess.PIPE, encoding="utf-8")
    target = re.search(r"127\.0\.0\.1:\d+", server.stdout.readline()).group()
    hello = {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "world"}}
    scenario = {
        "name": "figure",
        "targets": [target],
        "load": {"open": {"rate": f"{rate}/s", "duration": f"{seconds + 30}s", "users": {"max": 2_000}}},
        "steps": [{"name": "first", "grpc": hello}, {"name": "second", "grpc": hello}],
    }
    try:
        with tempfile.TemporaryDirectory() as folder:
            suite = pathlib.Path(folder, "suite.json")
            suite.write_text(json.dumps({"scenarios": [scenario]}), encoding="utf-8")
            rounds = [[measured(suite, seconds, viewers) for viewers in (0, VIEWERS)] for _ in range(ROUNDS)]
    finally:
        server.terminate()
        server.wait()
    median = lambda figures: statistics.median(figures) * 100
    # What was recorded is copied on the first thread, which is named as the program.
    main_thread = pathlib.Path(LOADGEN).name[:15]
    page = median([seen["loadgen-ui"] for _, (seen, _) in rounds])
    alone = median([none.get(main_thread, 0) for (none, _), _ in rounds])
    copying = median([seen.get(main_thread, 0) for _, (seen, _) in rounds]) - alone
    whole = [median([sum(it[of][0].values()) for it in rounds]) for of in (0, 1)]
    sent = statistics.median(sent for _, (_, sent) in rounds)
    print(f"{rate} iterations/s of gRPC, two calls each, for {seconds} s; median of {ROUNDS}, in % of a processor")
    print(f"  the page's thread with {VIEWERS} viewers  {page:6.2f} %")
    print(f"  copying for it                    {copying:6.2f} %   ({alone:.2f} % without)")
    print(f"  the whole process                 {whole[1]:6.2f} %   ({whole[0]:.2f} % without)")
    print(f"  sent to each                      {sent / 1024:6.1f} KiB/s")


main()
