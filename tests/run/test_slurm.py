"""A real Slurm on this machine: a node dies, a job meets its time limit, the results are the same.

It writes /etc/slurm/slurm.conf, since job steps drop SLURM_CONF, and takes it away afterwards.
docs/cluster.md says how to install what it needs; without that it is skipped.
"""

import contextlib
import importlib.util
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fer_lib.config import ROOT
from fer_lib.tools import weights
from tests import kills

CONF = Path("/etc/slurm/slurm.conf")
DAEMONS = ("munged", "slurmctld", "slurmd")
RUN = "orl-smoke"
OPTIONS = (
    *("--slurm-status-command", "squeue", "--slurm-no-account", "--slurm-no-requeue"),
    *("--slurm-init-seconds-before-status-checks", "5", "--latency-wait", "5"),
    *("--default-resources", "runtime=30", "mem_mb=1000"),
)


def missing() -> str:
    """What a Slurm of our own lacks here; "" if nothing."""
    if os.geteuid() != 0:
        return "starts as root"
    absent = [name for name in DAEMONS if not shutil.which(name)]
    if not importlib.util.find_spec("snakemake_executor_plugin_slurm"):
        absent.append("snakemake-executor-plugin-slurm")
    if absent:
        return f"not installed: {', '.join(absent)}"
    if shlex.quote(sys.executable) != sys.executable:
        return "the environment's path has spaces or the like"  # refused: tests/run/test_cli.py
    return f"{CONF} is another cluster's" if CONF.exists() else ""


pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=f"Slurm: {missing()}")]


class Cluster:
    """One controller and one node with two cores; every daemon is stopped by its pid."""

    def __init__(self, folder: Path):
        self.folder, self.processes = folder, {}
        host = socket.gethostname()
        (folder / "state").mkdir()
        (folder / "spool").mkdir()
        CONF.parent.mkdir(exist_ok=True)
        CONF.write_text(f"""\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
KillWait=2
MinJobAge=3600
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
""")
        Path("/run/munge").mkdir(exist_ok=True)
        self.start("munged", "--foreground", "--force")
        self.start("slurmctld", "-D")
        self.start("slurmd", "-D")
        try:
            wait(self.answers, 60)
        except AssertionError:
            self.close()
            pytest.skip("Slurm's daemons do not start here")

    def start(self, name: str, *options: str) -> None:
        with (self.folder / f"{name}.log").open("a") as log:
            command = [shutil.which(name), *options]
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log)

    def answers(self) -> bool:
        done = subprocess.run(["sinfo", "-h", "-o", "%t"], capture_output=True, text=True)
        return done.stdout.strip() in ("idle", "mix", "alloc")

    def states(self) -> list[str]:
        """How it is with all jobs, also those that have ended."""
        command = ["squeue", "--me", "--states=all", "--noheader", "--format=%T"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    def lose_node(self) -> None:
        """The node goes, with all that ran on it, and comes back."""
        self.stop("slurmd", signal.SIGKILL)
        alive = processes()
        lost = {pid for pid, (_, words) in alive.items() if words.startswith("slurmstepd: [")}
        while more := {pid for pid, (parent, _) in alive.items() if parent in lost} - lost:
            lost |= more
        for pid in lost:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait(lambda: not self.answers(), 120)
        self.start("slurmd", "-D")

    def stop(self, name: str, how: int = signal.SIGTERM) -> None:
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait(30)

    def close(self) -> None:
        subprocess.run(["scancel", "--me"], check=False)
        for name in reversed(DAEMONS):
            if name in self.processes:
                self.stop(name)
        CONF.unlink()


def wait(until, seconds: float):
    """What `until()` gives as soon as it is true. Fails after so many seconds."""
    end = time.monotonic() + seconds
    while not (found := until()):
        assert time.monotonic() < end, f"waited {seconds:g} s in vain"
        time.sleep(0.5)
    return found


def processes() -> dict[int, tuple[int, str]]:
    """Parent and command line of every process that has one: zombies have none."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            found[int(folder.name)] = int(parent), words
    return {pid: facts for pid, facts in found.items() if facts[1]}


def environment(pid: int) -> dict[str, str]:
    """The environment that a process was started with; empty of one that has gone."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        return dict(word.split("=", 1) for word in words if "=" in word)
    return {}


def training(work: Path) -> tuple[int, str]:
    """A process that trains a network in `work`, and its Slurm job; () if there is none. Others on
    this machine may train, too."""
    for pid, (_, words) in processes().items():
        if "fer_lib.run.step train" in words:
            facts = environment(pid)
            if facts.get("FER_WORK") == str(work) and "SLURM_JOB_ID" in facts:
                return pid, facts["SLURM_JOB_ID"]
    return ()


@pytest.fixture
def cluster(tmp_path):
    folder = tmp_path / "slurm"
    folder.mkdir()
    cluster = Cluster(folder)
    yield cluster
    cluster.close()


def start(folder: Path, *options: str) -> subprocess.Popen:
    """A smoke run with folders of its own."""
    folder.mkdir()
    places = {"FER_WORK": str(folder / "work"), "FER_REPORTS": str(folder / "reports")}
    command = [sys.executable, "-m", "fer_lib.run.cli", "--profile", "smoke", *options]
    with (folder / "said").open("w") as said:
        given = os.environ | places | {"FER_DATA": ""}
        return subprocess.Popen(command, cwd=ROOT, env=given, stdout=said, stderr=said)


def results(folder: Path) -> dict:
    """Tables without times, as bytes, and weights, as checksums, by name."""
    found = {}
    for path in sorted((folder / "reports" / RUN / "tables").glob("*.csv")):
        if kills.is_same(path):
            found[path.name] = path.read_bytes()
    for path in sorted((folder / "work" / "models").glob("*/checkpoint.safetensors")):
        tensors, facts = weights.load(path)
        losses = [epoch["train_loss"] for epoch in facts["history"]]
        found[path.parent.name] = losses, {k: weights.digest(v.numpy()) for k, v in tensors.items()}
    return found


def test_a_run_that_loses_its_node_and_a_job_gives_what_a_local_run_gives(cluster, tmp_path):
    run = start(tmp_path / "slurm-run", "--executor", "slurm", "--", *OPTIONS)
    work = tmp_path / "slurm-run" / "work"
    try:
        pid, job = wait(lambda: training(work), 240)
        os.kill(pid, signal.SIGSTOP)  # it does not get on, until its time limit ends it
        subprocess.run(["scontrol", "update", f"JobId={job}", "TimeLimit=1"], check=True)
        wait(lambda: "TIMEOUT" in cluster.states(), 300)
        wait(lambda: training(work), 240)
        cluster.lose_node()
        assert run.wait(1800) == 0, (tmp_path / "slurm-run" / "said").read_text()
    finally:
        run.kill()
    assert "NODE_FAIL" in cluster.states()
    assert cluster.states().count("COMPLETED") >= 16
    assert "Trying to restart job" in (work / RUN / "log.txt").read_text()
    assert start(tmp_path / "local-run").wait(1200) == 0
    ours, theirs = (results(tmp_path / name) for name in ("slurm-run", "local-run"))
    assert sum(name.endswith(".csv") for name in theirs) > 20
    assert len(theirs) > 28
    assert ours == theirs
