"""A SLURM cluster with two fake GPUs: munge, slurmctld and a slurmd for each node, without systemd.

Its configuration is in /etc/slurm: Snakemake's plugin removes SLURM_CONF from the environment of
its jobs. Several nodes share this machine; each has namespaces of its own, so that it has its own
hostname, and all that runs on it can die at once. Accounts are kept by a private database.
"""

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import slurm_files
from slurm_files import FOLDER, GPUS, MARK

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "setpriv")
PACKAGES = "slurmctld slurmd slurm-client munge"
ACCOUNTING_PROGRAMS = ("slurmdbd", "sacct", "sacctmgr", "mariadbd", "mariadb-install-db")
ACCOUNTING_PACKAGES = "slurmdbd mariadb-server"
NAMESPACES = ("unshare", "--uts", "--pid", "--mount-proc", "--fork", "--kill-child")
NULL_DEVICE = os.makedev(1, 3)
# The one account that exists, beside SLURM's own `root`.
ACCOUNT = "my_group"


@dataclass(frozen=True)
class Allocation:
    """The resources and times (seconds since 1970) of one SLURM job."""

    job: str
    gpus: tuple[str, ...]
    start: float
    end: float


@dataclass(frozen=True)
class Accounted:
    """What the accounting database says of one job; `name` is the plugin's comment."""

    job: str
    name: str
    account: str
    partition: str
    state: str
    node: str
    resources: str


@dataclass
class Daemon:
    """A program in the foreground; it also ends when this process dies."""

    command: tuple[str, ...]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    ended_by: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", self.ended_by.name, *self.command],
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PATH": _PATH, **self.environment},
            )

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(self.ended_by)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True)
class Slurm:
    """A running cluster; `folder` holds its logs, `nodes` its machines by name."""

    folder: Path
    nodes: dict[str, Daemon]

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

    def accounted(self) -> list[Accounted]:
        """Return what the accounting database has of all jobs; twice of one that ran twice."""
        columns = "--format=JobIDRaw,Comment,Account,Partition,State,NodeList,AllocTRES"
        command = ("sacct", "--allocations", "--duplicates", "--noheader", "--parsable2", columns)
        return [Accounted(*line.split("|")) for line in self.run(*command).splitlines()]


def why_not(*, nodes: int = 1, accounting: bool = False) -> str | None:
    """Return why no such cluster can be started here, or None."""
    programs = PROGRAMS + (ACCOUNTING_PROGRAMS if accounting else ())
    missing = [program for program in programs if not shutil.which(program, path=_PATH)]
    if missing:
        packages = f"{PACKAGES} {ACCOUNTING_PACKAGES}" if accounting else PACKAGES
        what = "SLURM with accounting" if accounting else "SLURM"
        return f"{what} is not installed ({', '.join(missing)}): apt-get install {packages}"
    if os.geteuid() != 0:
        return "a SLURM for tests needs root: it writes /etc/slurm and makes device nodes"
    theirs = FOLDER / "slurm.conf"
    if theirs.exists() and not theirs.read_text(encoding="utf-8").startswith(MARK):
        return f"this machine has a SLURM of its own ({theirs})"
    if nodes > 1 and subprocess.run([*NAMESPACES, "true"], capture_output=True).returncode:
        return "a SLURM of several nodes needs namespaces (unshare), which are forbidden here"
    return None


_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])


