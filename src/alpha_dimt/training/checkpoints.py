"""Checkpoints of one run: the last two, each self-contained.

    {folder}/lock                         held by the process that trains the run
    {folder}/metrics.jsonl                the epochs so far, for monitoring
    {folder}/epochs/                      weights of epochs that may be averaged
    {folder}/00000007/model.safetensors   the weights after some update; one file per network
    {folder}/00000007/best.safetensors    the weights of the best epoch so far
    {folder}/00000007/state.json          everything else, see `State`
    {folder}/00000007/SHA256SUMS          the checksums of these files

Each network of the learner has a file named after it. So has each optimiser with a state,
{name}.optimiser.safetensors; plain SGD has none.

Checkpoints are atomic: written to a temporary folder, fsynced and renamed. The best weights are
copied from file to file and never held in memory. A finished run keeps one checkpoint, whose model
weights are hard-linked with those in the run folder.
"""

import fcntl
import json
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import (
    atomic_folder,
    atomic_path,
    read_json,
    read_lines,
    refusals_named,
    sha256,
    write_text,
)
from alpha_dimt.models.weights import fill, write_tensors, write_weights
from alpha_dimt.training.learner import Learner
from alpha_dimt.training.state import State

STATE, SUMS = "state.json", "SHA256SUMS"
MODEL, BEST = "model.safetensors", "best.safetensors"
OPTIMISER = ".optimiser.safetensors"
METRICS = "metrics.jsonl"

FORMAT = 2
"""Increment when the meaning of a checkpoint changes: older ones are then skipped."""

KEPT = 2


