"""Table 1 from the folders of finished runs, the published rows beside ours."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from alpha_dimt.config import Interpolated, RunConfig, parse
from alpha_dimt.errors import UserError
from alpha_dimt.evaluation.seeds import Scores, best_system, interval
from alpha_dimt.files import read_json, write_text
from alpha_dimt.layout import beam_config_of
from alpha_dimt.table_formats import Cell, Row, Table, cells, html, latex, markdown, to_json

# The columns of scores, and where a run keeps them.
COLUMNS = {"dev_greedy": "valid.greedy", "test_greedy": "test.greedy", "test_beam": "test.beam"}
# The columns that systems are compared in. Dev chose the checkpoint, so it is no evidence.
TESTED = ("test_greedy", "test_beam")
OURS = "this run"


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
    """

    folder: Path
    config: RunConfig
    bleu: dict[str, Bleu]
    sizes: tuple[int, int]
    references: dict[str, str]

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


def write_table1(runs: Sequence[Path], *, out: Path) -> None:
    """Write Table 1 as {out}.csv, .json, .md, .tex and .html.

    Args:
        runs: folders of finished runs on one corpus, any number of seeds a system.
        out: path without suffix.

    Raises:
        UserError: a folder is not a finished, scored run, or the runs do not fit together.
    """
    systems = group([read_run(folder) for folder in runs])
    beam = beam_width(runs[0])
    published = read_published()
    table = layout(systems, published, beam)
    texts = {
        "csv": csv_text(systems, published, beam),
        "json": to_json([table]),
        "md": markdown(table),
        "tex": latex(table),
        "html": html(table.title, [table]),
    }
    write_formats(texts, out)


def write_formats(texts: Mapping[str, str], out: Path) -> None:
    """Write {out}.{suffix} for each suffix."""
    for suffix, text in texts.items():
        write_text(out.with_name(f"{out.name}.{suffix}"), text)


# ------------------------------------------------------------------------------------- read


def read_run(folder: Path) -> Run:
    """Read a finished run.

    Raises:
        UserError: a file is missing, or run.json belongs to another configuration.
    """
    path = folder / "config.json"
    config = parse(RunConfig, read_json(path), str(path))
    run = read_json(folder / "run.json")
    if not isinstance(run, dict) or run.get("run_key") != config.fingerprint():
        raise UserError(f"{folder}: run.json is of another configuration; train the run anew")
    reports = {
        column: read_json(folder / "scores" / f"{name}.json") for column, name in COLUMNS.items()
    }
    try:
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
        )
    except KeyError as error:
        raise UserError(
            f"{folder}/scores: the key {error} is missing; score the run anew"
        ) from None
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{folder}/scores: this is not what `alpha-dimt evaluate` writes ({error}); "
            "score the run anew"
        ) from error


def _bleu(score: Mapping[str, Any]) -> Bleu:
    numbers = ("value", "brevity_penalty", "ratio")
    return Bleu(
        **{name: float(score[name]) for name in numbers},
        definition=score["definition"],
        signature=score["signature"],
    )


