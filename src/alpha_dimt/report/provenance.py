"""Where every number of the report is from."""

from dataclasses import dataclass
from pathlib import Path

from alpha_dimt.report.study import Study
from alpha_dimt.runs.paths import COLUMNS


@dataclass(frozen=True)
class Value:
    """A cell of a table that can be sorted."""

    shown: str
    sort: str


@dataclass(frozen=True)
class Source:
    """Where one number is from.

    Attributes:
        system: that it is of.
        seed: of the training.
        number: its name.
        value: it.
        file: that holds it.
        rule: of the workflow that made the file.
        code: version that trained the run.
        identity: sacreBLEU's signature, or the fingerprint of the run's configuration.
    """

    system: str
    seed: int
    number: str
    value: Value
    file: str
    rule: str
    code: str
    identity: str


def provenance(study: Study, page: Path) -> list[Source]:
    """Return where every number of a run is from; files as seen from the folder `page`."""
    sources = []
    for training in study.trainings:
        about, key = training.about, training.about["run_key"]
        numbers: list[tuple[str, float, str, str, str, str]] = []
        for column, name in COLUMNS.items():
            score = training.run.bleu[column]
            origin = (f"scores/{name}.json", "evaluate", score.signature)
            numbers.append((f"BLEU {name}", score.value, ".2f", *origin))
            numbers.append((f"BP {name}", score.brevity_penalty, ".3f", *origin))
        numbers.append(("wall seconds", about["wall_seconds"], ",.0f", "run.json", "train", key))
        epochs = len(training.epochs)
        numbers.append(("epochs of curves", epochs, "d", "metrics.jsonl", "train", key))
        sources += [
            Source(
                system=training.system,
                seed=training.seed,
                number=number,
                value=Value(format(value, form), str(value)),
                file=str(_seen(training.run.folder / file, page)),
                rule=rule,
                code=about["code_version"],
                identity=identity,
            )
            for number, value, form, file, rule, identity in numbers
        ]
    return sources


def _seen(path: Path, page: Path) -> Path:
    """Return a path as seen from the folder above that of the page, where it lies below it."""
    above = page.absolute().parent
    absolute = path.absolute()
    return absolute.relative_to(above) if absolute.is_relative_to(above) else path


def circumstances(study: Study) -> list[str]:
    """Return code, machines, libraries and data, each once."""
    lines: dict[str, None] = {}
    for training in study.trainings:
        about = training.about
        machine = about["machine"]
        libraries = ", ".join(f"{name} {version}" for name, version in about["libraries"].items())
        lines[
            f"alpha-dimt {about['code_version']} on {machine['processor']}, {machine['cores']} "
            f"cores, {machine['device']}, {machine['system']}; {about['precision']} products, "
            f"{about['threads']} threads a training; {libraries}."
        ] = None
    for training in study.trainings:
        for name, digest in training.about["data"].items():
            # Weights are of one run and candidates of one proposal; the corpus is of all.
            of_all = name in ("train.arrow", "valid.arrow")
            whose = "" if of_all else f" of {training.system} seed {training.seed}"
            lines[f"{name}{whose}: SHA-256 {digest}"] = None
    for column, name in COLUMNS.items():
        digest = study.trainings[0].run.references[column]
        lines[f"reference of {name}: SHA-256 {digest}"] = None
    return list(lines)
