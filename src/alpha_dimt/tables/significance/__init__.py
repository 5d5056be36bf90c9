"""Every pair of systems compared: tests within each seed and across seeds."""

from collections.abc import Sequence
from pathlib import Path

from alpha_dimt.runs.read import TESTED, beam_width, flat, group, made_from_runs, read_run
from alpha_dimt.tables.significance.columns import WANTED, compare_column, compare_likelihood
from alpha_dimt.tables.significance.pooled import pooled_table, scatter_table
from alpha_dimt.tables.significance.rows import csv_text
from alpha_dimt.tables.significance.tables import across_table, within_table
from alpha_dimt.tables.significance.text import formatted_p, sensitivity_text
from alpha_dimt.tables.table import write_tables
from alpha_dimt.tables.table1 import beam_header

__all__ = ["WANTED", "formatted_p", "sensitivity_text", "write_significance"]


def write_significance(runs: Sequence[Path], *, reference: Path, out: Path) -> None:
    """Write {out}.csv, .json, .md, .tex and .html: every pair of systems, within and across seeds.

    Args:
        runs: folders of finished runs on one corpus, any number of seeds a system.
        reference: the tokenised test set, target side.
        out: path without suffix.

    Raises:
        UserError: a folder is not a finished, scored run, the runs do not fit together, or the
            hypotheses or the reference are not those that were scored.
    """
    systems = group([read_run(folder) for folder in runs])
    beam = beam_header(beam_width(runs[0]))
    bleu = [
        compare_column(systems, column, reference, header)
        for column, header in zip(TESTED, ("Test (greedy)", beam), strict=True)
    ]
    columns = [*bleu, compare_likelihood(systems)]
    about = systems[0][0]
    tables = [
        across_table(columns, about),
        pooled_table(columns, about),
        scatter_table(columns, about),
        within_table(bleu, about),
    ]
    made_from = made_from_runs(flat(systems))
    write_tables(out, tables, csv=csv_text(columns, about), made_from=made_from)
