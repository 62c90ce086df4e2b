"""What starts processes on many machines, with this machine in the place of all: SLURM, and Open MPI over ssh."""

import datetime
import getpass
import json
import os
import pathlib
import socket
import subprocess
import tempfile

from harness import LOADGEN, PATIENCE, free_port, wait_for

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"


def _libraries(*folders):
    """The environment in which programs find their libraries in these folders first."""
    found = [str(it) for it in folders] + [it for it in [os.environ.get("LD_LIBRARY_PATH")] if it]
    return {"LD_LIBRARY_PATH": ":".join(found)}


class _Daemons:
    """Programs that run beside a test, with a folder of their own. Use it in a `with`."""

    def __enter__(self):
        self._held = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self._held.name)
        # Where a user would be.
        self.work = self.folder / "work"
        self.work.mkdir()
        self._daemons = []
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._end_work()
        for daemon in self._daemons:
            daemon.terminate()
        for daemon in self._daemons:
            daemon.wait(PATIENCE)
        self._held.cleanup()

    def _end_work(self):
        """Ends what was started through them, where a test has not come to its end."""

    def _daemon(self, name, *command, env):
        with open(self.folder / f"{name}.log", "ab") as log:
            started = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._daemons.append(started)

    def results(self):
        """The folder of the only run's results."""
        (found,) = [it for it in self.work.iterdir() if it.name.startswith("loadgen-")]
        return found


class Slurm(_Daemons):
    """SLURM with four nodes, each a `slurmd` on this machine; nobody proves who they are."""

    NODES = 4

    def _start(self):
        unpacked = pathlib.Path(os.environ["SLURM"])
        (plugins,), programs = unpacked.glob("usr/lib/*/slurm-wlm"), unpacked / "usr/sbin"
        user, host = getpass.getuser(), socket.gethostname()
        nodes = "".join(
            f"NodeName=n{it} NodeHostname={host} NodeAddr=127.0.0.1 Port={free_port()} CPUs=1\n" for it in self._nodes()
        )
        config = self.folder / "slurm.conf"
        config.write_text(
            f"""
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={free_port()}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
PluginDir={plugins}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/%n
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/%n.pid
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
JobAcctGatherType=jobacct_gather/none
{nodes}PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
""",
            encoding="utf-8",
        )
        (self.folder / "state").mkdir()
        path = f"{os.environ['PATH']}:{unpacked}/usr/bin"
        found = _libraries(plugins, plugins.parent)
        self._env = {**os.environ, **found, "PATH": path, "SLURM_CONF": str(config), "LOADGEN": LOADGEN}
        self._env["COORDINATOR_PORT"] = str(free_port())
        self._daemon("slurmctld", programs / "slurmctld-wlm", "-D", env=self._env)
        for it in self._nodes():
            (self.folder / f"n{it}").mkdir()
            daemon = [programs / "slurmd-wlm", "-D", "-N", f"n{it}", "-d", programs / "slurmstepd-wlm"]
            self._daemon(f"n{it}", *daemon, env=self._env)
        wait_for("the nodes", lambda: self._ask("sinfo", "--noheader", "--format=%D %T") == f"{self.NODES} idle")

    def _end_work(self):
        if getattr(self, "_env", None):
            self._ask("scancel", "--user", getpass.getuser())
            # Without anybody to tell of it they would not end.
            wait_for("the end of all jobs", lambda: not self._ask("squeue", "--noheader"))

    def _nodes(self):
        return range(1, self.NODES + 1)

    def _ask(self, *command):
        done = subprocess.run(command, env=self._env, cwd=self.work, capture_output=True, encoding="utf-8", timeout=PATIENCE)
        return done.stdout.strip()

    def submit(self, *flags):
        """Submits the script of the documentation for all nodes, with no more environment than it needs; returns the
        number of the job."""
        known = "--export=LOADGEN,COORDINATOR_PORT,PATH,LD_LIBRARY_PATH,SLURM_CONF"
        command = ["sbatch", "--parsable", f"--nodes={self.NODES}", known, DOCS / "slurm" / "loadgen.sbatch", *flags]
        job = self._ask(*command)
        assert job, "sbatch refuses it"
        return job

    def ended(self, job):
        """Waits for the end of a job; its exit code, and what it said."""

        def code():
            words = dict(it.split("=", 1) for it in self._ask("scontrol", "show", "job", job).split() if "=" in it)
            return words["JobState"] in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL") and words["ExitCode"]

        code, _, signal = wait_for("the job", code).partition(":")
        assert signal == "0", signal
        return int(code), (self.work / f"slurm-{job}.out").read_text(encoding="utf-8")

    def fail(self, node):
        """Takes a node from the cluster, as when it does not answer any more."""
        self._ask("scontrol", "update", f"nodename=n{node}", "state=down", "reason=test")

    def starts_again(self, job):
        """Whether the job may be made to begin anew, as when a node of it fails."""
        asked = subprocess.run(["scontrol", "requeue", job], env=self._env, capture_output=True, timeout=PATIENCE)
        return asked.returncode == 0


