"""What is logged for one run, read from its folder and from the prepared corpus."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from alpha_dimt.config import RunConfig, parse
from alpha_dimt.config.base import fingerprint
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import finite_json, read_json, read_lines, sha256
from alpha_dimt.data.detokenise import detokenise
from alpha_dimt.runs.paths import COLUMNS, encoded_of, model_files, raw_test_of
from alpha_dimt.runs.read import check_scored, hyperparameters, of_these_weights

# Increment when something is logged in a different way, so that earlier uploads are replaced.
LAYOUT = 3

# Bytes; the paper's model (85 MB) fits. Larger models are not uploaded.
LARGEST_WEIGHTS = 128 * 2**20

TRANSLATIONS = "translations.json"
# Number of sentences shown, from the start of the test set.
SHOWN = 100

# The score that systems are compared by.
HEADLINE = "test_bleu_beam"

# Names in scores/*.json and in MLflow.
_SCORE_NAMES = {"multi_bleu": "bleu", "sacrebleu": "sacrebleu", "chrf": "chrf", "ter": "ter"}


@dataclass(frozen=True)
class Point:
    """One value of a metric; `step` is the epoch or 0, `time_ms` the original time."""

    key: str
    value: float
    time_ms: int
    step: int


@dataclass(frozen=True)
class Dataset:
    """One split of the corpus.

    Attributes:
        name: name of the corpus.
        split: train, valid or test.
        digest: SHA-256 of the encoded split.
        path: path of the encoded split; not read.
        profile: sizes of the split.
    """

    name: str
    split: str
    digest: str
    path: Path
    profile: dict[str, Any]


@dataclass(frozen=True)
class Record:
    """Everything that is logged as one run of MLflow.

    Attributes:
        key: identity in MLflow; for a trained run, the fingerprint of its configuration.
        name: name shown in the UI.
        sha: hash of everything below; changes when any file changes.
        start_ms: start time, milliseconds since 1970.
        end_ms: end time, milliseconds since 1970.
        tags: values to filter runs by, and fingerprints.
        parameters: the complete configuration, flat.
        epochs: metrics of every epoch.
        scores: final metrics.
        files: artefacts, each with its folder in MLflow (None for the top level).
        texts: artefacts that are not files on disk, by name.
        datasets: the data that the run was trained and tested on.
        model: model files by attribute name of `ModelFiles`; empty if no model is logged.
    """

    key: str
    name: str
    sha: str
    start_ms: int
    end_ms: int
    tags: dict[str, str]
    parameters: dict[str, str] = field(default_factory=dict)
    epochs: list[Point] = field(default_factory=list)
    scores: list[Point] = field(default_factory=list)
    files: list[tuple[Path, str | None]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    datasets: list[Dataset] = field(default_factory=list)
    model: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class RunRecord:
    """A trained run and the system that it is a seed of.

    Attributes:
        folder: run folder, as given.
        record: what is logged for the run.
        system: name of the system.
        system_key: fingerprint of the configuration without the seed.
        seed: seed of the run.
        parameters: the configuration without the seed, flat.
    """

    folder: Path
    record: Record
    system: str
    system_key: str
    seed: int
    parameters: dict[str, str]


def read_run_record(folder: Path, preset: str | None) -> RunRecord:
    """Read the folder of a finished run and the workflow's files beside it.

    Args:
        folder: results/{corpus}/runs/{system}/seed{seed}.
        preset: preset of the experiment, which is not part of a run's configuration.

    Raises:
        UserError: a file is missing or was not written by `train` or `evaluate`, run.json belongs
            to another configuration, or the prepared corpus is not the one trained on.
    """
    config = read_json(folder / "config.json")
    run = read_json(folder / "run.json")
    configured = parse(RunConfig, config, str(folder / "config.json"))
    model = _model(configured, folder)
    corpus = configured.data.corpus
    raw = [raw_test_of(folder, language) for language in (corpus.source, corpus.target)]
    shared = without_seed(config)
    with _errors_of(folder):
        if run["run_key"] != configured.fingerprint():
            raise UserError(
                f"{folder}: run.json belongs to another configuration; train the run again"
            )
        scores, left = _scores(folder, run)
        files = [folder / name for name in ("config.json", "run.json", "metrics.jsonl")]
        for pattern in ("hypotheses/*.txt", "scores/*.json"):
            files += [path for path in sorted(folder.glob(pattern)) if path.stem not in left]
        sums = {str(path.relative_to(folder)): sha256(path) for path in files}
        for name, report in scores.items():
            check_scored(folder, name, run, report)
            _check_files(folder, name, report, sums, raw[1])
        model_sums = {name: sha256(path) for name, path in model.items()}
        raw_sums = [sha256(path) for path in raw]
        record = Record(
            key=run["run_key"],
            name=f"{run['system']} seed{run['seed']}",
            sha=hash_of([LAYOUT, preset, sums, model_sums, raw_sums]),
            start_ms=run["started_ms"],
            end_ms=run["ended_ms"],
            tags={
                "kind": "run",
                "system": run["system"],
                "seed": str(run["seed"]),
                "corpus": run["corpus"],
                "preset": preset or "none",
                **source_tags("alpha-dimt train", run["code_version"]),
                "folder": str(folder),
                "system_key": fingerprint(shared),
                "weights_sha256": model_sums["weights"],
                **{key: value for key, value in hyperparameters(configured).items() if value},
                **{f"data.{name}": value for name, value in run["data"].items()},
                # MLflow's UI compares the tables that are named here.
                "mlflow.loggedArtifacts": json.dumps(
                    [{"path": TRANSLATIONS, "type": "table"}], allow_nan=False
                ),
            },
            parameters=flatten(config),
            epochs=epoch_points(folder / "metrics.jsonl"),
            scores=final_points(run, scores),
            files=[(path, None if path.parent == folder else path.parent.name) for path in files],
            texts={TRANSLATIONS: translations(folder, configured)},
            datasets=_datasets(folder, run),
            model=model if model["weights"].stat().st_size <= LARGEST_WEIGHTS else {},
        )
    return RunRecord(
        folder=folder,
        record=record,
        system=configured.system,
        system_key=fingerprint(shared),
        seed=configured.seed,
        parameters=flatten(shared),
    )


def _scores(folder: Path, run: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Return the scores of a run by split and search, and the names of those that are left out.

    A search that is no longer configured is not repeated with new weights, so the files that it
    made with older ones are left out.
    """
    scores = {path.stem: read_json(path) for path in sorted((folder / "scores").glob("*.json"))}
    left = {
        name
        for name, report in scores.items()
        if name not in COLUMNS.values()
        and report.get("translated")
        and not of_these_weights(run, report)
    }
    return {name: report for name, report in scores.items() if name not in left}, left


