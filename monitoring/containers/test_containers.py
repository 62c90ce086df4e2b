"""What can be told of the stack in containers without a container engine. See ../check.sh."""

import contextlib
import copy
import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import unittest
from urllib.parse import urlsplit

import yaml
from compose_model import BASE, MONITORING, PROD, ROOT, limits, model, own, problems, read
from docker.utils import exclude_paths

LOADGEN = os.environ["LOADGEN"]
WORK = pathlib.Path(os.environ["CONTAINERS_WORK"])
PATIENCE = 30
# Where the images listen within the network: what their documentation says, unless told otherwise.
LISTENS = {"statsd-graphite": {80, 8080}, "grafana": {3000}}


class Compose(unittest.TestCase):
    def test_stack(self):
        self.assertEqual(problems(model(BASE)), [])

    def test_production_overlay(self):
        base = model(BASE)
        stack = model(BASE, PROD, GRAFANA_ADMIN_PASSWORD="of-this-test")
        self.assertEqual(problems(stack, production=True), [])
        for name, service in stack["services"].items():
            for key in ("cpus", "memory", "pids"):
                of_base = float(limits(base["services"][name])[key])
                self.assertLess(float(limits(service)[key]), of_base, (name, key))
        grafana = stack["services"]["grafana"]["environment"]
        self.assertEqual(grafana["GF_SECURITY_ADMIN_PASSWORD"], "of-this-test")

    def test_production_without_a_password_is_refused(self):
        for environment in ({}, {"GRAFANA_ADMIN_PASSWORD": ""}):
            done = read(BASE, PROD, **environment)
            self.assertNotEqual(done.returncode, 0, environment)
            self.assertIn("GRAFANA_ADMIN_PASSWORD", done.stderr)

    def test_ports_and_address_can_be_chosen(self):
        stack = model(BASE, MONITORING_BIND="192.0.2.1", MONITORING_GRAFANA_PORT="3001")
        (port,) = stack["services"]["grafana"]["ports"]
        self.assertEqual((port["host_ip"], port["published"]), ("192.0.2.1", "3001"))

    def test_docker_compose_refuses_what_is_broken(self):
        text = BASE.read_text()
        for old, new in (
            ("    ports:\n", "    prots:\n"),
            ("condition: service_healthy", "condition: service_fine"),
            ("      statsd-graphite:\n        condition", "      nobody:\n        condition"),
            ("networks: [monitoring]", "networks: [elsewhere]"),
            ("grafana-data:/var/lib", "undeclared:/var/lib"),
            ("interval: 10s", "interval: often"),
        ):
            with self.subTest(new), tempfile.TemporaryDirectory() as folder:
                self.assertIn(old, text)
                broken = pathlib.Path(folder, "docker-compose.yml")
                broken.write_text(text.replace(old, new, 1))
                self.assertNotEqual(read(broken).returncode, 0)

    def test_problems_are_found(self):
        """Each fault, and the words that tell it."""

        def change(*path, value=None):
            def apply(stack):
                *way, last = path
                for step in way:
                    stack = stack[step]
                if value is None:
                    del stack[last]
                else:
                    stack[last] = value

            return apply

        base = model(BASE)
        production = model(BASE, PROD, GRAFANA_ADMIN_PASSWORD="of-this-test")
        graphite_too = base["services"]["statsd-graphite"]["ports"]
        build = base["services"]["grpc-backend"]["build"]
        grafana = ("services", "grafana")
        faults = [
            ("is not pinned", change(*grafana, "image", value="grafana/grafana:12.4.10")),
            ("is not pinned", change(*grafana, "image", value="grafana/grafana:latest@sha256:" + "0" * 64)),
            ("no health check", change(*grafana, "healthcheck")),
            ("no restart policy", change(*grafana, "restart")),
            ("no limit of memory", change(*grafana, "deploy", "resources", "limits", "memory")),
            ("is on 0.0.0.0", change(*grafana, "ports", 0, "host_ip", value="0.0.0.0")),
            ("is on every address", change(*grafana, "ports", 0, "host_ip")),
            ("publishes", change(*grafana, "ports", 0, "published", value="80")),
            ("publishes", change(*grafana, "ports")),
            ("which is not there", change(*grafana, "volumes", 1, "source", value=f"{ROOT}/nowhere")),
            ("not in the repository", change(*grafana, "volumes", 1, "source", value="/etc")),
            ("may write to", change(*grafana, "volumes", 1, "read_only")),
            ("does not wait", change(*grafana, "depends_on", "statsd-graphite", "condition", value="service_started")),
            ("networks", change(*grafana, "networks", value={"default": None})),
            ("has privileged", change(*grafana, "privileged", value=True)),
            ("must not be pulled", change("services", "grpc-backend", "pull_policy")),
            ("must not be pulled", change("services", "websocket-backend", "pull_policy")),
            ("0 services build", change("services", "grpc-backend", "build")),
            ("2 services build", change("services", "websocket-backend", "build", value=build)),
            ("is built of", change("services", "grpc-backend", "build", "context", value="/tmp")),
            ("services:", change("services", "websocket-backend")),
            ("volumes:", change("volumes", "unused", value={})),
        ]
        of_production = [
            ("no reservation of cpus", change(*grafana, "deploy", "resources", "reservations")),
            ("reserves more memory", change(*grafana, "deploy", "resources", "limits", "memory", value="1")),
            ("may gain privileges", change(*grafana, "security_opt")),
            ("keeps every capability", change(*grafana, "cap_drop")),
            ("can write to its root", change(*grafana, "read_only")),
            ("lets everyone look", change(*grafana, "environment", "GF_AUTH_ANONYMOUS_ENABLED", value="true")),
            ("default password", change(*grafana, "environment", "GF_SECURITY_ADMIN_PASSWORD", value="admin")),
            ("publishes", change("services", "statsd-graphite", "ports", value=graphite_too)),
        ]
        for stack, table, live in ((base, faults, False), (production, of_production, True)):
            for words, apply in table:
                with self.subTest(words):
                    changed = copy.deepcopy(stack)
                    apply(changed)
                    found = set(problems(changed, live)) - set(problems(stack, live))
                    self.assertTrue(any(words in problem for problem in found), found)