def read_published() -> list[dict[str, str]]:
    """Return the published rows, the figures as printed."""
    text = (resources.files("alpha_dimt") / "published" / "table1.csv").read_text("utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def beam_width(run: Path) -> int | None:
    """Return the beam width from decoding/beam.json beside runs/; None where there is none."""
    path = beam_config_of(run)
    return int(read_json(path)["beam"]) if path.exists() else None


# ------------------------------------------------------------------------------------ group


def group(runs: Sequence[Run]) -> list[list[Run]]:
    """Return the runs of each system, systems in the order given, each by seed.

    Raises:
        UserError: two runs are of different corpora, or scored against different references or by
            different definitions, or are one system with different settings, or have one seed.
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


def scores_by_seed(systems: Sequence[Sequence[Run]], column: str) -> Scores:
    """Return the scores of one column by system and seed."""
    return {
        runs[0].config.system: {run.config.seed: run.scores[column] for run in runs}
        for runs in systems
    }


def spread(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and, of several values, the sample standard deviation."""
    return mean(values), stdev(values) if len(values) > 1 else None


# ----------------------------------------------------------------------------------- layout


def csv_text(
    systems: Sequence[Sequence[Run]], published: Sequence[dict[str, str]], beam: int | None
) -> str:
    """Return the table for a program: full precision, one system a row."""
    fields = ["system", "source", "objective", "alpha", "tau", "n_seeds", "seeds"]
    fields += [f"{column}_{part}" for column in COLUMNS for part in ("mean", "sd", "low", "high")]
    fields += ["beam", "metric", "signature", "corpus"]
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in published:
        writer.writerow({**row, **{f"{column}_mean": row[column] for column in COLUMNS}})
    for runs in systems:
        first = runs[0]
        values: dict[str, Any] = {
            "system": first.config.system,
            "source": OURS,
            **settings(first.config),
            "n_seeds": len(runs),
            "seeds": " ".join(str(run.config.seed) for run in runs),
            "beam": beam,
            "metric": first.definition,
            "signature": first.signature,
            "corpus": first.config.data.corpus.name,
        }
        for column in COLUMNS:
            scores = [run.scores[column] for run in runs]
            values[f"{column}_mean"], values[f"{column}_sd"] = spread(scores)
            values[f"{column}_low"], values[f"{column}_high"] = interval(scores) or ("", "")
        writer.writerow(values)
    return text.getvalue()


def settings(config: RunConfig) -> dict[str, str]:
    """Return objective, alpha and tau in words, empty where there are none; alpha of RAML is 0."""
    objective = config.objective
    weighted = objective.other if isinstance(objective, Interpolated) else objective
    alpha = 0 if weighted.objective == "raml" else getattr(weighted, "alpha", "")
    tau = getattr(weighted, "tau", "")
    return {"objective": objective.objective, "alpha": _moving(alpha), "tau": _moving(tau)}


def _moving(value: Any) -> str:
    """Return a constant as it is, and a schedule by its two ends."""
    return f"{value.start:g} to {value.end:g}" if hasattr(value, "start") else str(value)


def layout(
    systems: Sequence[Sequence[Run]], published: Sequence[dict[str, str]], beam: int | None
) -> Table:
    """Return the table for a person: two decimals; of several seeds mean, deviation, interval."""
    first = systems[0][0]
    corpus = first.config.data.corpus
    several = any(len(runs) > 1 for runs in systems)
    best = {column: best_system(scores_by_seed(systems, column)) for column in TESTED}
    rows = []
    for row in published:
        texts = [row["system"], row["alpha"], row["tau"], ""]
        for column in COLUMNS:
            texts += [row[column], ""] if several else [row[column]]
        rows.append(Row(row["source"], cells(*texts)))
    for runs in systems:
        system, values = runs[0].config.system, settings(runs[0].config)
        seeds = ", ".join(str(run.config.seed) for run in runs)
        ours = list(cells(system, values["alpha"], values["tau"], seeds))
        for column in COLUMNS:
            scores_of_runs = [run.scores[column] for run in runs]
            ours.append(Cell(formatted(scores_of_runs), bold=best.get(column) == system))
            if several:
                ours.append(Cell(formatted_interval(interval(scores_of_runs))))
        rows.append(Row(f"{OURS} ({corpus.name})", tuple(ours)))
    dev, test = first.sizes
    caption = (
        f"BLEU on {corpus.name} ({corpus.source}-{corpus.target}, {dev:,} dev and "
        f"{test:,} test sentences) of the checkpoint with the best greedy dev BLEU. "
        f"Metric: {first.definition} (sacreBLEU {first.signature})."
    )
    if several:
        caption += (
            " Of several seeds: mean ± sample standard deviation, and the 95 % interval of the "
            "mean by Student's t. Bold, on test: better than every other system here over the "
            "seeds (paired t tests, Holm-corrected, 5 %)."
        )
        if not any(best.values()):
            caption += " No system is."
    headers = []
    for header in ("Dev (greedy)", "Test (greedy)", beam_header(beam)):
        headers += [header, "95 % interval"] if several else [header]
    return Table(
        title="Table 1",
        label="table1",
        caption=caption,
        grouped_by="Source",
        headers=("System", "α", "τ", "Seeds", *headers),
        rows=rows,
        note=note(corpus.kind, corpus.name, first.definition),
    )


def beam_header(beam: int | None) -> str:
    """Return the header of the scores of beam search."""
    return f"Test (beam {beam})" if beam else "Test (beam)"


def formatted(values: Sequence[float]) -> str:
    """Return mean and deviation with two decimals; no deviation of one value."""
    average, deviation = spread(values)
    return f"{average:.2f}" if deviation is None else f"{average:.2f} ± {deviation:.2f}"


def formatted_interval(ends: tuple[float, float] | None, sign: str = "") -> str:
    """Return "low to high" with two decimals, with `sign` "+" also where it is positive."""
    return "" if ends is None else " to ".join(f"{end:{sign}.2f}" for end in ends)


def note(kind: str, name: str, definition: str) -> str:
    """Return what a reader must know before comparing our rows with the published ones."""
    published = "The published rows are on IWSLT'14 de-en, with a beam of 10 and as printed"
    if kind != "iwslt14":
        return f"{published}; ours are on {name}: the two must not be compared."
    if definition != "multi-bleu, tokenised lower-cased":
        return f"{published}; ours are {definition}: the two must not be compared."
    return f"{published}, one run each as far as known."
