"""Finished runs, as the tables and the report see them."""

from collections.abc import Iterator, Mapping, Sequence
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
BLEU = "multi_bleu"
"""The metric of all tables, as `evaluate` names it."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: as given.
        config: its configuration.
        about: run.json.
        scores: of all its translations that are scored; see `results.score_frame`.
        data: SHA-256 of the encoded training and validation data.
        sizes: sentences that were scored, by split and search ("test.beam").
        references: SHA-256 of the tokenised reference, by split and search.
        searches: configuration of the search, by split and search; None where it was not noted.
        identity: what changes when the configuration or a translation or a reference does.
    """

    folder: Path
    config: RunConfig
    about: dict[str, Any]
    scores: list[dict[str, Any]]
    data: dict[str, str]
    sizes: dict[str, int]
    references: dict[str, str]
    searches: dict[str, Any]
    identity: str

    @property
    def name(self) -> str:
        """System and seed."""
        return f"{self.config.system}/seed{self.config.seed}"

    @property
    def definition(self) -> str:
        """The definition of its BLEU, in words."""
        return ", ".join(
            sorted({one["definition"] for one in self.scores if one["metric"] == BLEU})
        )

    @property
    def signature(self) -> str:
        """The signature of its BLEU, by sacreBLEU."""
        return ", ".join(sorted({one["signature"] for one in self.scores if one["metric"] == BLEU}))


# ------------------------------------------------------------------------------------- read


def read_run(folder: Path, *, scored: bool = True) -> Run:
    """Read a finished run.

    Args:
        folder: of the run.
        scored: whether all scores of COLUMNS must be there.

    Raises:
        UserError: a file is missing or damaged, or the files do not belong together: run.json is
            of another configuration, or what was scored is not the run's translation.
    """
    path = folder / "config.json"
    config = parse(RunConfig, read_json(path), str(path))
    about = read_json(folder / "run.json")
    if not isinstance(about, dict) or about.get("run_key") != config.fingerprint():
        raise UserError(f"{folder}: run.json belongs to another configuration; train the run again")
    paths = {name: folder / "scores" / f"{name}.json" for name in COLUMNS.values()}
    reports = {name: read_json(path) for name, path in paths.items() if scored or path.exists()}
    try:
        for name, report in reports.items():
            check_scored(folder, name, about, report)
        return Run(
            folder=folder,
            config=config,
            about=about,
            scores=[score for name, report in reports.items() for score in _scores(name, report)],
            data={name: about["data"][name] for name in ("train.arrow", "valid.arrow")},
            sizes={name: report["hypotheses"]["lines"] for name, report in reports.items()},
            references={
                name: report["references"]["tokenised"]["sha256"]
                for name, report in reports.items()
            },
            searches={
                name: report["translated"]["decoding"] if report.get("translated") else None
                for name, report in reports.items()
            },
            identity=identity_of(
                about["run_key"],
                {column: reports[name] for column, name in COLUMNS.items() if name in reports},
            ),
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


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Read the finished, scored runs of a table: systems in the order given, each by seed.

    Raises:
        UserError: see `read_run` and `check_comparable`.
    """
    runs = [read_run(folder) for folder in folders]
    check_comparable(runs)
    systems = list(dict.fromkeys(run.config.system for run in runs))
    return sorted(runs, key=lambda run: (systems.index(run.config.system), run.config.seed))


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
    hypotheses = report["hypotheses"]["sha256"]
    if not of_these_weights(run, report) or made.get("hypotheses") != hypotheses:
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


def of_these_weights(run: Mapping[str, Any], report: Mapping[str, Any]) -> bool:
    """Return whether scores say that they are of translations by the weights of a run.

    Args:
        run: its run.json.
        report: the scores.
    """
    made = report.get("translated") or {}
    found = made.get("run_key"), made.get("weights")
    return bool(found == (run["run_key"], run["files"]["weights"]))


def made_from_runs(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Return what a table of runs is made from: name and identity of each, in order."""
    return [(run.name, run.identity) for run in runs]


def _scores(name: str, report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    split, search = name.split(".")
    if BLEU not in report["scores"]:
        raise KeyError(BLEU)
    for metric, score in report["scores"].items():
        of_lengths = metric == BLEU or "ratio" in score
        yield {
            "split": split,
            "search": search,
            "metric": metric,
            "value": float(score["value"]),
            "brevity_penalty": float(score["brevity_penalty"]) if of_lengths else None,
            "length_ratio": float(score["ratio"]) if of_lengths else None,
            "definition": score["definition"],
            "signature": score["signature"],
        }


def read_epochs(run: Run) -> list[dict[str, Any]]:
    """Return the records of metrics.jsonl, at least one.

    Raises:
        UserError: the file is missing or was changed since, or says nothing of any epoch.
    """
    path = run.folder / "metrics.jsonl"
    epochs = read_json_lines(path)
    if not epochs:
        raise UserError(f"{path}: it holds no epoch; train the run again")
    if "metrics" in run.about and sha256(path) != run.about["metrics"]:
        raise UserError(
            f"{path}: this is not the file that the training wrote (run.json has another "
            "checksum); restore it or train the run again"
        )
    return epochs


def beam_width(run: Path) -> int | None:
    """Return the beam width from decoding/beam.json beside runs/; None where there is none."""
    path = beam_config_of(run)
    return int(read_json(path)["beam"]) if path.exists() else None


def hyperparameters(config: RunConfig) -> dict[str, str]:
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


# --------------------------------------------------------------------------------- together


def check_comparable(runs: Sequence[Run]) -> None:
    """Check that runs may stand in one table.

    Raises:
        UserError: two runs are of different corpora or data, or translated by different searches,
            or scored against different references or by different definitions, or are one system
            with different settings, or have one seed.
    """
    first = runs[0]
    seen: dict[tuple[str, int], Run] = {}
    systems: dict[str, Run] = {}
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
        twin = seen.setdefault((run.config.system, run.config.seed), run)
        if twin is not run:
            raise UserError(
                f"{twin.folder} and {run.folder} are the same system and seed; give one"
            )
        other = systems.setdefault(run.config.system, run)
        if run.config.with_seed(other.config.seed) != other.config:
            raise UserError(
                f"{other.folder} and {run.folder} are the system {run.config.system} with "
                "different settings; give them different names"
            )