class Grafana(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = model(BASE)
        # Where the files of this repository are in the container.
        cls.mounts = {
            pathlib.PurePosixPath(mount["target"]): pathlib.Path(mount["source"])
            for mount in cls.stack["services"]["grafana"]["volumes"]
            if mount["type"] == "bind"
        }

    def file(self, path):
        """The file of the repository that stands at this path in the container."""
        path = pathlib.PurePosixPath(path)
        for target, source in self.mounts.items():
            if path.is_relative_to(target):
                return source / path.relative_to(target)
        self.fail(f"nothing is mounted at {path}")

    def provisioned(self, kind):
        (file,) = self.file(f"/etc/grafana/provisioning/{kind}").glob("*.yml")
        settings = yaml.safe_load(file.read_text())
        self.assertEqual(settings["apiVersion"], 1)
        return settings

    def test_data_source(self):
        (source,) = self.provisioned("datasources")["datasources"]
        self.assertEqual((source["uid"], source["type"]), ("graphite", "graphite"))
        self.assertEqual(source["jsonData"]["graphiteVersion"], "1.1")
        url = urlsplit(source["url"])
        self.assertIn(url.port or 80, LISTENS[url.hostname])
        self.assertIn(url.hostname, self.stack["services"]["grafana"]["depends_on"])

    def test_dashboards(self):
        (provider,) = self.provisioned("dashboards")["providers"]
        folder = self.file(provider["options"]["path"])
        dashboards = {file.name: json.loads(file.read_text()) for file in folder.glob("*.json")}
        uids = [dashboard["uid"] for dashboard in dashboards.values()]
        self.assertEqual(len(uids), len(set(uids)), "Grafana keeps one of those with one uid")
        home = self.stack["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
        home = self.file(home)
        self.assertEqual(home.parent, folder)
        self.assertIn(home.name, dashboards)
        self.assertEqual(dashboards[home.name]["uid"], "loadgen-overview")


class Graphite(unittest.TestCase):
    """Settings that hold in the image and not without it."""

    @classmethod
    def setUpClass(cls):
        stack = model(BASE)
        cls.service = stack["services"]["statsd-graphite"]
        cls.files = {
            mount["target"]: pathlib.Path(mount["source"])
            for mount in cls.service["volumes"]
            if mount["type"] == "bind"
        }

    def test_statsd_reads_the_mounted_file(self):
        interface = self.service["environment"]["STATSD_INTERFACE"]
        self.assertIn(f"/opt/statsd/config/{interface}.js", self.files)

    def test_carbon_keeps_to_the_folders_and_the_user_of_the_image(self):
        text = self.files["/opt/graphite/conf/carbon.conf"].read_text()
        settings = dict(re.findall(r"^([A-Z_]+) *= *(.*)$", text, re.MULTILINE))
        self.assertEqual(settings["LINE_RECEIVER_PORT"], "2003")
        self.assertEqual(settings["MAX_CREATES_PER_MINUTE"], "inf")
        self.assertEqual(settings.get("USER", ""), "")
        folders = {key for key in settings if key.endswith("_DIR")}
        self.assertEqual(folders, set(), "the image has its own in /opt/graphite")
        # The image starts it all the same, and without settings it cannot.
        self.assertNotIn("[aggregator]", text)
        self.assertEqual(self.service["environment"]["CARBON_AGGREGATOR_DISABLED"], "1")


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
        cls.lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        ignored = (ROOT / ".dockerignore").read_text().splitlines()
        patterns = [line for line in ignored if line and not line.startswith("#")]
        # What Docker would be sent: its own client's rules.
        cls.context = sorted(exclude_paths(str(ROOT), patterns, dockerfile="Dockerfile"))

    def instructions(self, name):
        return [line.split(None, 1)[1] for line in self.lines if line.startswith(f"{name} ")]

    def test_bases_are_pinned(self):
        bases = self.instructions("FROM")
        # Two images are made of one stage: with what is built there, and with what `just dist` has built.
        self.assertEqual(bases[2:], ["base AS dist", "base"])
        for base in bases[:2]:
            self.assertRegex(base, r"^\S+:[\w.-]+@sha256:[0-9a-f]{64}( AS \w+)?$")
            self.assertNotIn(":latest", base)

    def test_rust_is_the_version_that_the_project_needs(self):
        wanted = re.search(r'^rust-version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
        self.assertIn(f"rust:{wanted[1]}.", self.instructions("FROM")[0])

    def test_user_is_not_root(self):
        self.assertEqual(self.instructions("USER"), ["65532:65532"])

    def test_compose_names_what_is_in_it(self):
        (binary,) = json.loads(self.instructions("ENTRYPOINT")[0])
        self.assertIn(f"--from=build /out/loadgen {binary}", self.instructions("COPY"))
        self.assertIn(f"loadgen {binary}", self.instructions("COPY"))
        exposed = {int(port) for port in self.instructions("EXPOSE")[0].split()}
        published = set()
        for service in model(BASE)["services"].values():
            if not own(service):
                continue
            self.assertEqual(service["healthcheck"]["test"][:2], ["CMD", binary])
            published |= {port["target"] for port in service["ports"]}
        self.assertEqual(published, exposed)

    def test_context_is_small(self):
        tops = {path.split("/")[0] for path in self.context}
        self.assertLessEqual({"Cargo.toml", "Cargo.lock", "LICENSE", "loadgen-cli"}, tops)
        self.assertEqual(tops & {".git", "target", "docs", "monitoring", "tests"}, set())

    def test_dist_leaves_what_its_image_copies(self):
        copied = {copy.split()[0] for copy in self.instructions("COPY") if not copy.startswith("--from=")}
        left = set(re.findall(r'"\$dist/([A-Za-z]+)"', (ROOT / ".ci/dist").read_text()))
        self.assertEqual(copied - {"."}, left)

    def test_context_builds(self):
        """The Dockerfile's own cargo command in a folder that has what the image's build has."""
        (run,) = self.instructions("RUN")
        command = re.search(r"cargo build --release [^&]*", run)
        command = shlex.split(command[0])
        self.assertIn("--locked", command)
        self.assertEqual(command[1:3], ["build", "--release"])
        # All that a build would miss is missed here too, in a tenth of the time.
        command[1:3] = ["check"]
        folder = WORK / "context"
        shutil.rmtree(folder, ignore_errors=True)
        for path in self.context:
            source, copy_of_it = ROOT / path, folder / path
            if source.is_dir():
                copy_of_it.mkdir(parents=True, exist_ok=True)
            else:
                copy_of_it.parent.mkdir(parents=True, exist_ok=True)
                # With its dates, by which cargo knows what it has seen.
                shutil.copy2(source, copy_of_it)
        environment = {**os.environ, "CARGO_TARGET_DIR": str(WORK.parent)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8")
        self.assertEqual(done.returncode, 0, done.stderr)


class Servers(unittest.TestCase):
    """The commands of the compose file and their health checks, without the containers."""

    def test_servers_are_healthy_until_they_stop(self):
        services = model(BASE)["services"]
        servers = {name: service for name, service in services.items() if own(service)}
        self.assertEqual(len(servers), 2)
        for name, service in servers.items():
            with self.subTest(name):
                self.plays(service)

    def plays(self, service):
        (published,) = service["ports"]
        inside, free = f":{published['target']}", f":{free_port()}"
        statsd = "statsd-graphite:8125"

        def here(word):
            return word.replace("0.0.0.0", "127.0.0.1").replace(inside, free).replace(statsd, "127.0.0.1:9")

        command = [LOADGEN, *map(here, service["command"])]
        self.assertIn(f"127.0.0.1{free}", command)
        health = [LOADGEN, *map(here, service["healthcheck"]["test"][2:])]
        self.assertTrue(any(free in word for word in health), health)

        self.assertNotEqual(outcome(health).returncode, 0, "healthy before it runs")
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
            )
            stack.callback(server.kill)
            said = []
            while not (said and "listening on" in said[-1]):
                line = server.stdout.readline()
                self.assertTrue(line, f"{shlex.join(command)} ended: {''.join(said)}")
                said.append(line)
            checked = outcome(health)
            self.assertEqual(checked.returncode, 0, checked.stderr)
            # `docker stop` sends it, and kills what has not ended after ten seconds.
            server.terminate()
            self.assertEqual(server.wait(10), 0)
        self.assertNotEqual(outcome(health).returncode, 0, "healthy after it ended")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def outcome(command):
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE)


class Script(unittest.TestCase):
    """compose.sh with a stand-in for docker that writes down what it is told."""

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.said = self.folder / "said"
        # Only what the script needs: a docker of this machine is not found.
        for tool in ("bash", "sed", "head", "dirname", "git", "env"):
            (self.folder / tool).symlink_to(shutil.which(tool))

    def docker(self, compose="echo 5.6.1", engine="echo 29", up="true"):
        real = shlex.quote(shutil.which("docker-compose"))
        docker = self.folder / "docker"
        docker.write_text(
            f"""#!/usr/bin/env bash
            echo "$*" >>{shlex.quote(str(self.said))}
            case " $* " in
              *" compose version "*) {compose} ;;
              *" compose "*" config "*) shift; exec {real} "$@" ;;
              *" compose "*" up "*) {up} ;;
              *" version "*) {engine} ;;
            esac
            """
        )
        docker.chmod(0o755)

    def run_script(self, *words, **environment):
        environment = {"PATH": str(self.folder), "HOME": "/nonexistent", **environment}
        return subprocess.run(
            ["bash", str(MONITORING / "compose.sh"), *words],
            capture_output=True,
            encoding="utf-8",
            env=environment,
            timeout=PATIENCE,
        )

    def told(self, word):
        lines = self.said.read_text().splitlines()
        return [line for line in lines if f" {word} " in f"{line} "]

    def test_says_what_is_missing(self):
        cases = [
            (None, "docker is not installed"),
            ({"compose": "exit 1"}, "its compose plugin is not"),
            ({"compose": "echo 1.29.2"}, "2.24.4 or later is needed"),
            ({"compose": "echo v2.24.3"}, "2.24.4 or later is needed"),
            ({"engine": "echo nobody answers >&2; exit 1"}, "nobody answers"),
        ]
        for docker, words in cases:
            with self.subTest(words):
                if docker is not None:
                    self.docker(**docker)
                done = self.run_script("up")
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(words, done.stderr)
                self.assertIn("monitoring/native.sh start", done.stderr)

    def test_up_says_where_to_look(self):
        self.docker()
        done = self.run_script("up", MONITORING_GRAFANA_PORT="3001")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("http://127.0.0.1:3001/d/loadgen-overview", done.stdout)
        self.assertIn("http://127.0.0.1:8081", done.stdout)
        self.assertEqual(len(self.told("up")), 1)
        self.assertIn("--wait", self.told("up")[0])

    def test_up_fails_with_docker(self):
        self.docker(up="exit 1")
        done = self.run_script("up")
        self.assertEqual(done.returncode, 1)
        self.assertIn("not everything came up", done.stderr)

    def test_down_keeps_what_was_stored(self):
        self.docker()
        self.assertEqual(self.run_script("down").returncode, 0)
        (down,) = self.told("down")
        self.assertNotIn("--volumes", down)
        self.assertEqual(self.told("up"), [])

    def test_reset_deletes_it_and_starts(self):
        self.docker()
        self.assertEqual(self.run_script("reset").returncode, 0)
        (down,) = self.told("down")
        self.assertIn("--volumes", down)
        self.assertEqual(len(self.told("up")), 1)

    def test_production_needs_a_password_to_start_and_none_to_stop(self):
        self.docker()
        done = self.run_script("--prod", "up")
        self.assertEqual(done.returncode, 1)
        self.assertIn("GRAFANA_ADMIN_PASSWORD", done.stderr)
        self.assertEqual(self.told("up"), [])
        done = self.run_script("--prod", "up", GRAFANA_ADMIN_PASSWORD="of-this-test")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("docker-compose.prod.yml", self.told("up")[0])
        self.assertNotIn("of-this-test", done.stdout)
        self.assertEqual(self.run_script("--prod", "down").returncode, 0)

    def test_usage(self):
        for words in ((), ("start",), ("up", "down")):
            done = self.run_script(*words)
            self.assertEqual(done.returncode, 2, words)
            self.assertIn("up|down|reset|status|check", done.stderr)
        self.assertEqual(self.run_script("--help").returncode, 0)


if __name__ == "__main__":
    unittest.main()
