"""How far each run of an experiment is, from the files that trainings write while they work."""

import json
import platform
import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Literal

import psutil

from alpha_dimt.config import Experiment, RunConfig, parse
from alpha_dimt.runs.read import BLEU

State = Literal["waiting", "stopped", "training", "trained", "scored"]
RECENT = 3
"""The last epochs whose mean duration tells how long the next ones take."""
TAIL = 2**14
"""The bytes at the end of a log among which its last lines are."""


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        system: its system.
        seed: its seed.
        state: `stopped` has checkpoints, and no process that trains it.
        epochs: finished epochs.
        most: the most that there may be; the stop rule may end them before.
        dev: dev BLEU (greedy) of the last epoch; None before its end.
        best: dev BLEU of the best epoch; None before the first ends.
        rate: target tokens a second in the last epoch; None before its end.
        since: seconds since the last epoch ended; None if the run does not train.
        left: seconds to `most`; None if the run does not train or no epoch has ended.
        test: BLEU on test with the beam; None unless scored.
        log: file of its messages, which need not exist.
    """

    system: str
    seed: int
    state: State
    epochs: int
    most: int
    dev: float | None
    best: float | None
    rate: float | None
    since: float | None
    left: float | None
    test: float | None
    log: Path

    @property
    def name(self) -> str:
        """System and seed."""
        return f"{self.system}/seed{self.seed}"


def look(config: RunConfig, results: Path, states: Path) -> Progress:
    """Return how far a run is; files that are missing or half-written count as not there.

    Args:
        config: of the run.
        results: results/{corpus}.
        states: folder of the checkpoints of this corpus.
    """
    folder = results / f"runs/{config.system}/seed{config.seed}"
    key = config.fingerprint()
    about = _read(folder / "run.json")
    test = None
    if about.get("run_key") == key:
        epochs = _epochs(folder / "metrics.jsonl")
        test = _score(folder, about)
        state: State = "trained" if test is None else "scored"
        state_folder = None
    else:
        state_folder = checkpoints_of(key, states)
        epochs = _epochs(state_folder / "metrics.jsonl") if state_folder else []
        state = "waiting"
        if state_folder:
            state = "training" if _alive(state_folder / "lock") else "stopped"
    seconds = [one["timing"]["epoch_seconds"] for one in epochs[-RECENT:]]
    most = config.training.max_epochs
    trains = state == "training"
    left = (most - len(epochs)) * sum(seconds) / len(seconds) if trains and seconds else None
    dev = [one["metrics"]["valid_bleu_greedy"] for one in epochs]
    return Progress(
        system=config.system,
        seed=config.seed,
        state=state,
        epochs=len(epochs),
        most=most,
        dev=dev[-1] if dev else None,
        best=max(dev, default=None),
        rate=epochs[-1]["timing"]["target_tokens_per_second"] if epochs else None,
        since=time.time() - epochs[-1]["time_ms"] / 1000 if trains and epochs else None,
        left=left,
        test=test,
        log=results / f"logs/train.{config.system}.seed{config.seed}.log",
    )


def checkpoints_of(run_key: str, states: Path) -> Path | None:
    """Return the checkpoint folder of a run; None if there is none.

    There are several if the run was begun with other data, too. The one that a process trains is
    preferred, then the one with the last epoch.

    Args:
        run_key: fingerprint of the configuration.
        states: folder of the checkpoints of this corpus.
    """

    def rank(folder: Path) -> tuple[bool, float]:
        last = 0.0
        with suppress(OSError):
            last = (folder / "metrics.jsonl").stat().st_mtime
        return _alive(folder / "lock"), last

    return max(sorted(states.glob(f"{run_key}-*")), key=rank, default=None)


def look_at_all(experiment: Experiment, results: Path) -> list[Progress]:
    """Return how far each run of an experiment is, with its results in results/{corpus}."""
    states = experiment.checkpoints.of(results)
    return [look(experiment.run_config(*run), results, states) for run in experiment.runs]


def started_runs(results: Path) -> Iterable[RunConfig]:
    """Yield the configurations of the runs whose folders a results folder has, by name."""
    for path in sorted((results / "runs").glob("*/seed*/config.json")):
        with suppress(OSError, ValueError):  # it is just being written
            yield parse(RunConfig, json.loads(path.read_text(encoding="utf-8")), str(path))


def highest(runs: Sequence[Progress]) -> tuple[str, float, int] | None:
    """Return the system with the highest mean BLEU on test, that mean, and of how many seeds."""
    scores: dict[str, list[float]] = {}
    for run in runs:
        if run.test is not None:
            scores.setdefault(run.system, []).append(run.test)
    if not scores:
        return None
    best = max(scores, key=lambda system: mean(scores[system]))
    return best, mean(scores[best]), len(scores[best])


def last_lines(log: Path, count: int) -> list[str]:
    """Return the last lines of a log; none if it is not there."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return text.splitlines()[-count:]


def _score(folder: Path, about: dict[str, Any]) -> float | None:
    """Return BLEU on test with the beam, if the weights that were scored are those of the run."""
    report = _read(folder / "scores/test.beam.json")
    with suppress(KeyError, TypeError):
        if (report.get("translated") or {}).get("weights") == about["files"]["weights"]:
            return float(report["scores"][BLEU]["value"])
    return None


def _epochs(path: Path) -> list[dict[str, Any]]:
    found = []
    with suppress(OSError, ValueError):  # the last line is just being written
        for line in path.read_text(encoding="utf-8").splitlines():
            found.append(json.loads(line))
    return found


def _read(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads(path.read_bytes())
        if isinstance(found, dict):
            return found
    return {}


def _alive(lock: Path) -> bool:
    """Return whether the process that a lock names is there; one on another node is taken to be."""
    # The lock itself is not tried: a training that starts at this moment would find it taken.
    try:
        holder = re.fullmatch(r"process (\d+) on (.*)\n?", lock.read_text(encoding="utf-8"))
        locked = lock.stat().st_mtime
    except OSError:
        return False
    if holder is None:
        return False
    if holder[2] != platform.node():
        return True
    try:
        # A process that is younger than the lock has only got the same number.
        return bool(psutil.Process(int(holder[1])).create_time() <= locked)
    except psutil.NoSuchProcess:
        return False
