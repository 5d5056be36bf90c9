"""Finished runs, as the tables and the report see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpha_dimt.config import RunConfig, parse
from alpha_dimt.config.schedules import Moving
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json, read_json_lines, sha256
from alpha_dimt.runs.paths import COLUMNS, beam_config_of, identity_of

# The columns that systems are compared in. Dev chose the checkpoint, so it is no evidence.
TESTED = ("test_greedy", "test_beam")


@dataclass(frozen=True)
class Bleu:
    """What `evaluate` wrote of a corpus BLEU.

    Attributes:
        value: the score, a percentage.
        brevity_penalty: at most 1.
        ratio: tokens of the hypotheses by tokens of the references.
        definition: of the score, in words.
        signature: of sacreBLEU.
    """

    value: float
    brevity_penalty: float
    ratio: float
    definition: str
    signature: str


@dataclass(frozen=True)
class Run:
    """What the tables need of a finished run.

    Attributes:
        folder: as given.
        config: its configuration.
        bleu: multi-bleu by column.
        sizes: sentences of the dev and the test set.
        references: SHA-256 of the tokenised reference by column.
        data: SHA-256 of the encoded training and validation data.
        searches: configuration of the search by column; None where it was not noted.
        identity: what changes when the configuration or a translation or a reference does.
    """

    folder: Path
    config: RunConfig
    bleu: dict[str, Bleu]
    sizes: tuple[int, int]
    references: dict[str, str]
    data: dict[str, str]
    searches: dict[str, Any]
    identity: str

    @property
    def name(self) -> str:
        """System and seed."""
        return f"{self.config.system}/seed{self.config.seed}"

    @property
    def scores(self) -> dict[str, float]:
        """Multi-bleu by column, percentages."""
        return {column: bleu.value for column, bleu in self.bleu.items()}

    @property
    def definition(self) -> str:
        """Of the scores, in words."""
        return ", ".join(sorted({bleu.definition for bleu in self.bleu.values()}))

    @property
    def signature(self) -> str:
        """Of sacreBLEU."""
        return ", ".join(sorted({bleu.signature for bleu in self.bleu.values()}))


@dataclass(frozen=True)
class Training:
    """One finished run.

    Attributes:
        run: configuration and scores.
        about: run.json.
        epochs: the records of metrics.jsonl, at least one.
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
        peaks = (record["timing"].get("peak_memory_mb") for record in self.epochs)
        return max((peak for peak in peaks if peak is not None), default=None)


# ------------------------------------------------------------------------------------- read


def read_run(folder: Path) -> Run:
    """Read a finished run.

    Raises:
        UserError: a file is missing or damaged, or the files do not belong together: run.json is
            of another configuration, or what was scored is not the run's translation.
    """
    path = folder / "config.json"
    config = parse(RunConfig, read_json(path), str(path))
    run = read_json(folder / "run.json")
    if not isinstance(run, dict) or run.get("run_key") != config.fingerprint():
        raise UserError(f"{folder}: run.json is of another configuration; train the run again")
    reports = {
        column: read_json(folder / "scores" / f"{name}.json") for column, name in COLUMNS.items()
    }
    try:
        for column, name in COLUMNS.items():
            check_scored(folder, name, run, reports[column])
        return Run(
            folder=folder,
            config=config,
            bleu={
                column: _bleu(report["scores"]["multi_bleu"]) for column, report in reports.items()
            },
            sizes=(
                reports["dev_greedy"]["hypotheses"]["lines"],
                reports["test_greedy"]["hypotheses"]["lines"],
            ),
            references={
                column: report["references"]["tokenised"]["sha256"]
                for column, report in reports.items()
            },
            data={name: run["data"][name] for name in ("train.arrow", "valid.arrow")},
            searches={
                column: report["translated"]["decoding"] if report.get("translated") else None
                for column, report in reports.items()
            },
            identity=identity_of(run["run_key"], reports),
        )
    except KeyError as error:
        raise UserError(
            f"{folder}: run.json or scores/ lack the key {error}; score the run again, or train it "
            "again"
        ) from None
    except (TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{folder}/scores: this is not what `alpha-dimt evaluate` writes ({error}); "
            "score the run again"
        ) from error


