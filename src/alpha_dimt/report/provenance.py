"""Where every number of the report is from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from alpha_dimt.report.links import address
from alpha_dimt.report.study import Study
from alpha_dimt.runs.read import BLEU
from alpha_dimt.tables.summary import RUN
from alpha_dimt.tables.table import MISSING


@dataclass(frozen=True)
class Value:
    """A cell of a table that can be sorted."""

    shown: str
    sort: str

    @classmethod
    def of(cls, value: Any, form: str) -> Self:
        """Return a text or a number by a format; a dash where it is missing (NaN)."""
        return cls(MISSING, "") if value != value else cls(format(value, form), str(value))


@dataclass(frozen=True)
class Source:
    """Where one number is from.

    Attributes:
        system: that it is of.
        seed: of the training.
        number: its name.
        value: it.
        file: that holds it.
        link: the address of the file, as seen from the page.
        rule: of the workflow that made the file.
        code: version that trained the run.
        identity: sacreBLEU's signature, or the fingerprint of the run's configuration.
    """

    system: str
    seed: int
    number: str
    value: Value
    file: str
    link: str
    rule: str
    code: str
    identity: str


def provenance(study: Study, page: Path) -> list[Source]:
    """Return where every number of a run is from; `page` is the folder of the page."""
    sources = []
    epochs = study.frames.epochs.groupby(RUN, observed=True).size()
    for run in study.runs:
        about, key = run.about, run.about["run_key"]
        numbers: list[tuple[str, float, str, str, str, str]] = []
        for score in run.scores:
            if score["metric"] == BLEU:
                name = f"{score['split']}.{score['search']}"
                origin = (f"scores/{name}.json", "evaluate", score["signature"])
                numbers.append((f"BLEU {name}", score["value"], ".2f", *origin))
                numbers.append((f"BP {name}", score["brevity_penalty"], ".3f", *origin))
        numbers.append(("wall seconds", about["wall_seconds"], ",.0f", "run.json", "train", key))
        count = epochs[run.config.system, run.config.seed]
        numbers.append(("epochs of curves", count, "d", "metrics.jsonl", "train", key))
        sources += [
            Source(
                system=run.config.system,
                seed=run.config.seed,
                number=number,
                value=Value.of(value, form),
                file=str(_seen(run.folder / file, page)),
                link=address(run.folder / file, page),
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
    for run in study.runs:
        about = run.about
        machine = about["machine"]
        device = machine.get("gpu", machine["device"])
        libraries = ", ".join(f"{name} {version}" for name, version in about["libraries"].items())
        lines[
            f"alpha-dimt {about['code_version']} on {machine['processor']}, {machine['cores']} "
            f"cores, {device}, {machine['system']}; {about['precision']} products, "
            f"{about['threads']} threads a training; {libraries}."
        ] = None
    for run in study.runs:
        for name, digest in run.about["data"].items():
            # Weights are of one run and candidates of one proposal; the corpus is of all.
            of_all = name in ("train.arrow", "valid.arrow")
            whose = "" if of_all else f" of {run.config.system} seed {run.config.seed}"
            lines[f"{name}{whose}: SHA-256 {digest}"] = None
    for name, digest in study.runs[0].references.items():
        lines[f"reference of {name}: SHA-256 {digest}"] = None
    return list(lines)
