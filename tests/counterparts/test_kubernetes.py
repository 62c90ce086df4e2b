"""What `loadgen kubernetes` prints and docs/kubernetes has: taken by Kubernetes's own schemas, kubectl and Envoy, and
each pod's command run as it stands there. No cluster has run them."""

import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

import jsonschema
import kubernetes_validate
import yaml
from engines import DOCS, apart_s
from harness import LOADGEN, PATIENCE, Foreign, Serve, free_port
from test_identity import Folder

FOLDER = DOCS / "kubernetes"
SHARDS = 4
# What JobSet's published schema has of the fields that are printed, of its v1alpha2: that is on no registry of packages.
# JOBSET_CRD names the file itself (config/components/crd/bases of its repository), which is then checked against, too.
JOBSET = {
    "type": "object",
    "additionalProperties": False,
    "required": ["replicatedJobs"],
    "properties": {
        "network": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "enableDNSHostnames": {"type": "boolean"},
                "publishNotReadyAddresses": {"type": "boolean"},
                "subdomain": {"type": "string"},
            },
        },
        "failurePolicy": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"maxRestarts": {"type": "integer"}},
        },
        "replicatedJobs": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "template"],
                "properties": {
                    "name": {"type": "string"},
                    "replicas": {"type": "integer"},
                    "template": {"type": "object"},
                },
            },
        },
    },
}


def printed(*flags, file=FOLDER / "agents.yaml"):
    """The documents of a scenario."""
    command = [LOADGEN, "kubernetes", file, "--shards", str(SHARDS), *flags]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def kustomized(folder):
    """What kubectl makes of a folder."""
    kubectl = pathlib.Path(sys.executable).with_name("kubectl")
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, encoding="utf-8", timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def by_name(documents):
    return {(it["kind"], it["metadata"]["name"]): it for it in documents}


def published():
    """JobSet's own schema, where it is there."""
    path = os.environ.get("JOBSET_CRD")
    if not path:
        return None
    crd = yaml.safe_load(pathlib.Path(path).read_text(encoding="utf-8"))
    (version,) = [it for it in crd["spec"]["versions"] if it["name"] == "v1alpha2"]
    return strict(version["schema"]["openAPIV3Schema"])