def check_scored(
    folder: Path, name: str, run: Mapping[str, Any], report: Mapping[str, Any]
) -> None:
    """Check that scores are of translations that the run, as it is now, has made.

    Of runs of before that was noted nothing can be checked.

    Args:
        folder: of the run.
        name: split and search ("test.beam").
        run: its run.json.
        report: the scores.

    Raises:
        UserError: they are of other weights, or the beam search was another than the experiment's.
    """
    made = report.get("translated") or {}
    if "files" not in run and not made:
        return
    found = made.get("run_key"), made.get("weights"), made.get("hypotheses")
    expected = run["run_key"], run["files"]["weights"], report["hypotheses"]["sha256"]
    if found != expected:
        raise UserError(
            f"{folder}/scores/{name}.json: these scores are not of translations by this run as it "
            "is now; decode and score it again"
        )
    path = beam_config_of(folder)
    if name.endswith(".beam") and path.exists() and made["decoding"] != read_json(path):
        raise UserError(
            f"{folder}/hypotheses/{name}.txt: the search was another than that of {path}; decode "
            "and score the run again"
        )


def made_from_runs(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Return what a table of runs is made from: name and identity of each, in order."""
    return [(run.name, run.identity) for run in runs]


def _bleu(score: Mapping[str, Any]) -> Bleu:
    numbers = ("value", "brevity_penalty", "ratio")
    return Bleu(
        **{name: float(score[name]) for name in numbers},
        definition=score["definition"],
        signature=score["signature"],
    )


def read_training(run: Run) -> Training:
    """Read what a finished run says of its training.

    Raises:
        UserError: a file is missing or was changed since, or says nothing of any epoch.
    """
    path, about = run.folder / "metrics.jsonl", read_json(run.folder / "run.json")
    epochs = read_json_lines(path)
    if not epochs:
        raise UserError(f"{path}: it holds no epoch; train the run again")
    if "metrics" in about and sha256(path) != about["metrics"]:
        raise UserError(
            f"{path}: this is not the file that the training wrote (run.json has another "
            "checksum); restore it or train the run again"
        )
    return Training(run=run, about=about, epochs=epochs)


def beam_width(run: Path) -> int | None:
    """Return the beam width from decoding/beam.json beside runs/; None where there is none."""
    path = beam_config_of(run)
    return int(read_json(path)["beam"]) if path.exists() else None


def settings(config: RunConfig) -> dict[str, str]:
    """Return objective, alpha and tau in words, empty where there are none."""
    distribution = config.proposal.distribution if config.proposal else None
    found = config.objective.hyperparameters(distribution)
    return {
        "objective": config.objective.objective,
        **{name: _moving(found.get(name, "")) for name in ("alpha", "tau")},
    }


def _moving(value: Any) -> str:
    """Return a constant as it is, and a schedule by its two ends."""
    return f"{value.start:g} to {value.end:g}" if isinstance(value, Moving) else str(value)


# ------------------------------------------------------------------------------------ group


def group(runs: Sequence[Run]) -> list[list[Run]]:
    """Return the runs of each system, systems in the order given, each by seed.

    Raises:
        UserError: two runs are of different corpora or data, or translated by different searches,
            or scored against different references or by different definitions, or are one system
            with different settings, or have one seed.
    """
    first = runs[0]
    systems: dict[str, list[Run]] = {}
    for run in runs:
        if run.config.data.corpus.name != first.config.data.corpus.name:
            raise UserError(
                f"{first.folder} is of the corpus {first.config.data.corpus.name} and {run.folder} "
                f"of {run.config.data.corpus.name}; make one table for each corpus"
            )
        if (run.references, run.definition) != (first.references, first.definition):
            raise UserError(
                f"{first.folder} and {run.folder} are scored against different references or by "
                "different definitions; prepare and score them alike"
            )
        if run.data != first.data:
            raise UserError(
                f"{first.folder} and {run.folder} were trained on different data (run.json has the "
                "checksums); train them on the same, or make a table for each"
            )
        if run.searches != first.searches:
            raise UserError(
                f"{first.folder} and {run.folder} were translated by different searches; decode "
                "and score them alike"
            )
        same = systems.setdefault(run.config.system, [])
        for other in same:
            if run.config.seed == other.config.seed:
                raise UserError(
                    f"{other.folder} and {run.folder} are the same system and seed; give one"
                )
            if run.config.with_seed(other.config.seed) != other.config:
                raise UserError(
                    f"{other.folder} and {run.folder} are the system {run.config.system} with "
                    "different settings; give them different names"
                )
        same.append(run)
    return [sorted(same, key=lambda run: run.config.seed) for same in systems.values()]


def flat(systems: Sequence[Sequence[Run]]) -> list[Run]:
    """Return all runs, system by system."""
    return [run for runs in systems for run in runs]


def scores_by_seed(systems: Sequence[Sequence[Run]], column: str) -> dict[str, dict[int, float]]:
    """Return the scores of one column by system and seed."""
    return {
        runs[0].config.system: {run.config.seed: run.scores[column] for run in runs}
        for runs in systems
    }
