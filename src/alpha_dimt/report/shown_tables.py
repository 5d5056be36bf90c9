"""Tables of other commands, laid out for the page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import numpy.typing as npt

from alpha_dimt.tables.summary import HEADERS
from alpha_dimt.tables.table import MISSING, Table
from alpha_dimt.tables.wording import OURS

INTERVAL = "95 % interval"
ASIDE = [HEADERS[name] for name in ("alpha", "tau", "seeds")]
"""What a phone shows last: a score counts more."""


@dataclass(frozen=True)
class Cell:
    """A cell of Table 1.

    Attributes:
        text: of its first line.
        below: its interval; empty: none.
        bold: whether it is bold.
    """

    text: str
    below: str = ""
    bold: bool = False


@dataclass(frozen=True)
class Laid:
    """A table whose intervals stand below their means.

    Attributes:
        headers: C of them.
        groups: the name of each, and its rows of C cells.
    """

    headers: list[Cell]
    groups: list[tuple[str, list[list[Cell]]]]


def own_rows(table: Table) -> npt.NDArray[np.bool_]:
    """Return which rows of Table 1 are of own runs."""
    return np.asarray(table.rows.index.str.startswith(f"{OURS} ("), bool)


def chosen(table: Table, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Table:
    """Return some rows of a table, by a mask or by their places in a new order."""
    return replace(table, rows=table.rows.iloc[rows], bold=table.strong[rows])


def own_first(table: Table) -> Table:
    """Return Table 1 with the rows of own runs before the published ones."""
    return chosen(table, np.argsort(~own_rows(table), kind="stable"))


def laid_out(table: Table) -> Laid:
    """Return Table 1 with intervals below their means and without columns that say nothing.

    The system comes first, then its scores, then what else is known of it.
    """
    headers = list(table.rows.columns)
    texts, bold = table.rows.to_numpy(), table.strong
    said = [bool("".join(column)) for column in texts.T]
    columns = [
        (place, place + 1 if headers[place + 1 : place + 2] == [INTERVAL] else None)
        for place, header in enumerate(headers)
        if header != INTERVAL and said[place]
    ]
    columns.sort(key=lambda column: headers[column[0]] in ASIDE)

    def row(values: Sequence[str], strong: Sequence[bool]) -> list[Cell]:
        return [
            Cell(
                values[place] or MISSING,
                values[below] if below is not None and said[below] else "",
                bool(strong[place]),
            )
            for place, below in columns
        ]

    rows = [(name, row(*one)) for name, *one in zip(table.rows.index, texts, bold, strict=True)]
    return Laid(
        headers=row(headers, [False] * len(headers)),
        groups=[
            (name, [cells for _, cells in members])
            for name, members in groupby(rows, key=lambda one: one[0])
        ],
    )


def unbroken(table: Table) -> Table:
    """Return a table whose deviations stay with their signs where a line breaks."""
    return replace(
        table,
        rows=table.rows.map(lambda text: text.replace("± ", "±\N{NO-BREAK SPACE}")),
    )