class Checkpoints:
    """Writes and reads the checkpoints of one run; one process at a time, see `held`."""

    def __init__(self, folder: Path, *, run_key: str, seconds: float) -> None:
        """Prepare to write checkpoints; nothing is read or written yet.

        Args:
            folder: checkpoint folder of this run only; its name identifies configuration and data.
            run_key: fingerprint of the configuration, also stored in weight files.
            seconds: time between checkpoints.
        """
        self.folder = folder
        self._run_key = run_key
        self._seconds = seconds
        self._next = time.monotonic() + seconds
        self._last: Path | None = None
        self._kept: list[Path] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from training the run; the kernel frees the lock with the process.

        Raises:
            UserError: another process is training the run.
        """
        with refusals_named(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / "lock").open("a+", encoding="utf-8")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise UserError(
                    f"{self.folder}: {holder} is already training this run; wait for it or stop it"
                ) from None
            except OSError as error:  # not every network file system has locks
                print(f"warning: {self.folder}: cannot be locked ({error}); train a run only once")
            if not (self.folder / "lock").exists():
                raise UserError(f"{self.folder}: another process has just finished this run")
            with refusals_named(self.folder):
                file.truncate(0)
                file.write(f"process {os.getpid()} on {platform.node()}\n")
                file.flush()
            yield

    # ------------------------------------------------------------------------------- reading

    def restore(self, learner: Learner) -> State | None:
        """Load the newest valid checkpoint into a learner; return its state, or None without one.

        A checkpoint that is damaged or belongs to another run is skipped with a message.
        """
        for leftover in self.folder.glob(".*.tmp"):  # of a process that was killed
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        found = self._found()
        self._last = found[-1] if found else None
        while found:
            try:
                state = self._read(found[-1], learner)
            except UserError as error:
                path = found.pop()
                fallback = f"the one before, {found[-1]}" if found else "the beginning"
                print(f"{path}: {error}; resuming from {fallback}", flush=True)
            else:
                self._kept = found
                self._write_metrics(state)
                return state
        return None

    def _found(self) -> list[Path]:
        """Return the checkpoints, the newest last; other folders beside them are ignored."""
        return sorted(path for path in self.folder.iterdir() if re.fullmatch(r"\d{8}", path.name))

    def _read(self, path: Path, learner: Learner) -> State:
        networks = {f"{name}.safetensors": one for name, one in learner.networks.items()}
        try:
            sums = dict(line.split("  ")[::-1] for line in read_lines(path / SUMS))
            changed = [name for name, value in sums.items() if sha256(path / name) != value]
            if changed or not {*networks, STATE} <= sums.keys():
                raise UserError(f"this checkpoint is damaged ({', '.join(changed) or SUMS})")
            plain = read_json(path / STATE)
            form, run = plain.pop("format"), plain.pop("run")
            if (form, run) != (FORMAT, self.folder.name):
                raise UserError(f"this checkpoint belongs to run {run}, format {form}")
            state = State.from_plain(plain)
            if (state.schedule.best_epoch > 0) != (BEST in sums):
                raise UserError(f"this checkpoint is damaged ({BEST})")
            optimisers = {
                name: load_file(path / f"{name}{OPTIMISER}")
                for name in learner.optimisers
                if f"{name}{OPTIMISER}" in sums
            }
        except (
            *(OSError, ValueError, KeyError, TypeError, AttributeError),
            SafetensorError,
        ) as error:
            raise UserError(f"this checkpoint is damaged ({error!r})") from error
        for name, network in networks.items():
            fill(network, path / name, self._run_key)
        for name, tensors in optimisers.items():
            learner.optimisers[name].load(tensors)
        return state

    # ------------------------------------------------------------------------------- writing

    def due(self) -> bool:
        """Return whether it is time for a checkpoint."""
        return time.monotonic() >= self._next

    def save(self, state: State, learner: Learner, *, best: bool = False) -> None:
        """Write a checkpoint, and remove all but the last two.

        Args:
            state: state after the last update.
            learner: learner after that update.
            best: whether the weights of its model are the best so far.

        Raises:
            UserError: the file system refuses the write; earlier checkpoints are unchanged.
        """
        with self._new(state, keep=KEPT) as temporary:
            for name, network in learner.networks.items():
                write_weights(network, temporary / f"{name}.safetensors", self._run_key)
            for name, optimiser in learner.optimisers.items():
                if tensors := optimiser.state():
                    write_tensors(tensors, temporary / f"{name}{OPTIMISER}", self._run_key)
            if best:
                write_weights(learner.networks["model"], temporary / BEST, self._run_key)
            elif state.schedule.best_epoch:
                self._copy_best(temporary / BEST)
        self._write_metrics(state)
        self._next = time.monotonic() + self._seconds

    @contextmanager
    def _new(self, state: State, *, keep: int) -> Iterator[Path]:
        """Yield a folder for weights, which becomes the newest of the `keep` last checkpoints."""
        path = self.folder / f"{int(self._last.name) + 1 if self._last else 1:08d}"
        with atomic_folder(path) as temporary:
            yield temporary
            plain = {"format": FORMAT, "run": self.folder.name} | state.plain()
            (temporary / STATE).write_text(json.dumps(plain, allow_nan=False), encoding="utf-8")
            lines = "".join(f"{sha256(file)}  {file.name}\n" for file in temporary.iterdir())
            (temporary / SUMS).write_text(lines, encoding="utf-8")
        self._last = path
        self._kept = [*self._kept, path][-keep:]
        for old in self._found():
            if old not in self._kept:
                shutil.rmtree(old)

    def _write_metrics(self, state: State) -> None:
        write_text(self.folder / METRICS, metrics_text(state))

    def _copy_best(self, to: Path) -> None:
        """Copy the best weights from the last checkpoint, after verifying their checksum."""
        last = self._kept[-1]
        shutil.copyfile(last / BEST, to)
        if f"{sha256(to)}  {BEST}" not in read_lines(last / SUMS):
            raise UserError(
                f"{last / BEST}: these weights changed during training; "
                "run the same command again to resume from the checkpoint before"
            )

    # --------------------------------------------------------------------------------- ending

    def publish(self, state: State, out: Path) -> None:
        """Write best.safetensors and metrics.jsonl into the folder of the run."""
        for leftover in out.glob(f".{BEST}.*.tmp"):  # of a process that was killed
            leftover.unlink()
        with atomic_path(out / BEST) as temporary:
            self._copy_best(temporary)
        write_text(out / METRICS, metrics_text(state))

    def finish(self, state: State, out: Path) -> None:
        """Keep one last checkpoint, whose model is hard-linked with the published one.

        If the process or the workflow dies before it records that the run is done, the outputs may
        be deleted. The same call then restores them from here without training.
        """
        last = self._kept[-1]
        with self._new(state, keep=1) as temporary:
            for name in {path.name for path in last.glob("*.safetensors")}:
                source = out / BEST if name in (MODEL, BEST) else last / name
                try:
                    os.link(source, temporary / name)
                except OSError:  # another file system, or one without hard links
                    shutil.copyfile(source, temporary / name)


def metrics_text(state: State) -> str:
    """Return the epochs so far, one JSON object per line."""
    return "".join(json.dumps(record, allow_nan=False) + "\n" for record in state.records)
