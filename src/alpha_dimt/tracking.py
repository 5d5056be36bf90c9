"""Fill MLflow from the folders of finished runs: the only module that knows mlflow.

A run is found again by its tag `run_key`. The tag `upload_begun` is set when it is created and
`upload_sha` when everything is there; both hold the hash of all that is uploaded. So a repeated
call skips what is complete, finishes what is half done and replaces what has changed.
"""

import fcntl
import hashlib
import json
import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpha_dimt.config import RunConfig, parse
from alpha_dimt.errors import UserError
from alpha_dimt.files import atomic_path, read_json, read_lines, sha256, unwritable, write_json

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Raise when a run folder is logged in another way, so that earlier uploads are replaced.
LAYOUT = 1

WEIGHTS = "best.safetensors"
LARGEST_WEIGHTS = 32 * 2**20  # bytes; larger files stay in the run folder
_SQLITE = "sqlite:///"
_BATCH = 1000  # metrics in one call; MLflow's limit
_PARAMETERS_BATCH = 100  # MLflow's limit

_OBJECTIVE_TAGS = ("objective", "alpha", "tau")
# Names in scores/*.json and in MLflow.
_SCORE_NAMES = {"multi_bleu": "bleu", "sacrebleu": "sacrebleu", "chrf": "chrf", "ter": "ter"}


@dataclass(frozen=True)
class Point:
    """One value of a metric; `step` is the epoch, `time_ms` the original time."""

    key: str
    value: float
    time_ms: int
    step: int


@dataclass(frozen=True)
class Record:
    """Everything that is logged for one run.

    Attributes:
        key: fingerprint of the run's configuration; its identity in MLflow.
        name: what the UI shows.
        sha: hash of everything below; changes when any file changes.
        start_ms: time of the start, milliseconds since 1970.
        end_ms: time of the end.
        parameters: the complete configuration, flat.
        metrics: of every epoch, and the final scores.
        tags: what runs are filtered by, and fingerprints.
        files: artefacts, each with its folder in MLflow (None: the top).
    """

    key: str
    name: str
    sha: str
    start_ms: int
    end_ms: int
    parameters: dict[str, str]
    metrics: list[Point]
    tags: dict[str, str]
    files: list[tuple[Path, str | None]]


# ------------------------------------------------------------------------------------- read


def read_record(folder: Path) -> Record:
    """Read the folder of a finished run.

    Raises:
        UserError: a file is missing or is not what `train` and `evaluate` write, or run.json is
            of another configuration.
    """
    config = read_json(folder / "config.json")
    run = read_json(folder / "run.json")
    configured = parse(RunConfig, config, str(folder / "config.json"))
    scores = {path.stem: read_json(path) for path in sorted((folder / "scores").glob("*.json"))}
    files = [folder / name for name in ("config.json", "run.json", "metrics.jsonl", WEIGHTS)]
    files += sorted((folder / "hypotheses").glob("*.txt"))
    files += sorted((folder / "scores").glob("*.json"))
    try:
        if run["run_key"] != configured.fingerprint():
            raise UserError(f"{folder}: run.json is of another configuration; train the run anew")
        sums = {str(path.relative_to(folder)): sha256(path) for path in files}
        objective = config["objective"]
        tags = {
            "system": run["system"],
            "seed": str(run["seed"]),
            "corpus": run["corpus"],
            "code_version": run["code_version"],
            "folder": str(folder),
            "weights_sha256": sums[WEIGHTS],
            **{key: str(value) for key, value in objective.items() if key in _OBJECTIVE_TAGS},
            **{f"data.{name}": value for name, value in run["data"].items()},
        }
        return Record(
            key=run["run_key"],
            name=f"{run['system']} seed{run['seed']}",
            sha=hashlib.sha256(json.dumps([LAYOUT, sums], sort_keys=True).encode()).hexdigest(),
            start_ms=run["started_ms"],
            end_ms=run["ended_ms"],
            parameters=flatten(config),
            metrics=[
                *epoch_points(folder / "metrics.jsonl"),
                *final_points(run, scores),
            ],
            tags=tags,
            files=[
                (path, None if path.parent == folder else path.parent.name)
                for path in files
                if path.name != WEIGHTS or path.stat().st_size <= LARGEST_WEIGHTS
            ],
        )
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: there is no such file; train the run anew") from error
    except KeyError as error:
        raise UserError(
            f"{folder}: config.json, run.json or scores/ lack the key {error}; make the run anew"
        ) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{folder}: config.json, run.json or scores/ are not what a run writes ({error}); "
            "make the run anew"
        ) from error


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested values as flat text, keys joined by dots; anything but text as JSON."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value if isinstance(value, str) else json.dumps(value)
    return flat


def epoch_points(path: Path) -> list[Point]:
    """Return every value of a metrics.jsonl; timings get the prefix `timing/`.

    Raises:
        UserError: a line is not a record of an epoch; names the file and the line.
    """
    points = []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            epoch = json.loads(line)
            values = {
                **epoch["metrics"],
                **{f"timing/{key}": value for key, value in epoch.get("timing", {}).items()},
            }
            points += [
                Point(key, float(value), epoch["time_ms"], epoch["epoch"])
                for key, value in values.items()
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path}:{number}: this is not a record of an epoch ({error}); train the run anew"
            ) from error
    return points


def final_points(run: Mapping[str, Any], scores: Mapping[str, Any]) -> list[Point]:
    """Return the final numbers of a run, all at its best epoch.

    Scores are named {split}_{score}_{search}; those of the validation data end in `_best`, for
    the values of every epoch have the plain name.
    """
    values = {
        "best_epoch": run["best"]["epoch"],
        "epochs": run["epochs"],
        "parameters": run["parameters"],
        "wall_seconds": run["wall_seconds"],
    }
    for name, report in scores.items():
        split, search = name.split(".")
        for key, score in report["scores"].items():
            suffix = "_best" if split == "valid" else ""
            values[f"{split}_{_SCORE_NAMES[key]}_{search}{suffix}"] = score["value"]
    return [
        Point(key, float(value), run["ended_ms"], run["best"]["epoch"])
        for key, value in values.items()
    ]


