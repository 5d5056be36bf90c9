"""Table 1 from the folders of finished runs, the published rows beside ours."""

import csv
import io
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from alpha_dimt.evaluation.across_seeds import best_system, interval
from alpha_dimt.runs.paths import COLUMNS
from alpha_dimt.runs.read import (
    TESTED,
    Run,
    beam_width,
    flat,
    group,
    made_from_runs,
    read_run,
    scores_by_seed,
    settings,
)
from alpha_dimt.tables.table import Cell, Row, Table, cells, write_tables

OURS = "this run"


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
    write_tables(
        out,
        [table],
        csv=csv_text(systems, published, beam),
        made_from=made_from_runs(flat(systems)),
    )


def read_published() -> list[dict[str, str]]:
    """Return the published rows, the figures as printed."""
    text = (resources.files("alpha_dimt") / "published" / "table1.csv").read_text("utf-8")
    return list(csv.DictReader(io.StringIO(text)))


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


def formatted_interval(ends: tuple[float, float] | None, sign: str = "", digits: int = 2) -> str:
    """Return "low to high", with `sign` "+" also where it is positive."""
    return "" if ends is None else " to ".join(f"{end:{sign}.{digits}f}" for end in ends)


def note(kind: str, name: str, definition: str) -> str:
    """Return what a reader must know before comparing our rows with the published ones."""
    published = "The published rows are on IWSLT'14 de-en, with a beam of 10 and as printed"
    if kind != "iwslt14":
        return f"{published}; ours are on {name}: the two must not be compared."
    if definition != "multi-bleu, tokenised lower-cased":
        return f"{published}; ours are {definition}: the two must not be compared."
    return f"{published}, one run each as far as known."
