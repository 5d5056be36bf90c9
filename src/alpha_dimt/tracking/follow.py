"""Show trainings in MLflow while they run, from the files that they write; they know nothing of it.

A followed run has the tag `followed` and not yet `upload_begun`. `track_runs` makes it the run of
the finished training, so that its address stays.
"""

import time
from itertools import count
from pathlib import Path
from typing import Any

from alpha_dimt.core.errors import UserError
from alpha_dimt.tracking.entities import log_parameters, metrics_of, tags_of
from alpha_dimt.tracking.live import FOLLOWED, Live, continues, epochs_of, mark, read_live
from alpha_dimt.tracking.place import Place, opened, user

# One request of at most 1,000 metrics; an epoch has about 20.
_EPOCHS = 25


def follow_runs(
    results: Path, *, states: Path, uri: str, experiment: str, seconds: float = 10
) -> None:
    """Log the epochs of running trainings to MLflow, until the process is interrupted.

    Args:
        results: results/{corpus}, where trainings may begin later.
        states: folder of the checkpoints of the corpus.
        uri: MLflow tracking URI.
        experiment: name of the MLflow experiment; created if missing.
        seconds: time between two looks.

    Raises:
        UserError: MLflow cannot be used at the first look; later ones only warn.
    """
    for look in count():
        try:
            receipt = results / "tracking.json"
            with opened(uri, experiment, results=results, receipt=receipt) as place:
                look_once(place, results, states)
        except UserError as error:
            if not look:
                raise
            print(f"warning: {error}", flush=True)
        time.sleep(seconds)


def look_once(place: Place, results: Path, states: Path) -> None:
    """Bring the runs of MLflow up to date with the files of the trainings.

    Args:
        place: where the runs are logged.
        results: results/{corpus}.
        states: folder of the checkpoints of the corpus.
    """
    known: dict[str, Any] = {}
    for run in place.runs(f"tags.{FOLLOWED} LIKE '%'"):
        if "upload_begun" in run.data.tags:
            continue  # `track_runs` has it
        if known.setdefault(run.data.tags["run_key"], run) is not run:
            place.client.delete_run(run.info.run_id)  # of a request that was sent twice
    for folder in sorted(results.glob("runs/*/seed*")):
        if live := _read(folder, states):
            _show(place, live, known.pop(live.key, None))
    for run in known.values():  # Snakemake removes the files of a job that failed
        if run.info.status == "RUNNING":
            place.client.set_terminated(run.info.run_id, "KILLED")


def _read(folder: Path, states: Path) -> Live | None:
    try:
        return read_live(folder, states)
    except UserError as error:
        print(f"warning: {error}", flush=True)
        return None


def _show(place: Place, live: Live, run: Any) -> None:
    """Log what MLflow lacks of a training.

    Args:
        place: where the run is logged.
        live: the training.
        run: the run that was followed from an earlier look; None if there is none.
    """
    if run is not None and not continues(live.epochs, run):  # trained again from the beginning
        place.client.delete_run(run.info.run_id)
        run = None
    if run is None:
        if live.status != "RUNNING":
            return  # `track_runs` logs what is finished
        run = _create(place, live)
    run_id, done = run.info.run_id, epochs_of(run)
    last = max((point.step for point in live.epochs), default=0)
    while done < last:
        until = min(done + _EPOCHS, last)
        points = [point for point in live.epochs if done < point.step <= until]
        place.client.log_batch(
            run_id,
            metrics=metrics_of(points),
            tags=tags_of({FOLLOWED: mark(live.epochs, until)}),
        )
        done = until
    if live.status == run.info.status:
        return
    if live.status == "RUNNING":  # resumed
        place.client.update_run(run_id, status=live.status)
    else:
        place.client.set_terminated(run_id, live.status, live.last_ms)


def _create(place: Place, live: Live) -> Any:
    identity = {"run_key": live.key, "owner": place.owner, FOLLOWED: mark(live.epochs, 0)}
    run = place.client.create_run(
        place.experiment_id,
        start_time=live.start_ms,
        run_name=live.name,
        tags=live.tags | identity | {"mlflow.user": user()},
    )
    log_parameters(place.client, run.info.run_id, live.parameters)
    return run