def strict(schema):
    """A schema that takes no fields but its own, as a cluster would say of them."""
    if isinstance(schema, list):
        return [strict(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: strict(it) for name, it in schema.items()}
    if found.get("type") == "object" and "properties" in found and "additionalProperties" not in found:
        found["additionalProperties"] = False
    if found.pop("x-kubernetes-int-or-string", False):
        found.pop("type", None)
    return found


class Manifests(unittest.TestCase):
    def check(self, documents):
        for it in documents:
            kubernetes_validate.validate(it, "1.37", strict=True)

    def test_what_is_printed(self):
        self.check(printed())
        self.check(printed("--secret", "mine", "--results", "theirs", "--namespace", "load", "--cpu", "500m"))

    def test_the_folder(self):
        documents = kustomized(FOLDER)
        self.check(documents)
        for name in ("secrets.example.yaml", "results.yaml"):
            self.check(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))
        found = by_name(documents)
        self.assertEqual(
            {it["metadata"].get("namespace") for it in documents if it["kind"] != "Namespace"}, {"loadgen"}
        )
        pods = [it["spec"]["template"]["spec"] for it in documents if it["kind"] in ("Deployment", "Job")]
        self.assertEqual(len(pods), 5)
        # Agents that come before their servers would be lost.
        self.assertTrue(found["Job", "agents"]["spec"]["suspend"])
        files = yaml.safe_load((FOLDER / "results.yaml").read_text(encoding="utf-8"))["spec"]
        self.assertIn(files["volumes"], [it.get("volumes") for it in pods])
        pods.append(files)
        claims, asked = found["ResourceQuota", "all"]["spec"]["hard"], 0
        for pod in pods:
            self.hardened(pod)
        for it in documents:
            if it["kind"] in ("Deployment", "Job"):
                spec = it["spec"]
                (container,) = spec["template"]["spec"]["containers"]
                cores = int(container["resources"]["limits"]["cpu"])
                asked += cores * spec.get("replicas", spec.get("parallelism", 1))
        self.assertLessEqual(asked, int(claims["limits.cpu"]))
        # Everything that is named is there.
        config = found["Deployment", "proxy"]["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"]
        self.assertEqual(list(found["ConfigMap", config]["data"]), ["envoy.yaml"])
        services = {name for kind, name in found if kind == "Service"}
        self.assertEqual(services, {"agents", "proxy", "server-v1", "server-v2"})
        for name in services:
            chosen = found["Service", name]["spec"]["selector"].items()
            labels = [
                it["spec"]["template"]["metadata"]["labels"].items()
                for it in documents
                if it["kind"] in ("Deployment", "Job")
            ]
            self.assertTrue(any(chosen <= it for it in labels), name)

    def test_who_speaks_to_whom(self):
        documents = kustomized(FOLDER)
        labels = {
            it["metadata"]["name"]: it["spec"]["template"]["metadata"]["labels"]
            for it in documents
            if it["kind"] in ("Deployment", "Job")
        }
        policies = [it["spec"] for it in documents if it["kind"] == "NetworkPolicy"]

        def chosen(selector, found):
            return selector.get("matchLabels", {}).items() <= found.items()

        def is_let(pod, other, port, way, peer):
            rules = [it for it in policies if chosen(it["podSelector"], labels[pod]) and way in it["policyTypes"]]
            # Where no policy is of a pod, everything may pass.
            return not rules or any(
                any(chosen(at.get("podSelector", {"matchLabels": {"none": ""}}), labels[other]) for at in edge[peer])
                and {"protocol": "TCP", "port": port} in edge["ports"]
                for it in rules
                for edge in it.get(way.lower(), [])
            )

        def passes(pod, other, port):
            return is_let(pod, other, port, "Egress", "to") and is_let(other, pod, port, "Ingress", "from")

        edges = {("agents", "proxy", 8443), ("agents", "agents", 8090)}
        edges |= {("proxy", f"server-{it}", 50051) for it in ("v1", "v2")}
        found = {
            (pod, other, port)
            for pod in labels
            for other in labels
            for port in (8090, 8443, 50051)
            if passes(pod, other, port)
        }
        self.assertEqual(found, edges)
        # Each listens at the port that is let through.
        ports = {
            it["metadata"]["name"]: it["spec"]["template"]["spec"]["containers"][0].get("ports", [])
            for it in documents
            if it["kind"] in ("Deployment", "Job")
        }
        for _, other, port in edges:
            self.assertEqual([it["containerPort"] for it in ports[other]], [port])
        # And all of them may ask for names.
        names = [
            edge
            for it in policies
            if it["podSelector"] == {} and "Egress" in it["policyTypes"]
            for edge in it.get("egress", [])
        ]
        (edge,) = names
        self.assertEqual(edge["ports"], [{"protocol": it, "port": 53} for it in ("UDP", "TCP")])
        (to,) = edge["to"]
        self.assertEqual(to["podSelector"], {"matchLabels": {"k8s-app": "kube-dns"}})

    def hardened(self, pod):
        """As the namespace's own rule, `restricted`, would have it, and with limits."""
        (container,) = pod["containers"]
        self.assertEqual((pod["automountServiceAccountToken"], pod["enableServiceLinks"]), (False, False))
        context = pod["securityContext"]
        self.assertEqual((context["runAsNonRoot"], context["seccompProfile"]), (True, {"type": "RuntimeDefault"}))
        expected = {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        self.assertEqual(container["securityContext"], expected)
        self.assertEqual(container["resources"]["requests"], container["resources"]["limits"])

    def test_no_shard_is_started_again(self):
        job = by_name(printed())["Job", "agents"]["spec"]
        self.assertEqual((job["completions"], job["parallelism"]), (SHARDS, SHARDS))
        self.assertEqual((job["backoffLimitPerIndex"], job["podReplacementPolicy"]), (0, "Failed"))
        self.assertNotIn("backoffLimit", job)
        self.assertEqual(job["template"]["spec"]["restartPolicy"], "Never")

    def test_jobset(self):
        documents = by_name(printed("--jobset", "--secret", "agents"))
        self.assertNotIn(("Job", "agents"), documents)
        self.assertNotIn(("Service", "agents"), documents)
        found = documents.pop(("JobSet", "agents"))
        self.check(documents.values())
        self.assertEqual(found["apiVersion"], "jobset.x-k8s.io/v1alpha2")
        jsonschema.validate(found["spec"], JOBSET)
        whole = published()
        if whole:
            jsonschema.validate(found, whole)
        (shards,) = found["spec"]["replicatedJobs"]
        # JobSet makes a Job of it, and a Service.
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "agents-shards-0"}, **shards["template"]}
        job["metadata"] = {"name": "agents-shards-0", **shards["template"]["metadata"]}
        self.check([job])
        ours = by_name(printed("--secret", "agents"))["Job", "agents"]
        pod = shards["template"]["spec"]["template"]["spec"]
        self.assertEqual(pod["containers"][0]["env"], ours["spec"]["template"]["spec"]["containers"][0]["env"])
        words = pod["containers"][0]["args"]
        self.assertIn("agents-shards-0-0.agents:8090", words)