class Ssh(_Daemons):
    """Hosts on addresses of loopback, each an `sshd` that lets in who has the test's own key, for `mpirun`."""

    HOSTS = ("127.0.0.2", "127.0.0.3")

    def _start(self):
        unpacked = pathlib.Path(os.environ["OPENMPI"])
        programs = f"{self.folder}:{os.environ['PATH']}:{unpacked}/usr/bin"
        # Where nothing is installed, nobody has chosen which program is meant.
        (self.folder / "mpirun").symlink_to(unpacked / "usr/bin/orterun")
        (modules,) = unpacked.glob("usr/lib/*/openmpi/lib")
        found = _libraries(modules.parents[1], modules)
        found |= {"PATH": programs, "OPAL_PREFIX": f"{unpacked}/usr", "PMIX_MCA_pcompress_base_silence_warning": "1"}
        env = {**os.environ, **found}
        for key in ("host", "user"):
            made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / key]
            subprocess.run(made, env=env, check=True, timeout=PATIENCE)
        port = free_port()
        listen = "".join(f"ListenAddress {it}\n" for it in self.HOSTS)
        told = " ".join(f"{name}={value}" for name, value in found.items())
        (self.folder / "sshd_config").write_text(
            f"""
Port {port}
{listen}HostKey {self.folder}/host
AuthorizedKeysFile {self.folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
SetEnv {told}
""",
            encoding="utf-8",
        )
        (self.folder / "ssh_config").write_text(
            f"""
Port {port}
IdentityFile {self.folder}/user
IdentitiesOnly yes
UserKnownHostsFile {self.folder}/known
StrictHostKeyChecking accept-new
BatchMode yes
LogLevel ERROR
""",
            encoding="utf-8",
        )
        # A server that is installed would have brought this user, which it gives its rights up for.
        users = pathlib.Path("/etc/passwd").read_text(encoding="utf-8")
        (self.folder / "passwd").write_text(f"{users}sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n", encoding="utf-8")
        named = {"NSS_WRAPPER_PASSWD": f"{self.folder}/passwd", "NSS_WRAPPER_GROUP": "/etc/group"}
        named["LD_PRELOAD"] = os.environ["NSS_WRAPPER"]
        if os.geteuid() == 0:
            pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self._daemon("sshd", unpacked / "usr/sbin/sshd", "-D", "-e", "-f", self.folder / "sshd_config", env={**env, **named})
        lines = "".join(f"{it} slots=2\n" for it in self.HOSTS)
        (self.work / "hosts").write_text(f"# two each\n{lines}", encoding="utf-8")
        self._env = {
            **env,
            "LOADGEN": LOADGEN,
            "SSH": f"ssh -F {self.folder}/ssh_config",
            "MPIRUN_FLAGS": "--allow-run-as-root --mca oob_tcp_if_include lo",
            "COORDINATOR_PORT": str(free_port()),
        }
        for host in self.HOSTS:
            wait_for("sshd", lambda host=host: self._reaches(host, port))

    @staticmethod
    def _reaches(host, port):
        with socket.socket() as tried:
            return tried.connect_ex((host, port)) == 0

    def start(self, *flags):
        """Starts the script of the documentation with two shards on each host."""
        return subprocess.Popen(
            [DOCS / "mpirun" / "loadgen.sh", "hosts", *flags],
            cwd=self.work,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )


def apart_s(results):
    """How far apart the shards began whose results are in a folder, by their clocks, in seconds."""
    documents = [json.loads(it.read_text(encoding="utf-8")) for it in results.glob("*.json")]
    began = [datetime.datetime.fromisoformat(it["run"]["started_at"]) for it in documents]
    return (max(began) - min(began)).total_seconds()


def shard(of, variable, number):
    """The process of the only shard with this number below a folder, by what its launcher told it."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "environ").read_bytes().split(b"\0")
            program = os.readlink(process / "exe")
        except OSError:
            continue
        if program == LOADGEN and f"{variable}={number}".encode() in told and f"PWD={of}".encode() in told:
            return int(process.name)
    return None
