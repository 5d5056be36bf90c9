"""A training as its files show it while it runs, and what of it MLflow has already."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Literal

from alpha_dimt.config import RunConfig, load
from alpha_dimt.core.files import read_json
from alpha_dimt.runs.overview import checkpoints_of, look
from alpha_dimt.runs.paths import results_of
from alpha_dimt.runs.read import hyperparameters
from alpha_dimt.tracking.records import Point, epoch_points, flatten, hash_of

# The tag that says which epochs of a running training MLflow has.
FOLLOWED = "followed"


@dataclass(frozen=True)
class Live:
    """A training that has begun.

    Attributes:
        key: fingerprint of its configuration.
        name: name shown in the UI.
        status: RUNNING; FINISHED, once its results are there; or KILLED, if it has stopped without.
        start_ms: start time, milliseconds since 1970.
        last_ms: time of its last epoch or, once finished, of its end, milliseconds since 1970.
        tags: values to filter runs by.
        parameters: the complete configuration, flat.
        epochs: metrics of every epoch so far.
    """

    key: str
    name: str
    status: Literal["RUNNING", "FINISHED", "KILLED"]
    start_ms: int
    last_ms: int
    tags: dict[str, str]
    parameters: dict[str, str]
    epochs: list[Point]


def read_live(folder: Path, states: Path) -> Live | None:
    """Read the files of a training; None before its first checkpoint, or if they are gone.

    Args:
        folder: results/{corpus}/runs/{system}/seed{seed}.
        states: folder of the checkpoints of the corpus.

    Raises:
        UserError: config.json or metrics.jsonl is damaged.
    """
    if not (folder / "config.json").exists():
        return None
    config = load(RunConfig, folder / "config.json")
    key = config.fingerprint()
    status: Literal["RUNNING", "FINISHED", "KILLED"]
    state = look(config, results_of(folder), states).state
    if state in ("trained", "scored"):
        status, epochs = "FINISHED", epoch_points(folder / "metrics.jsonl")
        done = read_json(folder / "run.json")
        start_ms, last_ms = done["started_ms"], done["ended_ms"]
    else:
        # The metrics are written after the checkpoint.
        checkpoints = checkpoints_of(key, states)
        if checkpoints is None or not (metrics := checkpoints / "metrics.jsonl").exists():
            return None
        status, epochs = "RUNNING" if state == "training" else "KILLED", epoch_points(metrics)
        start_ms = read_json(max(checkpoints.glob("[0-9]*/state.json")))["started_ms"]
        last_ms = max((point.time_ms for point in epochs), default=start_ms)
    return Live(
        key=key,
        name=f"{config.system} seed{config.seed}",
        status=status,
        start_ms=start_ms,
        last_ms=last_ms,
        tags={
            "kind": "run",
            "system": config.system,
            "seed": str(config.seed),
            "corpus": config.data.corpus.name,
            "folder": str(folder),
            "mlflow.source.name": "alpha-dimt train",
            "mlflow.source.type": "LOCAL",
            **{name: value for name, value in hyperparameters(config).items() if value},
        },
        parameters=flatten(read_json(folder / "config.json")),
        epochs=epochs,
    )


def mark(points: Sequence[Point], epochs: int) -> str:
    """Return the tag of a run that has the first epochs of a training: number and hash."""
    first = sorted(astuple(point) for point in points if point.step <= epochs)
    return f"{epochs} {hash_of(first)}"


def epochs_of(run: Any) -> int:
    """Return how many epochs of a training a followed run of MLflow has."""
    return int(run.data.tags[FOLLOWED].partition(" ")[0])


def continues(points: Sequence[Point], run: Any) -> bool:
    """Return whether a training is the one that a run of MLflow was followed from.

    A run that `track` has begun to upload is followed no more.

    Args:
        points: metrics of all epochs of the training.
        run: the run of MLflow.
    """
    tags = run.data.tags
    return (
        FOLLOWED in tags
        and "upload_begun" not in tags
        and bool(tags[FOLLOWED] == mark(points, epochs_of(run)))
    )