class Verdict(unittest.TestCase):
    """The script that waits for a run, beside a kubectl that knows what a cluster would say."""

    # Shards are at work until they have been asked for twice; the merging Job until it is let go.
    KUBECTL = """#!/usr/bin/env bash
echo "$*" >> "$FOLDER/asked"
case "$*" in
*"get jobs"*component=shard*) [[ $(grep -c 'get jobs.*component=shard' "$FOLDER/asked") -lt 2 ]] || echo "$SHARDS" ;;
*"patch job agents-merge"*) touch "$FOLDER/merging" ;;
*"get jobs"*component=merge*) [[ -e $FOLDER/merging ]] && echo 'Suspended Complete' || echo Suspended ;;
*"logs job/agents-merge"*) echo 'all 4 merged' ;;
*"get pods"*) echo "$CODE" ;;
*) exit 1 ;;
esac
"""

    def ended(self, shards, code, wait="60"):
        folder = self.enterContext(Folder())
        kubectl = pathlib.Path(folder.write("kubectl", self.KUBECTL.encode()))
        kubectl.chmod(0o755)
        told = {"KUBECTL": str(kubectl), "FOLDER": str(folder.path), "SHARDS": shards, "CODE": code, "WAIT": wait}
        done = subprocess.run(
            [FOLDER / "verdict.sh", "agents", "--namespace", "load"],
            env={**os.environ, **told},
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
        )
        asked = (folder.path / "asked").read_text(encoding="utf-8").splitlines()
        self.assertTrue(all(it.endswith("--namespace load") for it in asked), asked)
        return done

    def test_it_ends_as_the_whole(self):
        for shards, code in (("Complete", 0), ("FailureTarget Failed", 99), ("Failed", 100)):
            with self.subTest(code=code):
                done = self.ended(shards, str(code))
                self.assertEqual((done.returncode, done.stdout), (code, "all 4 merged\n"), done.stderr)

    def test_there_is_no_verdict(self):
        done = self.ended("Complete", "")
        self.assertEqual(done.returncode, 1)
        self.assertIn("left no exit code", done.stderr)
        done = self.ended("FailureTarget", "0", wait="1")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("did not end in time", done.stderr)


