"""Upload to MLflow; an upload can be interrupted at any point and repeated.

A run is identified by its tags `run_key` and `owner`: several people, or one person with several
results folders, may share an experiment without touching each other's runs. The tag `upload_begun`
is set when a run is created, `upload_sha` when its upload is complete; both hold the hash of
everything uploaded. A repeated call therefore skips complete runs, completes interrupted ones and
replaces changed ones. Parents are uploaded like any run, after their children; the children are
then tagged with their parent.
"""

import getpass
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import write_json
from alpha_dimt.runs.paths import results_of
from alpha_dimt.tracking.records import Dataset, Record, read_run_record
from alpha_dimt.tracking.store import (
    artefacts_of,
    check_database,
    configure_mlflow,
    create_database,
    database_of,
    find_experiment,
    locked,
    refusals_of,
)
from alpha_dimt.tracking.summaries import by_system, overview_record, parent_record

if TYPE_CHECKING:
    from mlflow import MlflowClient

_BATCH = 1000  # metrics in one call; MLflow's limit
_PARAMETERS_BATCH = 100  # MLflow's limit
_DIGEST = 36  # characters; MLflow's limit
_PARENT = "mlflow.parentRunId"
# Requirements of translation; the logged model pins the versions that are installed here.
REQUIREMENTS = (
    *("mlflow", "numpy", "pyarrow", "pydantic", "pyyaml", "sacrebleu", "sacremoses"),
    *("regex", "safetensors", "subword-nmt", "torch"),
)


def track_runs(
    runs: Sequence[Path],
    *,
    uri: str,
    experiment: str,
    receipt: Path,
    preset: str | None = None,
    attached: Sequence[Path] = (),
) -> None:
    """Log finished runs to MLflow and write a receipt; a second call changes nothing.

    Args:
        runs: folders of finished runs.
        uri: MLflow tracking URI; a missing SQLite database is created, with its artefacts in the
            folder `mlartifacts` beside it.
        experiment: name of the MLflow experiment; created if missing.
        receipt: JSON file for the URI, the experiment and the MLflow run of every folder, of
            every system and of the tables and figures.
        preset: preset of the experiment, logged as a tag.
        attached: tables and figures of all runs, logged as a run of their own.

    Raises:
        UserError: a folder is not a finished run, or MLflow cannot be used. Anything logged so
            far is kept, and the next call resumes from there.
    """
    trained = {str(folder): read_run_record(folder, preset) for folder in runs}
    systems = by_system(trained.values())
    overview = overview_record(list(trained.values()), attached) if attached else None
    configure_mlflow()
    from mlflow import MlflowClient

    database = database_of(uri)
    with locked(database or receipt), refusals_of(uri):
        if database and database.exists():
            check_database(database)
        elif database:
            create_database(database)
        client = MlflowClient(uri)
        place = Place(client, _experiment(client, experiment, database), owner_of(runs[0]))
        logged = {folder: _upload(place, run.record) for folder, run in trained.items()}
        parents = {}
        for seeds in systems:
            parent = _upload(place, parent_record(seeds))
            children = {logged[str(run.folder)] for run in seeds}
            _adopt(place, parent, seeds[0].system_key, children)
            parents[seeds[0].system] = parent
        shown = _upload(place, overview) if overview else None
    write_json(
        receipt,
        {
            "uri": uri,
            "experiment": experiment,
            "runs": logged,
            "systems": parents,
            "overview": shown,
        },
    )


@dataclass(frozen=True)
class Place:
    """Where runs are uploaded to.

    Attributes:
        client: client of the server or database.
        experiment_id: id of the experiment in MLflow.
        owner: owner of the runs to find and replace; other owners' runs are not touched.
    """

    client: "MlflowClient"
    experiment_id: str
    owner: str

    def find(self, tag: str, value: str) -> list[Any]:
        """Return the owner's runs with a tag."""
        found = self.client.search_runs([self.experiment_id], f"tags.{tag} = '{value}'")
        return [run for run in found if run.data.tags.get("owner") == self.owner]


