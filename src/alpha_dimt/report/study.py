"""What the report knows: every finished run of a corpus, read once."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pandas as pd

from alpha_dimt.config import RunConfig, load
from alpha_dimt.config.training import Decoding
from alpha_dimt.results import Results, epoch_frame, run_frame, score_frame
from alpha_dimt.runs.paths import beam_config_of
from alpha_dimt.runs.read import BLEU, Run, read_runs
from alpha_dimt.tables.summary import RUN


@dataclass(frozen=True)
class Study:
    """The finished runs of one corpus.

    Attributes:
        runs: system by system, each by seed.
        frames: what they say, in the same order.
        search: the configuration of beam search.
    """

    runs: list[Run]
    frames: Results
    search: Decoding

    @property
    def systems(self) -> list[str]:
        """Their names, in order."""
        return list(self.frames.runs["system"].cat.categories)

    @property
    def configs(self) -> list[RunConfig]:
        """The configuration of each system, with its first seed."""
        return [
            self.runs[place].config
            for place in self.frames.runs.groupby("system", observed=True).head(1).index
        ]

    @property
    def corpus(self) -> str:
        """Its name."""
        return self.runs[0].config.data.corpus.name

    @property
    def tested(self) -> pd.DataFrame:
        """BLEU on the test set, a row a run and search."""
        scores = self.frames.scores
        return scores[(scores["metric"] == BLEU) & (scores["split"] == "test")]

    @property
    def seeds(self) -> pd.Series:
        """The seeds of each system as text."""
        by_system = self.frames.runs.groupby("system", observed=True)["seed"]
        return by_system.agg(lambda seeds: ", ".join(map(str, seeds)))

    def series(self, name: str) -> pd.DataFrame:
        """Return a metric of every run (system, seed, epoch, value); rows without it left out."""
        rows = self.frames.epochs.reindex(columns=[*RUN, "epoch", name]).dropna()
        return rows.rename(columns={name: "value"})

    def mean_series(self, name: str) -> pd.DataFrame:
        """Return its mean over the seeds (system, epoch, value), of epochs that all seeds have."""
        of_epoch = self.series(name).groupby(["system", "epoch"], observed=True)["value"]
        means = of_epoch.agg(["mean", "size"]).join(self.frames.runs["system"].value_counts())
        whole = means[means["size"] == means["count"]]
        return whole["mean"].rename("value").reset_index()


def read_study(folders: Sequence[Path]) -> Study:
    """Read the folders of finished, scored runs.

    Raises:
        UserError: a folder is something else, or the runs do not fit together.
    """
    runs = read_runs(folders)
    frames = Results(run_frame(runs), epoch_frame(runs), score_frame(runs))
    return Study(runs, frames, load(Decoding, beam_config_of(folders[0])))


def published_curves() -> pd.DataFrame:
    """Return the authors' greedy dev BLEU on IWSLT'14 (run, epoch, value), from their logs."""
    path = resources.files("alpha_dimt") / "published" / "learning_curves.csv"
    with path.open("rb") as file:
        curves = pd.read_csv(file)
    return curves.rename(columns={"valid_bleu_greedy": "value"})[["run", "epoch", "value"]]
