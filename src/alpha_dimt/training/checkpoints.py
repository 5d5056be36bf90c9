"""Checkpoints of one run: the last two, each whole in itself.

    {folder}/lock                         held by the process that trains the run
    {folder}/metrics.jsonl                the epochs so far, to be watched
    {folder}/00000007/model.safetensors   the weights after some update
    {folder}/00000007/best.safetensors    the weights of the best epoch so far
    {folder}/00000007/state.json          everything else, see `State`
    {folder}/00000007/SHA256SUMS          what the files must be when they are read

A checkpoint is written beside its place, fsynced and renamed: it is there as a whole or not at
all. The best weights are copied from file to file and are never held in memory. Of a run that is
done one checkpoint stays, which shares its weights with the folder of the run.
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

from torch import nn

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
from alpha_dimt.models.weights import fill, write_weights
from alpha_dimt.training.state import State

MODEL, BEST, STATE, SUMS = "model.safetensors", "best.safetensors", "state.json", "SHA256SUMS"
METRICS = "metrics.jsonl"

FORMAT = 2
"""Raise when the meaning of a checkpoint changes: older ones are then left aside."""

KEPT = 2


class Checkpoints:
    """Writes and reads the checkpoints of one run; one process at a time, see `held`."""

    def __init__(self, folder: Path, *, run_key: str, seconds: float) -> None:
        """Prepare to keep a run.

        Args:
            folder: of this run alone; its name tells configuration and data.
            run_key: fingerprint of the configuration, as it stands in files of weights.
            seconds: from one checkpoint to the next.
        """
        self.folder = folder
        self._run_key = run_key
        self._seconds = seconds
        self._next = time.monotonic() + seconds
        self._last: Path | None = None
        self._kept: list[Path] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from training the run; the lock goes with its process.

        Raises:
            UserError: another process has the run.
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
                    f"{self.folder}: {holder} trains this run already; wait for it or stop it"
                ) from None
            except OSError as error:  # not every network file system has locks
                print(f"warning: {self.folder}: cannot be locked ({error}); train a run once only")
            if not (self.folder / "lock").exists():
                raise UserError(f"{self.folder}: another process finished this run just now")
            with refusals_named(self.folder):
                file.truncate(0)
                file.write(f"process {os.getpid()} on {platform.node()}\n")
                file.flush()
            yield

    # ------------------------------------------------------------------------------- reading

    def restore(self, model: nn.Module) -> State | None:
        """Fill the model from the newest whole checkpoint; None, the model untouched, without one.

        A checkpoint that is damaged or of another run is left aside, in words.
        """
        for leftover in self.folder.glob(".*.tmp"):  # of a process that was killed
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        found = self._found()
        self._last = found[-1] if found else None
        while found:
            try:
                state = self._read(found[-1], model)
            except UserError as error:
                path = found.pop()
                instead = f"the one before, {found[-1]}" if found else "the beginning"
                print(f"{path}: {error}; going on from {instead}", flush=True)
            else:
                self._kept = found
                self._write_metrics(state)
                return state
        return None

    def _found(self) -> list[Path]:
        """Return the checkpoints, the newest last; a person's folders beside them are no such."""
        return sorted(path for path in self.folder.iterdir() if re.fullmatch(r"\d{8}", path.name))

    def _read(self, path: Path, model: nn.Module) -> State:
        try:
            sums = dict(line.split("  ")[::-1] for line in read_lines(path / SUMS))
            changed = [name for name, value in sums.items() if sha256(path / name) != value]
            if changed or not {MODEL, STATE} <= sums.keys():
                raise UserError(f"this checkpoint is damaged ({', '.join(changed) or SUMS})")
            plain = read_json(path / STATE)
            form, run = plain.pop("format"), plain.pop("run")
            if (form, run) != (FORMAT, self.folder.name):
                raise UserError(f"this checkpoint belongs to run {run}, format {form}")
            state = State.from_plain(plain)
            if (state.schedule.best_epoch > 0) != (BEST in sums):
                raise UserError(f"this checkpoint is damaged ({BEST})")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"this checkpoint is damaged ({error!r})") from error
        fill(model, path / MODEL, self._run_key)
        return state

    # ------------------------------------------------------------------------------- writing

    def due(self) -> bool:
        """Return whether it is time for a checkpoint."""
        return time.monotonic() >= self._next

    def save(self, state: State, model: nn.Module, *, best: bool = False) -> None:
        """Write a checkpoint, and remove all but the last two.

        Args:
            state: the state after the last update.
            model: the weights after it.
            best: whether they are the best so far.

        Raises:
            UserError: the disk refuses; the checkpoints before are as they were.
        """
        with self._new(state, keep=KEPT) as temporary:
            write_weights(model, temporary / MODEL, self._run_key)
            if best:
                write_weights(model, temporary / BEST, self._run_key)
            elif state.schedule.best_epoch:
                self._copy_best(temporary / BEST)
        self._write_metrics(state)
        self._next = time.monotonic() + self._seconds

    @contextmanager
    def _new(self, state: State, *, keep: int) -> Iterator[Path]:
        """Yield a folder for weights, which becomes the newest of the checkpoints that are kept."""
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
        """Copy the best weights from the last checkpoint, which must be as they were written."""
        last = self._kept[-1]
        shutil.copyfile(last / BEST, to)
        if f"{sha256(to)}  {BEST}" not in read_lines(last / SUMS):
            raise UserError(
                f"{last / BEST}: these weights were changed while the run was trained; "
                "give the same command again to go on from the checkpoint before"
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
        """Keep one last checkpoint, whose weights are the published ones and take no more room.

        Outputs may be deleted although the run is done, if the process or the workflow dies before
        that is noted. The same call then finds all here and trains nothing.
        """
        with self._new(state, keep=1) as temporary:
            for name in (MODEL, BEST):
                try:
                    os.link(out / BEST, temporary / name)
                except OSError:  # another file system, or one without links
                    shutil.copyfile(out / BEST, temporary / name)


def metrics_text(state: State) -> str:
    """Return the epochs so far, one JSON object a line."""
    return "".join(json.dumps(record, allow_nan=False) + "\n" for record in state.records)