def owner_of(run: Path) -> str:
    """Return user and results folder, which identify the uploads that may replace each other."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        user = str(os.getuid())
    return f"{user}:{results_of(run.absolute())}"


def _experiment(client: "MlflowClient", name: str, database: Path | None) -> str:
    found = find_experiment(client, name)
    if found is not None:
        return found
    # Absolute: otherwise a SQLite experiment would write below the caller's working directory.
    return str(client.create_experiment(name, artefacts_of(database) if database else None))


def _upload(place: Place, record: Record) -> str:
    """Upload one run unless it is complete in MLflow; return its id in MLflow."""
    run = _only_run(place, record)
    if run is None:
        identity = {"run_key": record.key, "owner": place.owner, "upload_begun": record.sha}
        place.client.create_run(
            place.experiment_id,
            start_time=record.start_ms,
            run_name=record.name,
            tags=record.tags | identity,
        )
        # Searched for, because a client that misses the answer retries and so creates two runs.
        run = _only_run(place, record)
    if run is None:  # the server is not MLflow
        raise UserError(
            f"MLflow does not return the run {record.name} that was just created; check that the "
            "address (tracking.uri) is that of an MLflow server"
        )
    if run.data.tags.get("upload_sha") != record.sha:
        _fill(place.client, run.info.run_id, record)
    return str(run.info.run_id)


def _only_run(place: Place, record: Record) -> Any:
    """Return the run with this key and content, or None; delete the owner's others of this key."""
    found = place.find("run_key", record.key)
    same = [run for run in found if run.data.tags.get("upload_begun") == record.sha]
    # The complete one first; the sort is stable.
    same.sort(key=lambda run: run.data.tags.get("upload_sha") != record.sha)
    for run in found:
        if run not in same[:1]:
            place.client.delete_run(run.info.run_id)
    return same[0] if same else None


def _adopt(place: Place, parent: str, system_key: str, children: Collection[str]) -> None:
    """Make a run the parent of the seeds that it averages, and of no others."""
    for run in place.find("system_key", system_key):
        found = run.data.tags.get(_PARENT)
        if run.info.run_id in children:
            if found != parent:
                place.client.set_tag(run.info.run_id, _PARENT, parent)
        elif found is not None:
            place.client.delete_tag(run.info.run_id, _PARENT)


def _fill(client: "MlflowClient", run_id: str, record: Record) -> None:
    """Log everything of a run; each step can be repeated without creating duplicates."""
    from mlflow.entities import Metric, Param

    parameters = [Param(key, value) for key, value in record.parameters.items()]
    for start in range(0, len(parameters), _PARAMETERS_BATCH):
        client.log_batch(run_id, params=parameters[start : start + _PARAMETERS_BATCH])
    metrics = [
        Metric(point.key, point.value, point.time_ms, point.step)
        for point in (*record.epochs, *record.scores)
    ]
    for start in range(0, len(metrics), _BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + _BATCH])
    if record.datasets:
        client.log_inputs(run_id, datasets=[_dataset(split) for split in record.datasets])
    for path, folder in record.files:
        client.log_artifact(run_id, str(path), folder)
    for name, text in record.texts.items():
        client.log_text(run_id, text, name)
    if record.model:
        with _saved_model(record.model) as model:
            client.log_artifacts(run_id, str(model), "model")
    client.set_terminated(run_id, "FINISHED", record.end_ms)
    client.set_tag(run_id, "upload_sha", record.sha)


def _dataset(split: Dataset) -> Any:
    from mlflow.entities import Dataset as Logged
    from mlflow.entities import DatasetInput, InputTag

    return DatasetInput(
        Logged(
            name=split.name,
            digest=split.digest[:_DIGEST],
            source_type="local",
            source=json.dumps({"uri": str(split.path)}, allow_nan=False),
            profile=json.dumps(split.profile, allow_nan=False),
        ),
        [InputTag("mlflow.data.context", split.split)],
    )


@contextmanager
def _saved_model(files: Mapping[str, Path]) -> Iterator[Path]:
    """Yield a temporary folder that holds a run as a model that MLflow can load.

    It includes the package, since no registry has this version.
    """
    from mlflow.pyfunc import save_model

    package = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        save_model(
            model,
            python_model=str(Path(__file__).with_name("mlflow_model.py")),
            artifacts={name: path.absolute().as_uri() for name, path in files.items()},
            code_paths=[str(package)],
            pip_requirements=[_pinned(name) for name in REQUIREMENTS],
        )
        yield model


def _pinned(name: str) -> str:
    """Return a requirement pinned to the installed version, without its build suffix (+cpu)."""
    return f"{name}=={importlib.metadata.version(name).partition('+')[0]}"
