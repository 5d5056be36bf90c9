"""Values of a record as MLflow's own objects, and in requests of the size that MLflow allows."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from alpha_dimt.tracking.records import Dataset, Point

if TYPE_CHECKING:
    from mlflow import MlflowClient

_BATCH = 1000  # metrics in one request; MLflow's limit
_PARAMETERS_BATCH = 100  # MLflow's limit
_DIGEST = 36  # characters; MLflow's limit


def log_parameters(client: "MlflowClient", run_id: str, values: Mapping[str, str]) -> None:
    """Log parameters; repeating it changes nothing."""
    from mlflow.entities import Param

    parameters = [Param(key, value) for key, value in values.items()]
    for start in range(0, len(parameters), _PARAMETERS_BATCH):
        client.log_batch(run_id, params=parameters[start : start + _PARAMETERS_BATCH])


def log_metrics(client: "MlflowClient", run_id: str, metrics: Sequence[Any]) -> None:
    """Log metrics in their order; repeating it changes nothing."""
    for start in range(0, len(metrics), _BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + _BATCH])


def metrics_of(points: Iterable[Point], **model_and_dataset: str) -> list[Any]:
    """Return metrics of a run and, with the last argument, of its model on a dataset."""
    from mlflow.entities import Metric

    return [
        Metric(point.key, point.value, point.time_ms, point.step, **model_and_dataset)
        for point in points
    ]


def scores_of(points: Iterable[Point], model: str, datasets: Sequence[Dataset]) -> list[Any]:
    """Return final metrics of a run; those of a split are its model's, too.

    Args:
        points: final metrics; the name of one of a split begins with the split.
        model: id of the model in MLflow.
        datasets: the splits.
    """
    of_split = {
        split.split: {
            "model_id": model,
            "dataset_name": split.name,
            "dataset_digest": split.digest[:_DIGEST],
        }
        for split in datasets
    }
    return [
        metric
        for point in points
        for metric in metrics_of([point], **of_split.get(point.key.partition("_")[0], {}))
    ]


def tags_of(values: Mapping[str, str]) -> list[Any]:
    """Return tags of a run."""
    from mlflow.entities import RunTag

    return [RunTag(key, value) for key, value in values.items()]


def input_of(split: Dataset) -> Any:
    """Return a split as an input of a run."""
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
