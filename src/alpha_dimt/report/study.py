"""What the report knows: every finished run of a corpus, read once."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from statistics import mean

from alpha_dimt.config import load
from alpha_dimt.config.training import Decoding
from alpha_dimt.runs.paths import beam_config_of
from alpha_dimt.runs.read import Training, group, read_run, read_training


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
    systems = {same[0].config.system: [read_training(run) for run in same] for same in grouped}
    return Study(systems, search)


def published_curves() -> dict[str, dict[int, float]]:
    """Return the authors' greedy dev BLEU on IWSLT'14 by system and epoch, from their logs."""
    text = (resources.files("alpha_dimt") / "published" / "learning_curves.csv").read_text("utf-8")
    curves: dict[str, dict[int, float]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        curve = curves.setdefault(row["run"], {})
        curve[int(row["epoch"])] = float(row["valid_bleu_greedy"])
    return curves
