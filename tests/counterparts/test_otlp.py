"""Metrics posted as OTLP, read with OpenTelemetry's own messages: straight from loadgen, and as PyPI's
rotel, a collector, passes them on."""

import gzip
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import unittest

import rotel
from figures import counters
from harness import LOADGEN, PATIENCE, free_port
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from receiver import Receiver

COLLECTOR = pathlib.Path(rotel.__file__).with_name("rotel-agent")


class Collector:
    """rotel, which takes OTLP over HTTP and passes it on to a URL. Use it in a `with`."""

    def __init__(self, to):
        self._to = to

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        settings = {
            "otlp-http-endpoint": f"127.0.0.1:{port}",
            "otlp-grpc-endpoint": f"127.0.0.1:{free_port()}",
            "exporter": "otlp",
            "otlp-exporter-endpoint": self._to,
            "otlp-exporter-protocol": "http",
            "batch-timeout": "50ms",
        }
        log = pathlib.Path(self._folder.name, "log")
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [COLLECTOR, "start", *(f"--{key}={value}" for key, value in settings.items())],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        until = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), PATIENCE).close()
                return self
            except ConnectionRefusedError:
                if time.monotonic() > until or self._process.poll() is not None:
                    said = log.read_text(encoding="utf-8")
                    self.__exit__()
                    raise AssertionError(f"rotel does not listen: {said}") from None
                time.sleep(0.05)

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()


def attributes(of):
    return {it.key: it.value.string_value for it in of}


def decoded(post):
    """A request's exports, in their order: resource attributes, and metrics by name.

    A collector may have put several into one request.
    """
    path, headers, body = post
    assert path == "/v1/metrics", path
    assert headers["Content-Type"] == "application/x-protobuf", headers["Content-Type"]
    if headers["Content-Encoding"] == "gzip":
        body = gzip.decompress(body)
    request = metrics_service_pb2.ExportMetricsServiceRequest.FromString(body)
    exports = []
    for of_resource in request.resource_metrics:
        resource = attributes(of_resource.resource.attributes)
        for scope in of_resource.scope_metrics:
            assert scope.scope.name == "loadgen", scope.scope
            metrics = {metric.name: metric for metric in scope.metrics}
            assert len(metrics) == len(scope.metrics), sorted(it.name for it in scope.metrics)
            exports.append((resource, metrics))
    return exports


class Exported(unittest.TestCase):
    maxDiff = None

    def run_to(self, *flags, **environment):
        command = [LOADGEN, "run", "--json", "--duration", "2500ms", "--concurrency", "20", *flags]
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            env=os.environ | environment,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("OTLP at", done.stderr)
        return json.loads(done.stdout)

    def check(self, posts, document):
        """What arrived is what the document says."""
        requests = [export for post in posts for export in decoded(post)]
        self.assertGreaterEqual(len(requests), 3)
        resource, metrics = requests[-1]
        self.assertEqual(resource["service.name"], "loadgen")
        self.assertEqual(resource["service.version"], document["run"]["version"])
        self.assertEqual(resource["loadgen.run.id"], document["run"]["id"])
        counted, starts = {}, set()
        for name, metric in metrics.items():
            self.assertIn(metric.WhichOneof("data"), ("sum", "gauge"), name)
            if metric.HasField("gauge"):
                continue
            self.assertTrue(metric.sum.is_monotonic, name)
            self.assertEqual(
                metric.sum.aggregation_temporality,
                metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE,
                name,
            )
            for point in metric.sum.data_points:
                starts.add(point.start_time_unix_nano)
                labels = frozenset(attributes(point.attributes).items())
                counted[name.removeprefix("loadgen."), labels] = point.as_int
        wanted = counters(document)
        self.assertGreater(sum(wanted.values()), 0)
        self.assertEqual({key: counted.get(key) for key in wanted}, wanted)
        others = {name for (name, _), value in counted.items() if value} - {name for name, _ in wanted}
        # These are in the document only where they say more than the requests do.
        self.assertEqual({name for name in others if "messages" not in name}, set())
        self.assertEqual(len(starts), 1, "one start for all")
        self.assertEqual(metrics["loadgen.response_time"].unit, "s")
        self.assertEqual(metrics["loadgen.bytes.sent"].unit, "By")
        # While it ran there were figures, and they are in the base unit. On a busy machine the first seconds may have
        # been over before anything was answered.
        name = "loadgen.response_time"
        under_way = [metrics[name] for _, metrics in requests[:-1] if name in metrics]
        self.assertTrue(under_way, "no figures while it ran")
        times = {
            attributes(it.attributes)["statistic"]: it.as_double
            for it in under_way[0].gauge.data_points
        }
        self.assertTrue(0 < times["p50"] < 10, times)

    def test_grpc(self):
        with Receiver() as receiver:
            document = self.run_to("--scenario", "hello_light", "--otlp", receiver.url)
            self.check(receiver.posts, document)

    def test_both_under_one_name_and_by_the_environment(self):
        with Receiver() as receiver:
            document = self.run_to(
                "--scenario",
                "echo_light",
                OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
                OTEL_EXPORTER_OTLP_HEADERS="x-tenant=load%20test",
            )
            self.check(receiver.posts, document)
            self.assertEqual({it["x-tenant"] for _, it, _ in receiver.posts}, {"load test"})

    def test_through_a_collector(self):
        with Receiver() as receiver, Collector(receiver.url) as collector:
            document = self.run_to(
                "--scenario", "stream_light", "--protocol", "websocket", "--otlp", collector.url
            )
            # It passes on in its own time what it has taken.
            total = sum(it["ledger"]["completed"] for it in document["scenarios"])
            until = time.monotonic() + PATIENCE
            while not self.arrived(receiver.posts, total):
                self.assertLess(time.monotonic(), until, "the collector has not passed it on")
                time.sleep(0.05)
            self.check(receiver.posts, document)

    def arrived(self, posts, total):
        if not posts:
            return False
        _, metrics = decoded(posts[-1])[-1]
        points = metrics["loadgen.completed"].sum.data_points
        return sum(it.as_int for it in points) == total and all(
            it.as_double == 0 for it in metrics["loadgen.users"].gauge.data_points
        )