@contextmanager
def cluster(folder: Path, *, nodes: int = 1, accounting: bool = False) -> Iterator[Slurm]:
    """Start a cluster, and stop it at the end."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    names = [slurm_files.host()] if nodes == 1 else [f"node{number}" for number in range(nodes)]
    with ExitStack() as stack:
        stack.enter_context(_alone())
        for path, text in slurm_files.configuration(folder, names, accounting=accounting).items():
            stack.callback(path.unlink, missing_ok=True)
            path.touch(mode=0o600)  # slurmdbd refuses a file that others can read
            path.write_text(text, encoding="utf-8")
        _make_devices_and_scripts(folder)

        def start(daemon: Daemon) -> None:
            daemon.start()
            stack.callback(daemon.stop)

        slurm = Slurm(folder, {name: _node(folder, name, alone=nodes == 1) for name in names})
        start(_munge(folder))
        if accounting:
            _make_database(folder)
            start(_database(folder))
            _wait((folder / "database.socket").exists, slurm)
            start(_accounting(folder))
            _make_account(slurm)
        start(Daemon(("slurmctld", "-D", "-c"), folder / "slurmctld.out"))
        for node in slurm.nodes.values():
            start(node)
        stack.callback(_cancel_all, slurm)
        wait_until_idle(slurm)
        yield slurm


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other process has a cluster; this machine can have one at a time."""
    FOLDER.mkdir(exist_ok=True)
    descriptor = os.open(FOLDER, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make_devices_and_scripts(folder: Path) -> None:
    for number in range(GPUS):
        os.mknod(folder / f"gpu{number}", stat.S_IFCHR | 0o666, NULL_DEVICE)
    for event in ("start", "end"):
        script = folder / event
        record = f'echo "{event} $(date +%s.%N) $SLURM_JOB_ID $SLURM_JOB_GPUS"'
        script.write_text(f"#!/bin/sh\n{record} >> {folder}/allocations\n", encoding="utf-8")
        script.chmod(0o755)


def _munge(folder: Path) -> Daemon:
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    Path("/run/munge").mkdir(mode=0o755, exist_ok=True)
    files = (f"--{kind}-file={folder}/munge.{kind}" for kind in ("pid", "seed", "log"))
    command = ("munged", "--foreground", "--force", f"--key-file={key}", *files)
    return Daemon(command, folder / "munged.out")


def _node(folder: Path, name: str, *, alone: bool) -> Daemon:
    log = folder / f"slurmd.{name}.out"
    if alone:
        return Daemon(("slurmd", "-D", "-c"), log)
    # The shell is the node's init: it collects processes whose parents died. With it, all that
    # runs on the node dies; `unshare` heeds no other signal.
    boot = f"hostname {name} && slurmd -D -c; exit"
    return Daemon((*NAMESPACES, "sh", "-c", boot), log, ended_by=signal.SIGKILL)


def _make_database(folder: Path) -> None:
    command = ["mariadb-install-db", "--no-defaults", f"--datadir={folder}/database"]
    command += ["--user=root", "--auth-root-authentication-method=normal", "--skip-test-db"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"MariaDB did not make its database: {done.stdout}")


def _database(folder: Path) -> Daemon:
    where = (f"--datadir={folder}/database", f"--socket={folder}/database.socket")
    command = ("mariadbd", "--no-defaults", *where, "--skip-networking", "--user=root")
    return Daemon(command, folder / "mariadbd.out")


def _accounting(folder: Path) -> Daemon:
    # SLURM has no setting for the socket.
    environment = {"MYSQL_UNIX_PORT": f"{folder}/database.socket"}
    return Daemon(("slurmdbd", "-D"), folder / "slurmdbd.out", environment)


def _make_account(slurm: Slurm) -> None:
    def answers() -> bool:
        return subprocess.run(["sacctmgr", "show", "cluster"], capture_output=True).returncode == 0

    _wait(answers, slurm)
    for what in (
        ("cluster", "tests"),
        ("account", ACCOUNT),
        ("user", "root", f"account={ACCOUNT}"),
    ):
        slurm.run("sacctmgr", "--immediate", "add", *what)


def wait_until_idle(slurm: Slurm) -> None:
    """Wait until all nodes of a cluster can take jobs and have none."""

    def idle() -> bool:
        command = ["sinfo", "--noheader", "--Node", "--format=%t"]
        states = subprocess.run(command, capture_output=True, text=True).stdout.split()
        return set(states) == {"idle"}

    _wait(idle, slurm)


def _wait(ready: Callable[[], bool], slurm: Slurm) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"SLURM did not start; its logs are in {slurm.folder}")
        time.sleep(0.2)


def _cancel_all(slurm: Slurm) -> None:
    subprocess.run(["scancel", "--user=root", "--signal=KILL"], capture_output=True)
    subprocess.run(["scancel", "--user=root"], capture_output=True)
    deadline = time.monotonic() + 20
    while slurm.jobs("RUNNING,COMPLETING") and time.monotonic() < deadline:
        time.sleep(0.2)
