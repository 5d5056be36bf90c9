"""What the report knows: every finished run of a corpus, read once."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from statistics import mean
from typing import Any

from alpha_dimt.config import Decoding, RunConfig, load
from alpha_dimt.errors import UserError
from alpha_dimt.files import read_json, read_json_lines
from alpha_dimt.layout import beam_config_of
from alpha_dimt.tables import Run, group, read_run


@dataclass(frozen=True)
class Training:
    """One finished run.

    Attributes:
        run: configuration and scores.
        about: run.json.
        epochs: the records of metrics.jsonl.
    """

    run: Run
    about: dict[str, Any]
    epochs: list[dict[str, Any]]

    @property
    def system(self) -> str:
        """Its name."""
        return self.run.config.system

    @property
    def seed(self) -> int:
        """Of its training."""
        return self.run.config.seed

    @property
    def config(self) -> RunConfig:
        """Its configuration."""
        return self.run.config

    def series(self, name: str) -> dict[int, float]:
        """Return a metric by epoch; epochs without it are left out."""
        return {
            record["epoch"]: record["metrics"][name]
            for record in self.epochs
            if name in record["metrics"]
        }

    def peak_memory_mb(self) -> float | None:
        """Return the peak of all epochs; None of runs of before it was measured."""
        peaks = [record["timing"].get("peak_memory_mb") for record in self.epochs]
        return None if None in peaks else max(peaks)


@dataclass(frozen=True)
class Study:
    """The finished runs of one corpus.

    Attributes:
        systems: the runs of each, by seed.
        search: the configuration of beam search.
    """

    systems: dict[str, list[Training]]
    search: Decoding

    @property
    def trainings(self) -> list[Training]:
        """All runs, system by system."""
        return [training for same in self.systems.values() for training in same]

    @property
    def corpus(self) -> str:
        """Its name."""
        return self.trainings[0].config.data.corpus.name

    def mean_series(self, system: str, name: str) -> dict[int, float]:
        """Return the mean of a metric over the seeds, for the epochs that all of them have."""
        series = [training.series(name) for training in self.systems[system]]
        common = set.intersection(*(set(one) for one in series))
        return {epoch: mean(one[epoch] for one in series) for epoch in sorted(common)}


def read_study(runs: Sequence[Path]) -> Study:
    """Read the folders of finished, scored runs.

    Raises:
        UserError: a folder is something else, or the runs do not fit together.
    """
    grouped = group([read_run(folder) for folder in runs])
    search = load(Decoding, beam_config_of(runs[0]))
    systems = {same[0].config.system: [_read(run) for run in same] for same in grouped}
    return Study(systems, search)


def _read(run: Run) -> Training:
    epochs = read_json_lines(run.folder / "metrics.jsonl")
    if not epochs:
        raise UserError(f"{run.folder}/metrics.jsonl: it holds no epoch; train the run anew")
    return Training(run=run, about=read_json(run.folder / "run.json"), epochs=epochs)


def published_curves() -> dict[str, dict[int, float]]:
    """Return the authors' greedy dev BLEU on IWSLT'14 by system and epoch, from their logs."""
    text = (resources.files("alpha_dimt") / "published" / "learning_curves.csv").read_text("utf-8")
    curves: dict[str, dict[int, float]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        curve = curves.setdefault(row["run"], {})
        curve[int(row["epoch"])] = float(row["valid_bleu_greedy"])
    return curves