def _check_files(
    folder: Path, name: str, report: Mapping[str, Any], sums: Mapping[str, str], raw: Path
) -> None:
    """Check that the translations and raw references are the ones that were scored."""
    if not report.get("translated"):
        return
    files = {folder / f"hypotheses/{name}.txt": sums.get(f"hypotheses/{name}.txt")}
    wanted = [report["hypotheses"]["sha256"]]
    if name.startswith("test."):
        files[raw] = sha256(raw)
        wanted.append(report["references"]["raw"]["sha256"])
    for (path, found), scored in zip(files.items(), wanted, strict=True):
        if found != scored:
            raise UserError(
                f"{path}: this is not the file that {folder}/scores/{name}.json was made from; "
                "score the run again"
            )


@contextmanager
def _errors_of(folder: Path) -> Iterator[None]:
    """Turn the exceptions that damaged run files cause into one sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(
            f"{error.filename}: there is no such file; run the workflow to make it"
        ) from error
    except KeyError as error:
        raise UserError(
            f"{folder}: config.json, run.json or scores/ lack the key {error}; train the run again"
        ) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{folder}: config.json, run.json or scores/ are not what a run writes ({error}); "
            "train the run again"
        ) from error


def hash_of(values: Any) -> str:
    """Return the SHA-256 of JSON-compatible values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, allow_nan=False).encode()).hexdigest()


def without_seed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's configuration without its seed and the seed of the run it starts from."""
    values = {key: value for key, value in config.items() if key != "seed"}
    return values | {"start": config["start"] and without_seed(config["start"])}


