"""A SLURM cluster of one node with two fake GPUs: munge, slurmctld and slurmd without systemd.

Its configuration is in /etc/slurm: Snakemake's plugin removes SLURM_CONF from the environment of
its jobs.
"""

import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

MARK = "# Made by tests/cluster; gone when they end.\n"
CONFIGURATION = Path("/etc/slurm")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "setpriv")
GPUS = 2
NULL_DEVICE = os.makedev(1, 3)


@dataclass(frozen=True)
class Allocation:
    """The resources and times (seconds since 1970) of one SLURM job."""

    job: str
    gpus: tuple[str, ...]
    start: float
    end: float


@dataclass(frozen=True)
class Slurm:
    """A running cluster; `folder` holds its logs."""

    folder: Path

    def run(self, *command: str) -> str:
        """Run a command of SLURM; return what it prints."""
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def jobs(self, state: str) -> dict[str, str]:
        """Return jobs in a state: the plugin's comment, which names rule and wildcards, by id."""
        lines = self.run("squeue", "--noheader", f"--states={state}", "--format=%A %k").split("\n")
        return dict(line.split(" ", 1) for line in lines if line)

    def allocations(self) -> list[Allocation]:
        """Return what prolog and epilog recorded of finished jobs."""
        started: dict[str, tuple[tuple[str, ...], float]] = {}
        found = []
        for line in (self.folder / "allocations").read_text(encoding="utf-8").splitlines():
            what, seconds, job, gpus = line.split(" ")
            if what == "start":
                started[job] = (tuple(filter(None, gpus.split(","))), float(seconds))
            else:
                held, start = started.pop(job)
                found.append(Allocation(job, held, start, float(seconds)))
        return found


def why_not() -> str | None:
    """Return why no cluster can be started here, or None."""
    missing = [program for program in PROGRAMS if not shutil.which(program, path=_PATH)]
    if missing:
        return (
            f"SLURM is not installed ({', '.join(missing)}): "
            "apt-get install slurmctld slurmd slurm-client munge"
        )
    if os.geteuid() != 0:
        return "a SLURM for tests needs root: it writes /etc/slurm and makes device nodes"
    theirs = CONFIGURATION / "slurm.conf"
    if theirs.exists() and not theirs.read_text(encoding="utf-8").startswith(MARK):
        return f"this machine has a SLURM of its own ({theirs})"
    return None


_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])


@contextmanager
def one_node(folder: Path) -> Iterator[Slurm]:
    """Start a cluster; stop what was started."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    files = {
        CONFIGURATION / "slurm.conf": MARK + _slurm_conf(folder),
        CONFIGURATION / "gres.conf": f"{MARK}Name=gpu File={folder}/gpu[0-{GPUS - 1}]\n",
        CONFIGURATION / "cgroup.conf": MARK,
    }
    with ExitStack() as stack:
        for path, text in files.items():
            path.parent.mkdir(exist_ok=True)
            stack.callback(path.unlink, missing_ok=True)
            path.write_text(text, encoding="utf-8")
        for number in range(GPUS):
            os.mknod(folder / f"gpu{number}", stat.S_IFCHR | 0o666, NULL_DEVICE)
        for event in ("start", "end"):
            script = folder / event
            record = f'echo "{event} $(date +%s.%N) $SLURM_JOB_ID $SLURM_JOB_GPUS"'
            script.write_text(f"#!/bin/sh\n{record} >> {folder}/allocations\n", encoding="utf-8")
            script.chmod(0o755)

        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        Path("/run/munge").mkdir(mode=0o755, exist_ok=True)
        munge = ("munged", "--foreground", "--force", f"--key-file={key}")
        munge += tuple(f"--{kind}-file={folder}/munge.{kind}" for kind in ("pid", "seed", "log"))
        for command in (munge, ("slurmctld", "-D", "-c"), ("slurmd", "-D", "-c")):
            stack.enter_context(_daemon(command, folder / f"{command[0]}.out"))
        slurm = Slurm(folder)
        stack.callback(_cancel_all, slurm)
        _wait_until_idle(slurm)
        yield slurm


@contextmanager
def _daemon(command: tuple[str, ...], log: Path) -> Iterator[None]:
    """Run a daemon in the foreground; it also ends when this process dies."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": _PATH},
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_idle(slurm: Slurm) -> None:
    deadline = time.monotonic() + 30
    states = "no answer"
    while time.monotonic() < deadline:
        found = subprocess.run(
            ["sinfo", "--noheader", "--Node", "--format=%t"], capture_output=True, text=True
        )
        states = found.stdout.strip() or found.stderr.strip()
        if set(states.split()) == {"idle"}:
            return
        time.sleep(0.2)
    raise RuntimeError(f"SLURM did not start ({states}); its logs are in {slurm.folder}")


def _cancel_all(slurm: Slurm) -> None:
    subprocess.run(["scancel", "--user=root", "--signal=KILL"], capture_output=True)
    subprocess.run(["scancel", "--user=root"], capture_output=True)
    deadline = time.monotonic() + 20
    while slurm.jobs("RUNNING,COMPLETING") and time.monotonic() < deadline:
        time.sleep(0.2)


def _slurm_conf(folder: Path) -> str:
    host = socket.gethostname().split(".")[0]
    megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 9 // 10
    return f"""\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# What was put back into the queue waits as long as its credential lives: 120 seconds by default.
AuthInfo=cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
Prolog={folder}/start
PrologFlags=Alloc
Epilog={folder}/end
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=2,sched_interval=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
# squeue tells of a finished job for so many seconds.
MinJobAge=3600
KillWait=5
UnkillableStepTimeout=30
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory={megabytes} Gres=gpu:{GPUS}
PartitionName=DEFAULT Nodes={host} MaxTime=01:00:00 DefMemPerCPU=500 GraceTime=0
PartitionName=main Default=YES
PartitionName=urgent PriorityTier=10 PreemptMode=OFF
"""