class Routing(unittest.TestCase):
    """Envoy with the folder's configuration, and the pods' own commands: each version reaches its servers."""

    def test_agents_of_four_versions(self):
        documents = by_name(kustomized(FOLDER))
        folder = self.enterContext(Folder())
        self.certificates(folder)
        ca = folder.path / "ca.crt"
        servers = {
            version: [
                self.enterContext(Serve("--id", f"server-{version}-{it}", "--version", version)) for it in ("a", "b")
            ]
            for version in ("v1", "v2")
        }
        envoy, port = self.envoy(documents, servers, folder)
        with envoy:
            told = self.told(documents, "agents")
            claim = folder.path / "claim"
            results = self.results(documents, "agents", claim)
            self.meeting_port = free_port()
            told_all = {"LOADGEN_SHARDS": str(SHARDS), "LOADGEN_RUN_ID": "job", "LOADGEN_COORDINATOR_TOKEN": "hush"}
            shards = [
                subprocess.Popen(
                    [
                        *self.here(told, index, documents, folder, results),
                        *("--target", f"https://127.0.0.1:{port}", "--tls-ca", ca, "--tls-server-name", "proxy"),
                        *("--duration", "3s"),
                    ],
                    env={**os.environ, **told_all, "JOB_COMPLETION_INDEX": str(index)},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    encoding="utf-8",
                )
                for index in range(SHARDS)
            ]
            for shard in shards:
                said, _ = shard.communicate(timeout=PATIENCE)
                self.assertEqual(shard.returncode, 0, said)
        results = self.results(documents, "agents-merge", claim)
        merge = [it.replace("/results", str(results)) for it in self.told(documents, "agents-merge")]
        done = subprocess.run([LOADGEN, *merge, "--json"], capture_output=True, encoding="utf-8", timeout=PATIENCE)
        self.assertIn(done.returncode, (0, 100), done.stderr)
        for name in ("whole.json", "report.html", "junit.xml"):
            self.assertTrue((results / name).exists(), name)
        # Once more, beside what came of it.
        again = subprocess.run([LOADGEN, *merge, "--quiet"], capture_output=True, encoding="utf-8", timeout=PATIENCE)
        self.assertEqual(again.returncode, done.returncode, again.stderr)
        found = {it["name"].removeprefix("agents-"): it for it in json.loads(done.stdout)["scenarios"]}
        self.assertEqual(set(found), {"v1.1", "v1.2", "v2.1", "v2.2"})
        self.assertLess(apart_s(results / "shards"), 0.02)
        for version, scenario in found.items():
            (expectation,) = [it for it in scenario["expectations"] if "route" in it["expression"]]
            self.assertEqual(expectation["verdict"], "holds", expectation)
            self.assertEqual(scenario["ledger"]["failed"], 0, scenario["failures"])
            self.assertGreater(scenario["ledger"]["completed"], 0)
            answered = {it["id"] for it in scenario["backends"] if it["requests"]}
            self.assertEqual(answered, {f"server-{version[:2]}-{it}" for it in "ab"})

    @staticmethod
    def certificates(folder):
        """Those that the folder's example has commands for, made by these."""
        text = (FOLDER / "secrets.example.yaml").read_text(encoding="utf-8")
        comment = "\n".join(re.findall("^#   (.*)$", text, re.MULTILINE)).replace("\\\n", " ")
        commands = "\n".join(it for it in comment.splitlines() if it.startswith("openssl "))
        made = ["bash", "-e", "-c", commands]
        subprocess.run(made, cwd=folder.path, check=True, capture_output=True, timeout=PATIENCE)

    @staticmethod
    def results(documents, job, claim):
        """The folder of a claim that a Job's pods have, made as a node makes it."""
        (container,) = documents["Job", job]["spec"]["template"]["spec"]["containers"]
        (mount,) = [it for it in container["volumeMounts"] if it["name"] == "results"]
        folder = claim / mount["subPath"]
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def envoy(self, documents, servers, folder):
        """The proxy's configuration with the servers' addresses in the place of names, and a port of its own."""
        (config,) = [it for (kind, name), it in documents.items() if kind == "ConfigMap" and name.startswith("envoy")]
        config = yaml.safe_load(config["data"]["envoy.yaml"])
        config["admin"]["address"]["socket_address"]["port_value"] = 0
        (listener,) = config["static_resources"]["listeners"]
        port = free_port()
        listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
        for cluster in config["static_resources"]["clusters"]:
            (group,) = cluster["load_assignment"]["endpoints"]
            (named,) = group["lb_endpoints"]
            place = named["endpoint"]["address"]["socket_address"]
            self.assertEqual(place, {"address": cluster["name"], "port_value": 50051})
            cluster["type"] = "STATIC"
            addresses = [it.address.rsplit(":", 1) for it in servers[cluster["name"].removeprefix("server-")]]
            group["lb_endpoints"] = [
                {"endpoint": {"address": {"socket_address": {"address": host, "port_value": int(at)}}}}
                for host, at in addresses
            ]
        files = {it: (folder.path / it).read_text(encoding="utf-8") for it in ("tls.crt", "tls.key")}
        text = json.dumps(config).replace("/etc/envoy/tls", "FOLDER")
        return Foreign("envoy", text, port, files), port

    @staticmethod
    def told(documents, job):
        (container,) = documents["Job", job]["spec"]["template"]["spec"]["containers"]
        return container["args"]

    def here(self, told, index, documents, folder, results):
        """A shard's command, with this machine's places in those of a pod."""
        words = list(told)
        # There is no name for the first of them here.
        at = words.index("--coordinator") + 1
        self.assertEqual(words[at], "agents-0.agents:8090")
        self.assertEqual(words[at + 1], "--wait-for-shards")
        words[at] = f"127.0.0.1:{self.meeting_port}"
        config = documents["ConfigMap", "agents-scenario"]
        (volume,) = [
            it
            for it in documents["Job", "agents"]["spec"]["template"]["spec"]["volumes"]
            if it["name"] == "scenario"
        ]
        for item in volume["configMap"]["items"]:
            folder.write(item["path"], config["data"][item["key"]])
        words = [it.replace("/scenario", str(folder.path)).replace("/results", str(results)) for it in words]
        return [LOADGEN, *(it.replace("$(JOB_COMPLETION_INDEX)", str(index)) for it in words)]


if __name__ == "__main__":
    unittest.main()
