"""Upload to MLflow; an upload can be interrupted at any point and repeated.

A run is identified by its tags `run_key` and `owner`: several people, or one person with several
results folders, may share an experiment without touching each other's runs. The tag `upload_begun`
is set when a run is created, `upload_sha` when its upload is complete; both hold the hash of
everything uploaded. A repeated call therefore skips complete runs, completes interrupted ones and
replaces changed ones. Parents are uploaded like any run, after their children; the children are
then tagged with their parent.
"""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import write_json
from alpha_dimt.runs.paths import results_of
from alpha_dimt.tracking.entities import (
    input_of,
    log_metrics,
    log_parameters,
    metrics_of,
    scores_of,
    tags_of,
)
from alpha_dimt.tracking.live import continues
from alpha_dimt.tracking.models import create_model, fill_model, models_of
from alpha_dimt.tracking.place import Place, opened, user
from alpha_dimt.tracking.records import Record, read_run_record
from alpha_dimt.tracking.summaries import by_system, overview_record, parent_record

_PARENT = "mlflow.parentRunId"


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
    results = results_of(runs[0].absolute())
    with opened(uri, experiment, results=results, receipt=receipt) as place:
        # One request for all runs, however many there are.
        before = _by_tag("run_key", place.runs())
        logged = {
            folder: _upload(place, run.record, before.get(run.record.key, []))
            for folder, run in trained.items()
        }
        seeds_of = _by_tag("system_key", place.runs())
        parents = {}
        for seeds in systems:
            record = parent_record(seeds)
            parent = _upload(place, record, before.get(record.key, []))
            children = {logged[str(run.folder)] for run in seeds}
            _adopt(place, parent, seeds_of.get(seeds[0].system_key, []), children)
            parents[seeds[0].system] = parent
        shown = overview and _upload(place, overview, before.get(overview.key, []))
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


def _by_tag(tag: str, runs: Iterable[Any]) -> dict[str, list[Any]]:
    """Group runs of MLflow by the value of a tag; those without it are left out."""
    found: dict[str, list[Any]] = {}
    for run in runs:
        if tag in run.data.tags:
            found.setdefault(run.data.tags[tag], []).append(run)
    return found


def _upload(place: Place, record: Record, found: Sequence[Any]) -> str:
    """Upload one run unless it is complete in MLflow; return its id in MLflow.

    Args:
        place: where to upload it.
        record: what to upload.
        found: the owner's runs of this key.
    """
    run = _only_run(place, record, found)
    identity = {"run_key": record.key, "owner": place.owner, "upload_begun": record.sha}
    tags = record.tags | identity | {"mlflow.user": user()}
    if run is None:
        place.client.create_run(
            place.experiment_id, start_time=record.start_ms, run_name=record.name, tags=tags
        )
        # Searched for, because a client that misses the answer retries and so creates two runs.
        run = _only_run(place, record, place.runs(f"tags.run_key = '{record.key}'"))
    if run is None:  # the server is not MLflow
        raise UserError(
            f"MLflow does not return the run {record.name} that was just created; check that the "
            "address (tracking.uri) is that of an MLflow server"
        )
    if "upload_begun" not in run.data.tags:  # followed so far
        place.client.log_batch(run.info.run_id, tags=tags_of(tags))
    if run.data.tags.get("upload_sha") != record.sha:
        _fill(place, run.info.run_id, record)
    return str(run.info.run_id)


def _only_run(place: Place, record: Record, found: Sequence[Any]) -> Any:
    """Return the run with this key and content, or None; delete the others with their models.

    A run that `follow_runs` has logged from the same training has this content, too.
    """
    same = [
        run
        for run in found
        if run.data.tags.get("upload_begun") == record.sha or continues(record.epochs, run)
    ]
    # The complete one first; the sort is stable.
    same.sort(key=lambda run: run.data.tags.get("upload_sha") != record.sha)
    for run in found:
        if run not in same[:1]:
            for model in models_of(place, run.info.run_id):
                place.client.delete_logged_model(model.model_id)
            place.client.delete_run(run.info.run_id)
    return same[0] if same else None


def _adopt(place: Place, parent: str, seeds: Iterable[Any], children: Collection[str]) -> None:
    """Make a run the parent of the seeds that it averages, and of no others of its system."""
    for run in seeds:
        found = run.data.tags.get(_PARENT)
        if run.info.run_id in children:
            if found != parent:
                place.client.set_tag(run.info.run_id, _PARENT, parent)
        elif found is not None:
            place.client.delete_tag(run.info.run_id, _PARENT)


def _fill(place: Place, run_id: str, record: Record) -> None:
    """Log everything of a run; each step can be repeated without creating duplicates."""
    client = place.client
    log_parameters(client, run_id, record.parameters)
    if record.model:
        model = create_model(place, run_id, record)
        scores = scores_of(record.scores, model, record.datasets)
    else:
        model, scores = None, metrics_of(record.scores)
    # Scores first: MLflow's page of comparisons begins with the metric that was logged first.
    log_metrics(client, run_id, [*scores, *metrics_of(record.epochs)])
    if record.datasets:
        client.log_inputs(run_id, datasets=[input_of(split) for split in record.datasets])
    for path, folder in record.files:
        client.log_artifact(run_id, str(path), folder)
    for name, text in record.texts.items():
        client.log_text(run_id, text, name)
    if model:
        fill_model(place, run_id, model, record.model)
    client.set_terminated(run_id, "FINISHED", record.end_ms)
    client.set_tag(run_id, "upload_sha", record.sha)