def source_tags(command: str, code_version: str) -> dict[str, str]:
    """Return MLflow's tags for the source of a run, and the version that they are from.

    Args:
        command: the command that made the run.
        code_version: as `code_version` returns it. With the commit of a checkout, it has a tag of
            its own; "-dirty" stays, since a changed checkout is not the commit.
    """
    commit = re.search(r"[+-]g([0-9a-f]{7,40}(-dirty)?)$", code_version)
    return {
        "mlflow.source.name": command,
        "mlflow.source.type": "LOCAL",
        "code_version": code_version,
        **({"mlflow.source.git.commit": commit[1]} if commit else {}),
    }


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested values as a flat mapping, keys joined by dots; non-strings become JSON."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = (
                value if isinstance(value, str) else json.dumps(value, allow_nan=False)
            )
    return flat


def epoch_points(path: Path) -> list[Point]:
    """Return every value of a metrics.jsonl; timings get the prefix `system/`.

    MLflow's UI shows metrics of this prefix under "System metrics".

    Raises:
        UserError: a line is not a record of an epoch; names the file and the line.
    """
    points = []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            epoch = json.loads(line)
            values = {
                **epoch["metrics"],
                **{f"system/{key}": value for key, value in epoch.get("timing", {}).items()},
            }
            points += [
                Point(key, float(value), epoch["time_ms"], epoch["epoch"])
                for key, value in values.items()
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path}:{number}: this is not a record of an epoch ({error}); train the run again"
            ) from error
    return points


def final_points(run: Mapping[str, Any], scores: Mapping[str, Any]) -> list[Point]:
    """Return the final numbers of a run, all at step 0, the headline first.

    They belong to no epoch, and MLflow draws metrics that only have step 0 as bars. It compares
    runs by the metric that was logged first. Scores are named {split}_{score}_{search}; those of
    the validation data end in `_best`, because the values of every epoch have the plain name.
    """
    values = {
        "best_epoch": run["best"]["epoch"],
        "epochs": run["epochs"],
        "parameters": run["parameters"],
        "wall_seconds": run["wall_seconds"],
    }
    for name, report in scores.items():
        split, search = name.split(".")
        for key, score in report["scores"].items():
            suffix = "_best" if split == "valid" else ""
            values[f"{split}_{_SCORE_NAMES[key]}_{search}{suffix}"] = score["value"]
    first = sorted(values, key=lambda key: key != HEADLINE)
    return [Point(key, float(values[key]), run["ended_ms"], step=0) for key in first]


def translations(folder: Path, config: RunConfig) -> str:
    """Return the first sentences of the test set with their translations by beam search.

    The table has the format that MLflow reads (JSON, pandas' orientation "split"): source and
    reference as published, the hypothesis detokenised.
    """
    source, target = config.data.corpus.source, config.data.corpus.target
    files = [raw_test_of(folder, source), raw_test_of(folder, target)]
    files += [folder / "hypotheses" / "test.beam.txt"]
    sources, references, hypotheses = texts = [read_lines(path) for path in files]
    if len({len(lines) for lines in texts}) > 1:
        raise UserError(
            f"{files[-1]} has {len(hypotheses):,} lines, but {files[0]} {len(sources):,} and "
            f"{files[1]} {len(references):,}; translate the test set again"
        )
    shown = detokenise(hypotheses[:SHOWN], target)
    rows = list(zip(sources, shown, references, strict=False))
    # MLflow's UI groups by the first column and compares the second.
    columns = ["source", "hypothesis", "reference"]
    return finite_json({"columns": columns, "data": rows})


def _model(config: RunConfig, folder: Path) -> dict[str, Path]:
    files = asdict(model_files(config, folder))
    return {name: path for name, path in files.items() if path is not None}


def _datasets(folder: Path, run: Mapping[str, Any]) -> list[Dataset]:
    encoded = encoded_of(folder)
    report = read_json(encoded / "report.json")["splits"]
    for split in ("train", "valid"):
        if run["data"][f"{split}.arrow"] != report[split]["sha256"]:
            raise UserError(
                f"{folder}: the run was not trained on the data that {encoded} holds now; "
                "train the run again"
            )
    return [
        Dataset(
            name=run["corpus"],
            split=split,
            digest=report[split]["sha256"],
            path=encoded / f"{split}.arrow",
            profile={key: report[split][key] for key in ("pairs", "tokens", "unknown_rate")},
        )
        for split in ("train", "valid", "test")
    ]
