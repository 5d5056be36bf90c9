"""Table 1 from the folders of finished runs, the published rows beside ours."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd

from alpha_dimt.evaluation.across_seeds import best_system
from alpha_dimt.results import run_frame, score_frame
from alpha_dimt.runs.paths import COLUMNS
from alpha_dimt.runs.read import TESTED, Run, beam_width, made_from_runs, read_runs
from alpha_dimt.tables.summary import (
    HEADERS,
    STATISTICS,
    bleu_by_run,
    by_system,
    mixed_devices,
    published_weights,
    summarise,
    texts_of,
)
from alpha_dimt.tables.table import Table, write_tables
from alpha_dimt.tables.wording import OURS, bleu_headers

FIELDS = [
    *("system", "source", "objective", "alpha", "tau", "n_seeds", "seeds"),
    *(f"{column}_{name}" for column in COLUMNS for name in STATISTICS),
    *("beam", "metric", "signature", "corpus"),
]


def write_table1(folders: Sequence[Path], *, out: Path) -> None:
    """Write Table 1 as {out}.csv, .json, .md, .tex and .html.

    Args:
        folders: of finished runs on one corpus, any number of seeds a system.
        out: path without suffix.

    Raises:
        UserError: a folder is not a finished, scored run, or the runs do not fit together.
    """
    runs = read_runs(folders)
    beam, published = beam_width(folders[0]), read_published()
    bleu = bleu_by_run(score_frame(runs))
    frame = run_frame(runs)
    ours = summarise(frame, bleu)
    first = runs[0]
    about = {"beam": beam, "metric": first.definition, "signature": first.signature}
    means = {column: f"{column}_mean" for column in COLUMNS}
    numbers = pd.concat([published.rename(columns=means), ours.assign(source=OURS, **about)])
    best = {column: best_system(by_system(bleu[column])) for column in TESTED}
    write_tables(
        out,
        [table1(published, ours, best, runs, beam, mixed_devices(frame))],
        numbers=numbers.reindex(columns=FIELDS),
        made_from=made_from_runs(runs),
    )


def read_published() -> pd.DataFrame:
    """Return the published rows as texts, as printed; empty where nothing was."""
    with (resources.files("alpha_dimt") / "published" / "table1.csv").open("rb") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)


def table1(
    published: pd.DataFrame,
    ours: pd.DataFrame,
    best: dict[str, str | None],
    runs: Sequence[Run],
    beam: int | None,
    mixed: str = "",
) -> Table:
    """Return the table for a person: two decimals; of several seeds mean, deviation, interval.

    Args:
        published: rows of `read_published`.
        ours: one row a system.
        best: the system that is significantly best, by column.
        runs: the runs, for what they have in common.
        beam: width.
        mixed: see `mixed_devices`.
    """
    first, several = runs[0], bool((ours["n_seeds"] > 1).any())
    texts = texts_of(ours, dict.fromkeys(COLUMNS, ".2f"), intervals=several)
    rows = pd.concat([published.set_index("source"), texts])[list(texts.columns)].fillna("")
    bold = np.zeros(rows.shape, bool)
    for column, system in best.items():
        bold[len(published) :, rows.columns.get_loc(column)] = ours["system"] == system
    corpus = first.config.data.corpus
    caption = (
        f"BLEU on {corpus.name} ({corpus.source}-{corpus.target}, "
        f"{first.sizes['valid.greedy']:,} dev and {first.sizes['test.greedy']:,} test sentences) "
        f"of {published_weights(runs)}. "
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
    headers = HEADERS | bleu_headers(beam)
    return Table(
        title="Table 1",
        label="table1",
        caption=caption,
        grouped_by="Source",
        rows=rows.set_axis(
            [headers.get(name, "95 % interval") for name in map(str, rows)], axis="columns"
        ),
        bold=bold,
        note=f"{note(corpus.kind, corpus.name, first.definition)} {mixed}".strip(),
    )


def note(kind: str, name: str, definition: str) -> str:
    """Return what a reader must know before comparing our rows with the published ones."""
    published = "The published rows are on IWSLT'14 de-en, with a beam of 10 and as printed"
    if kind != "iwslt14":
        return f"{published}; ours are on {name}: the two must not be compared."
    if definition != "multi-bleu, tokenised lower-cased":
        return f"{published}; ours are {definition}: the two must not be compared."
    return f"{published}, one run each as far as known."
