"""Every pair of systems compared: tests within each seed and across seeds."""

from collections.abc import Sequence
from pathlib import Path

from alpha_dimt.results import run_frame
from alpha_dimt.runs.read import TESTED, beam_width, made_from_runs, read_runs
from alpha_dimt.tables.significance.comparisons import (
    compare_bleu,
    compare_likelihood,
    tests_frame,
)
from alpha_dimt.tables.significance.pooled import pooled_table, scatter_table
from alpha_dimt.tables.significance.tables import across_table, within_table
from alpha_dimt.tables.summary import mixed_devices
from alpha_dimt.tables.table import write_tables
from alpha_dimt.tables.wording import bleu_headers


def write_significance(folders: Sequence[Path], *, reference: Path, out: Path) -> None:
    """Write {out}.csv, .json, .md, .tex and .html: every pair of systems, within and across seeds.

    Args:
        folders: of finished runs on one corpus, any number of seeds a system.
        reference: the tokenised test set, target side.
        out: path without suffix.

    Raises:
        UserError: a folder is not a finished, scored run, the runs do not fit together, or the
            hypotheses or the reference are not those that were scored.
    """
    runs = read_runs(folders)
    headers = bleu_headers(beam_width(folders[0]))
    bleu = [compare_bleu(runs, column, reference, headers[column]) for column in TESTED]
    columns = [*bleu, compare_likelihood(runs)]
    tests = tests_frame(columns, runs[0])
    tables = [
        across_table(tests, columns, runs[0], mixed_devices(run_frame(runs))),
        pooled_table(tests, columns, runs[0]),
        scatter_table(columns, runs[0]),
        within_table(tests, columns, runs[0]),
    ]
    write_tables(out, tables, numbers=tests, made_from=made_from_runs(runs))
