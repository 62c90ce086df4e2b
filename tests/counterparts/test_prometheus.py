"""A run scraped by Debian's Prometheus, and its exposition read by PyPI's prometheus-client."""

import json
import pathlib
import re
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request

from figures import counters
from harness import LOADGEN, PATIENCE, free_port, tool, wait_for
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as text_format

# What a label's value must escape, and what it must not; a scenario takes no line feeds.
AWKWARD = 'a "b" \\ c \\n größe {x="y"}'


def get(url, accept="*/*"):
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


class Prometheus:
    """A Prometheus that scrapes one address every second. Use it in a `with`."""

    def __init__(self, target):
        self._target = target

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self._folder.name)
        jobs = [{"job_name": "loadgen", "static_configs": [{"targets": [self._target]}]}]
        config = {"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}
        # What is JSON is YAML, too.
        (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
        self.address = f"127.0.0.1:{free_port()}"
        self._log = (folder / "log").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [
                tool("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={self.address}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for("Prometheus", self._ready)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._log.close()
        self._folder.cleanup()

    def _ready(self):
        if self._process.poll() is not None:
            self._log.seek(0)
            raise AssertionError(f"Prometheus ended: {self._log.read()[-2000:]}")
        try:
            return get(f"http://{self.address}/-/ready")
        except (urllib.error.URLError, ConnectionError):
            return None

    def _ask(self, what):
        _, body = get(f"http://{self.address}/api/v1/{what}")
        answer = json.loads(body)
        assert answer["status"] == "success", answer
        return answer["data"]

    def last_values(self):
        """The last value of every series that it has scraped of loadgen, by name and labels."""
        query = urllib.parse.quote('{__name__=~"loadgen_.*"}[10m]')
        found = {}
        for series in self._ask(f"query?query={query}")["result"]:
            labels = series["metric"]
            name = labels.pop("__name__")
            for of_the_target in ("job", "instance"):
                del labels[of_the_target]
            found[name, frozenset(labels.items())] = float(series["values"][-1][1])
        return found

    def kinds(self):
        """What it takes each metric for."""
        return {name: it[0]["type"] for name, it in self._ask("metadata").items()}


def name_of(words):
    """A counter's name in Prometheus."""
    if words.startswith("bytes."):
        words = words.removeprefix("bytes.") + "_bytes"
    return f"loadgen_{words.replace('.', '_')}_total"


class Scraped(unittest.TestCase):
    maxDiff = None

    def check(self, *flags):
        target = f"127.0.0.1:{free_port()}"
        with Prometheus(target) as prometheus:
            command = [LOADGEN, "run", "--json", "--duration", "2500ms", "--concurrency", "20"]
            command += [f"--prometheus={target}", "--prometheus-wait", "20s", *flags]
            done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn("WARNING", done.stderr)
            document = json.loads(done.stdout)
            wanted = {(name_of(it), labels): value for (it, labels), value in counters(document).items()}
            self.assertGreater(sum(wanted.values()), 0)
            # It has the answer; it takes a moment to store it.
            wait_for(
                "the last scrape",
                lambda: wanted.items() <= prometheus.last_values().items(),
            )
            values, kinds = prometheus.last_values(), prometheus.kinds()
        run = {"run": document["run"]["id"], "version": document["run"]["version"]}
        self.assertEqual(values["loadgen_run_info", frozenset(run.items())], 1)
        others = {
            series: value
            for series, value in values.items()
            if series[0].endswith("_total") and series not in wanted and value
        }
        # These are in the document only where they say more than the requests do.
        said = {name for name, _ in others}
        self.assertLessEqual({name for name in said if "_messages_" not in name}, set(), others)
        counted = {name for name, _ in wanted}
        self.assertEqual({kinds[name.removesuffix("_total")] for name in counted}, {"counter"})
        self.assertEqual(kinds["loadgen_response_time_seconds"], "gauge")

    def test_grpc(self):
        self.check("--scenario", "hello_light")

    def test_websocket(self):
        self.check("--scenario", "stream_light", "--protocol", "websocket")

    def test_both_under_one_name(self):
        self.check("--scenario", "echo_light")


class Exposition(unittest.TestCase):
    """Both formats, as a strict reader that is not ours takes them."""

    def families(self, format, parse):
        scenario = {
            "name": "exposed",
            "tags": {"team.name": AWKWARD, "step": "taken", "0": "digit"},
            "load": {"open": {"rate": "500/s", "duration": "2s"}},
            "steps": [
                {"name": "hello", "grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "x"}}}
            ],
        }
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder, "suite.json")
            config.write_text(json.dumps({"scenarios": [scenario]}), encoding="utf-8")
            process = subprocess.Popen(
                [LOADGEN, "run", "--config", config, "--prometheus=0", "--prometheus-wait", "30s"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                encoding="utf-8",
            )
            with process:
                try:
                    said = iter(process.stderr.readline, "")
                    found = (re.search(r"http://\S+/metrics", line) for line in said)
                    url = next(filter(None, found))[0]

                    def after_a_second():
                        content_type, body = get(url, format)
                        return 'statistic="p50"' in body and (content_type, body)

                    content_type, body = wait_for("figures", after_a_second)
                finally:
                    process.kill()
        self.assertTrue(content_type.startswith(format), content_type)
        families = {family.name: family for family in parse(body)}
        self.assertGreater(len(families), 30)
        requests = families["loadgen_steps_requests"]
        self.assertEqual(requests.type, "counter")
        (sample,) = requests.samples
        self.assertEqual(sample.name, "loadgen_steps_requests_total")
        expected = {
            "scenario": scenario["name"],
            "protocol": "grpc",
            "step": "hello",
            "team_name": AWKWARD,
            "tag_step": "taken",
            "tag_0": "digit",
        }
        self.assertEqual(sample.labels, expected)
        self.assertGreater(sample.value, 0)
        return families

    def test_openmetrics(self):
        families = self.families(
            "application/openmetrics-text", openmetrics.text_string_to_metric_families
        )
        self.assertEqual(families["loadgen_response_time_seconds"].unit, "seconds")
        self.assertEqual(families["loadgen_generator_memory_bytes"].unit, "bytes")
        self.assertEqual(families["loadgen_run"].type, "info")

    def test_text(self):
        families = self.families("text/plain", text_format.text_string_to_metric_families)
        self.assertEqual(families["loadgen_run_info"].samples[0].value, 1)
