"""What is logged for several runs: the seeds of one system, and all systems together."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import TypeVar

from alpha_dimt.core.files import sha256
from alpha_dimt.tracking.records import LAYOUT, Point, Record, RunRecord, hash_of

Key = TypeVar("Key", bound=Hashable)

# Prefixes of score names; standard deviations of other metrics are not useful.
_SCORES = ("valid_", "test_")
# What makes the runs of this module.
SOURCE = "alpha-dimt track"
# Tags that belong to one run and not to its system.
_OWN = {"folder", "seed", "system_key", "weights_sha256"}


def by_system(runs: Iterable[RunRecord]) -> list[list[RunRecord]]:
    """Group runs by system, systems in the order given, the runs of each sorted by seed."""
    systems: dict[str, list[RunRecord]] = {}
    for run in runs:
        systems.setdefault(run.system_key, []).append(run)
    return [sorted(seeds, key=lambda run: run.seed) for seeds in systems.values()]


def parent_record(seeds: Sequence[RunRecord]) -> Record:
    """Return what is logged for a system: the means over its seeds.

    Metrics keep the names that they have in a run, so that both appear in one column and one chart.
    Standard deviations of scores, given two seeds or more, end in `_sd`. The translations are those
    of the first seed.
    """
    records = [run.record for run in seeds]
    common = set.intersection(*(set(record.tags.items()) for record in records))
    numbers = ", ".join(str(run.seed) for run in seeds)
    return Record(
        key=f"system:{seeds[0].system_key}",
        name=seeds[0].system,
        sha=hash_of([LAYOUT, [record.sha for record in records]]),
        start_ms=min(record.start_ms for record in records),
        end_ms=max(record.end_ms for record in records),
        tags={key: value for key, value in common if key not in _OWN}
        | {"kind": "system", "seed": numbers, "mlflow.source.name": SOURCE},
        parameters=seeds[0].parameters | {"seeds": numbers},
        epochs=epoch_means([record.epochs for record in records]),
        scores=final_means([record.scores for record in records]),
        texts=records[0].texts,
        # Every seed has these: other data would be refused.
        datasets=records[0].datasets,
    )


def overview_record(runs: Sequence[RunRecord], attached: Sequence[Path]) -> Record:
    """Return what is logged for all systems together: tables and figures, by folder."""
    records = [run.record for run in runs]
    sums = [(str(path), sha256(path)) for path in attached]
    corpus = records[0].tags["corpus"]
    return Record(
        key="overview",
        name=f"{corpus}: tables and figures",
        sha=hash_of([LAYOUT, sums]),
        start_ms=min(record.start_ms for record in records),
        end_ms=max(record.end_ms for record in records),
        tags={
            "kind": "overview",
            "corpus": corpus,
            "mlflow.source.name": SOURCE,
            "mlflow.source.type": "LOCAL",
        },
        files=[(path, path.parent.name) for path in attached],
    )


def epoch_means(runs: Sequence[Sequence[Point]]) -> list[Point]:
    """Return the mean of every metric over runs, at the epochs that all of them reached.

    Beyond those epochs the mean would jump whenever a run ends.
    """
    return [
        Point(key, mean(_values(points)), max(point.time_ms for point in points), step)
        for (key, step), points in _together(runs, lambda point: (point.key, point.step)).items()
    ]


def final_means(runs: Sequence[Sequence[Point]]) -> list[Point]:
    """Return the means, the standard deviations of scores, and the number of seeds, at step 0."""
    time_ms = max(point.time_ms for points in runs for point in points)
    values = {}
    for key, points in _together(runs, lambda point: point.key).items():
        values[key] = mean(_values(points))
        if len(runs) > 1 and key.startswith(_SCORES):
            values[f"{key}_sd"] = stdev(_values(points))
    values["seeds"] = float(len(runs))
    return [Point(key, value, time_ms, step=0) for key, value in values.items()]


def _together(
    runs: Sequence[Sequence[Point]], key_of: Callable[[Point], Key]
) -> dict[Key, list[Point]]:
    """Return the points of all runs by key, for the keys that every run has."""
    found: dict[Key, list[Point]] = {}
    for points in runs:
        for point in points:
            found.setdefault(key_of(point), []).append(point)
    return {key: points for key, points in found.items() if len(points) == len(runs)}


def _values(points: Sequence[Point]) -> list[float]:
    return [point.value for point in points]
