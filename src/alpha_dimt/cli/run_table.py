"""Runs of an experiment as lines of a table: `alpha-dimt config` and `alpha-dimt watch`."""

from collections.abc import Sequence
from datetime import timedelta

from alpha_dimt.runs.overview import Progress

HEADERS = ("run", "state", "epoch", "dev BLEU", "best", "tokens/s", "left, at most", "test BLEU")


def run_table(runs: Sequence[Progress]) -> list[str]:
    """Return a line of headers and one line a run, in columns."""
    rows = [HEADERS, *map(_row, runs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADERS))]
    return ["  ".join(map(_padded, row, widths)).rstrip() for row in rows]


def _row(run: Progress) -> tuple[str, ...]:
    ended = run.state in ("trained", "scored")
    epoch = str(run.epochs) if ended else f"{run.epochs} of {run.most}"
    return (
        run.name,
        run.state if run.since is None else f"{run.state}, epoch {run.epochs + 1}",
        "" if run.state == "waiting" else epoch,
        "" if run.dev is None else f"{run.dev:.2f}",
        "" if run.best is None else f"{run.best:.2f}",
        "" if run.rate is None else f"{run.rate:,.0f}",
        "" if run.left is None else str(timedelta(seconds=round(run.left))),
        "" if run.test is None else f"{run.test:.2f}",
    )


def _padded(cell: str, width: int) -> str:
    """Return a cell in its column: numbers to the right, words to the left."""
    return cell.rjust(width) if cell[:1].isdigit() else cell.ljust(width)