# ------------------------------------------------------------------------------------- send


def track_runs(runs: Sequence[Path], *, uri: str, experiment: str, receipt: Path) -> None:
    """Log finished runs to MLflow and write a receipt; a second call changes nothing.

    Args:
        runs: folders of finished runs.
        uri: MLflow tracking URI; a SQLite database is created where there is none, its artefacts
            in the folder `mlartifacts` beside it.
        experiment: name of the MLflow experiment; created where there is none.
        receipt: JSON file with the URI, the experiment and the MLflow run of every folder.

    Raises:
        UserError: a folder is not a finished run, or MLflow cannot be used. What was logged
            until then stays, and the next call goes on there.
    """
    records = {str(folder): read_record(folder) for folder in runs}
    # Read by mlflow when it is imported or first used. A server that is down must not block.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    database = _database(uri)
    with _lock(database or receipt):
        try:
            if database:
                _create_database(database)
            client = MlflowClient(uri)
            experiment_id = _experiment(client, experiment, database)
            logged = {
                folder: _upload(client, experiment_id, record) for folder, record in records.items()
            }
        except (MlflowException, SQLAlchemyError, OSError) as error:
            # The first line: the others are SQL.
            reason = str(error).partition("\n")[0].rstrip(".")
            reason = textwrap.shorten(reason, 350, placeholder="...")
            raise UserError(
                f"MLflow at {uri} cannot be used ({reason}); check that the address (tracking.uri) "
                "is right, its server runs and its disk has room, then track again"
            ) from error
    write_json(receipt, {"uri": uri, "experiment": experiment, "runs": logged})


def _database(uri: str) -> Path | None:
    """Return the file of a SQLite URI."""
    if not uri.startswith(_SQLITE):
        return None
    database = Path(uri.removeprefix(_SQLITE).partition("?")[0]).absolute()
    if database.is_dir():  # SQLite would try for minutes
        raise UserError(f"{database}: tracking.uri must name a file, but this is a folder")
    return database


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Let one uploader work at a time; the lock goes with its process, however that ends."""
    lock = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    except OSError as error:
        raise unwritable(lock, error) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _create_database(database: Path) -> None:
    """Create a SQLite database with MLflow's tables, whole or not at all.

    MLflow would create it at the first use, but interrupted there it leaves a broken one.
    """
    if database.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with atomic_path(database) as temporary:
        store = SqlAlchemyStore(f"{_SQLITE}{temporary}", _artefacts(database))
        store.engine.dispose()


def _artefacts(database: Path) -> str:
    return (database.parent / "mlartifacts").as_uri()


def _experiment(client: "MlflowClient", name: str, database: Path | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        # Absolute, or a SQLite experiment would write below the working directory of the caller.
        location = _artefacts(database) if database else None
        return str(client.create_experiment(name, location))
    if found.lifecycle_stage == "deleted":
        raise UserError(
            f"the MLflow experiment {name!r} was deleted; restore it "
            f"(`mlflow experiments restore -x {found.experiment_id}`) or rename the corpus"
        )
    return str(found.experiment_id)


def _upload(client: "MlflowClient", experiment_id: str, record: Record) -> str:
    """Bring one run to MLflow, unless it is there; return its id in MLflow."""
    run = _only_run(client, experiment_id, record)
    if run is None:
        client.create_run(
            experiment_id,
            start_time=record.start_ms,
            run_name=record.name,
            tags={**record.tags, "run_key": record.key, "upload_begun": record.sha},
        )
        # Looked up, for when the answer is lost on its way the client asks again: two are made.
        run = _only_run(client, experiment_id, record)
    if run is None:  # whatever answers there, it is no MLflow
        raise UserError(
            f"MLflow does not have the run {record.name} that it was just given; check that the "
            "address (tracking.uri) is that of an MLflow server"
        )
    if run.data.tags.get("upload_sha") != record.sha:
        _fill(client, run.info.run_id, record)
    return str(run.info.run_id)


def _only_run(client: "MlflowClient", experiment_id: str, record: Record) -> Any:
    """Return the run with this key and content, None if there is none; delete all others."""
    found = client.search_runs([experiment_id], f"tags.run_key = '{record.key}'")
    same = [run for run in found if run.data.tags.get("upload_begun") == record.sha]
    # The complete one first; sorting keeps the order of the rest.
    same.sort(key=lambda run: run.data.tags.get("upload_sha") != record.sha)
    for run in found:
        if run not in same[:1]:
            client.delete_run(run.info.run_id)
    return same[0] if same else None


def _fill(client: "MlflowClient", run_id: str, record: Record) -> None:
    """Log everything of a run; each step can be repeated without making doubles."""
    from mlflow.entities import Metric, Param

    parameters = [Param(key, value) for key, value in record.parameters.items()]
    for start in range(0, len(parameters), _PARAMETERS_BATCH):
        client.log_batch(run_id, params=parameters[start : start + _PARAMETERS_BATCH])
    metrics = [
        Metric(point.key, point.value, point.time_ms, point.step) for point in record.metrics
    ]
    for start in range(0, len(metrics), _BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + _BATCH])
    for path, folder in record.files:
        client.log_artifact(run_id, str(path), folder)
    client.set_terminated(run_id, "FINISHED", record.end_ms)
    client.set_tag(run_id, "upload_sha", record.sha)
