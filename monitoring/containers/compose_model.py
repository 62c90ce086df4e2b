"""The compose files as Docker Compose understands them, and what must hold for them."""

import json
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
MONITORING = ROOT / "monitoring"
BASE = MONITORING / "docker-compose.yml"
PROD = MONITORING / "docker-compose.prod.yml"

PINNED = re.compile(r"(?P<name>[a-z0-9./_-]+):(?P<tag>[A-Za-z0-9_][\w.-]*)@sha256:[0-9a-f]{64}")
# By service: the ports within the container, and what they are on the machine.
PORTS = {
    "statsd-graphite": {(8125, "udp"): "8125", (80, "tcp"): "8081"},
    "grafana": {(3000, "tcp"): "3000"},
    "grpc-backend": {(50051, "tcp"): "50051"},
    "websocket-backend": {(8080, "tcp"): "8080"},
}


def read(*files, **environment):
    """Runs `docker-compose config` on the files. Nothing of this process's environment gets in."""
    names = [part for file in files for part in ("--file", str(file))]
    return subprocess.run(
        ["docker-compose", *names, "config", "--format", "json"],
        capture_output=True,
        encoding="utf-8",
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
        timeout=60,
    )


def model(*files, **environment):
    done = read(*files, **environment)
    # A warning too: of an obsolete `version`, of a variable that nobody set.
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return json.loads(done.stdout)


def limits(service):
    return service.get("deploy", {}).get("resources", {}).get("limits", {})


def problems(stack, production=False):
    """All that is wrong with a stack, a line each."""
    found = []
    ports = dict(PORTS)
    if production:
        # Graphite's own pages have an administrator whose password is known to all.
        ports["statsd-graphite"] = {(8125, "udp"): "8125"}
    services = stack["services"]
    if set(services) != set(PORTS):
        found.append(f"services: {sorted(services)}")
    for name, service in services.items():
        checks = [_image, _lifecycle, _resources, _mounts, _confinement]
        if production:
            checks.append(_production)
        for check in checks:
            found += [f"{name}: {problem}" for problem in check(service, stack)]
        if name not in ports:
            continue
        published = {
            (port["target"], port["protocol"]): port["published"]
            for port in service.get("ports", [])
        }
        if published != ports[name]:
            found.append(f"{name}: publishes {published}")
    used = {
        mount["source"]
        for service in services.values()
        for mount in service.get("volumes", [])
        if mount["type"] == "volume"
    }
    if used != set(stack.get("volumes", {})):
        found.append(f"volumes: {sorted(used)} are used, {sorted(stack.get('volumes', {}))} declared")
    return found


def own(service):
    """Whether it runs the image that is built here."""
    return service.get("image") == "loadgen:local"


def _image(service, stack):
    if own(service):
        builders = [other for other in stack["services"].values() if "build" in other]
        if len(builders) != 1 or not own(builders[0]):
            yield f"{len(builders)} services build the image"
        if service.get("pull_policy") != ("build" if "build" in service else "never"):
            yield "what is built here must not be pulled"
        if "build" in service:
            context = pathlib.Path(service["build"]["context"])
            if context != ROOT or not (context / service["build"]["dockerfile"]).is_file():
                yield f"is built of {context}, {service['build']['dockerfile']}"
        return
    pinned = PINNED.fullmatch(service.get("image", ""))
    if not pinned or pinned["tag"] == "latest":
        yield f"image {service.get('image')} is not pinned by tag and digest"


def _lifecycle(service, stack):
    if service.get("restart") != "unless-stopped":
        yield "no restart policy"
    health = service.get("healthcheck", {})
    if len(health.get("test", [])) < 2 or health.get("disable"):
        yield "no health check"
    for key in ("interval", "timeout", "retries", "start_period"):
        if key not in health:
            yield f"no healthcheck.{key}"
    for other, dependency in service.get("depends_on", {}).items():
        if dependency["condition"] != "service_healthy":
            yield f"does not wait until {other} is healthy"
        if other not in stack["services"]:
            yield f"depends on {other}, which is not there"


def _resources(service, _stack):
    for key in ("cpus", "memory", "pids"):
        if not limits(service).get(key):
            yield f"no limit of {key}"


def _mounts(service, _stack):
    for mount in service.get("volumes", []):
        if mount["type"] == "volume":
            continue
        source = pathlib.Path(mount["source"])
        if not source.is_relative_to(ROOT):
            yield f"mounts {source}, which is not in the repository"
        elif not source.exists():
            # Docker would make an empty folder of that name.
            yield f"mounts {source.relative_to(ROOT)}, which is not there"
        if not mount.get("read_only"):
            yield f"may write to {source}"


def _confinement(service, _stack):
    for port in service.get("ports", []):
        if port.get("host_ip") != "127.0.0.1":
            yield f"port {port['target']} is on {port.get('host_ip', 'every address')}"
    if list(service.get("networks", {})) != ["monitoring"]:
        yield f"is in the networks {list(service.get('networks', {}))}"
    for key in ("privileged", "network_mode", "pid", "ipc", "cap_add", "devices"):
        if service.get(key):
            yield f"has {key}"


def _production(service, _stack):
    reserved = service.get("deploy", {}).get("resources", {}).get("reservations", {})
    for key in ("cpus", "memory"):
        if not reserved.get(key):
            yield f"no reservation of {key}"
        elif float(reserved[key]) > float(limits(service).get(key, 0)):
            yield f"reserves more {key} than its limit"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield "may gain privileges"
    if not service.get("cap_drop"):
        yield "keeps every capability"
    # The one that cannot: see docker-compose.prod.yml.
    if not service.get("read_only") and not service["image"].startswith("graphiteapp/"):
        yield "can write to its root"
    environment = service.get("environment", {})
    if environment.get("GF_AUTH_ANONYMOUS_ENABLED", "false") != "false":
        yield "lets everyone look"
    if environment.get("GF_SECURITY_ADMIN_PASSWORD") == "admin":
        yield "has the default password"
