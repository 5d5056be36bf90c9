"""Tables for people as Markdown, LaTeX and HTML, and as JSON that can be read back.

LaTeX and HTML are pandas' Styler's. What it has no words for is added here: names of groups between
the rows, headers that screen readers can follow, captions, notes and bold cells. Markdown is
written here: pandas needs the package tabulate for it, which would pad every cell.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.io.formats.style import Styler

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import finite_json, read_json, write_text

MISSING = "–"

MadeFrom = Sequence[tuple[str, str]]
"""Names of runs and their identities, in order."""


@dataclass(frozen=True)
class Table:
    """A table for people.

    Attributes:
        title: such as "Table 1".
        label: for references in LaTeX.
        caption: what is measured, on what and how.
        grouped_by: what the groups are.
        rows: texts, empty where there is nothing to say; the index names the group of each row, the
            first column the row. Headers may repeat.
        note: what must be known before rows are compared.
        bold: which cells are bold, of the shape of `rows`; None: none.
    """

    title: str
    label: str
    caption: str
    grouped_by: str
    rows: pd.DataFrame
    note: str
    bold: npt.NDArray[np.bool_] | None = None

    @property
    def strong(self) -> npt.NDArray[np.bool_]:
        """Which cells are bold."""
        return np.zeros(self.rows.shape, bool) if self.bold is None else self.bold

    def marked(self, escaped: Callable[[str], str], strong: str) -> pd.DataFrame:
        """Return the rows in a markup language.

        Args:
            escaped: turns text into it.
            strong: what a bold cell is put into, with {} for the text.
        """
        texts = self.rows.map(lambda text: escaped(text or MISSING))
        marked = np.where(self.strong, texts.map(strong.format), texts)
        return pd.DataFrame(marked, columns=[escaped(header) for header in self.rows.columns])

    def groups(self) -> dict[int, str]:
        """Return the groups by the place of their first row."""
        names = list(self.rows.index)
        return {i: name for i, name in enumerate(names) if i == 0 or name != names[i - 1]}


# ------------------------------------------------------------------------------------- JSON


def write_tables(
    out: Path, tables: Sequence[Table], *, numbers: pd.DataFrame, made_from: MadeFrom
) -> None:
    """Write {out}.csv, .json, .md, .tex and .html.

    Args:
        out: path without suffix.
        tables: one or several, all of them in every file but the CSV.
        numbers: what is behind them, in full precision.
        made_from: what they are made from, see `runs.made_from_runs`.
    """
    texts = {
        "csv": numbers.to_csv(index=False, lineterminator="\n"),
        "json": to_json(tables, made_from),
        "md": "\n".join(map(markdown, tables)),
        "tex": "\n".join(map(latex, tables)),
        "html": html(", ".join(table.title for table in tables), tables),
    }
    for suffix, text in texts.items():
        write_text(out.with_name(f"{out.name}.{suffix}"), text)


def to_json(tables: Sequence[Table], made_from: MadeFrom) -> str:
    """Return tables as they are laid out, for other pages that show them."""
    document = {"made_from": made_from, "tables": [_plain(table) for table in tables]}
    return finite_json(document, indent=1) + "\n"


def _plain(table: Table) -> dict[str, Any]:
    rows = [
        {
            "group": group,
            "cells": [{"text": text, "bold": bold} for text, bold in zip(*row, strict=True)],
        }
        for group, *row in zip(
            table.rows.index, table.rows.to_numpy().tolist(), table.strong.tolist(), strict=True
        )
    ]
    texts = {name: getattr(table, name) for name in ("title", "label", "caption", "grouped_by")}
    return texts | {"headers": list(table.rows.columns), "rows": rows, "note": table.note}


def read_tables(path: Path, made_from: MadeFrom | None = None) -> list[Table]:
    """Read what `to_json` wrote.

    Args:
        path: the file.
        made_from: what the tables must be made from, in any order; None: anything.

    Raises:
        UserError: there is no such file, it is something else, or it is made from other runs.
    """
    if made_from is not None and not is_made_from(path, made_from):
        raise UserError(
            f"{path}: this table was made from other runs or other scores than those given; "
            "make it again from these"
        )
    plain = read_json(path)
    with _errors_of(path):
        return [_table(**table) for table in plain["tables"]]


def is_made_from(path: Path, made_from: MadeFrom) -> bool:
    """Return whether what `to_json` wrote is made from these runs, in any order.

    Raises:
        UserError: there is no such file, or it is something else.
    """
    plain = read_json(path)
    with _errors_of(path):
        return sorted(plain["made_from"]) == sorted(map(list, made_from))


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    try:
        yield
    except (TypeError, KeyError, ValueError) as error:
        raise UserError(
            f"{path}: this is not a table of `alpha-dimt` ({error}); make it again"
        ) from error


def _table(*, headers: list[str], rows: list[dict[str, Any]], **texts: str) -> Table:
    cells = [row["cells"] for row in rows]
    bold = np.array([[cell["bold"] for cell in row] for row in cells], bool)
    return Table(
        rows=pd.DataFrame(
            [[cell["text"] for cell in row] for row in cells],
            index=pd.Index([row["group"] for row in rows], dtype=object),
            columns=headers,
        ),
        bold=bold.reshape(len(rows), len(headers)),
        **texts,
    )


# --------------------------------------------------------------------------------- Markdown


def markdown(table: Table) -> str:
    """Return a Markdown table with its caption and note."""
    headers = [table.grouped_by, *table.rows.columns]
    rows = table.marked(lambda text: text.replace("|", r"\|"), "**{}**")
    rows.insert(0, "", table.rows.index.str.replace("|", r"\|"), allow_duplicates=True)
    alignment = ["---"] * 2 + ["---:"] * (len(headers) - 2)
    lines = [f"| {' | '.join(row)} |" for row in (headers, alignment, *rows.to_numpy())]
    return "\n".join([f"{table.title}. {table.caption}", "", *lines, "", table.note, ""])


# ------------------------------------------------------------------------------------ LaTeX

_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "|": r"\textbar{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "±": r"$\pm$",
        "−": r"$-$",
        "α": r"$\alpha$",
        "τ": r"$\tau$",
        "–": "--",
    }
)


def latex(table: Table) -> str:
    """Return a LaTeX table environment; the document needs the package booktabs."""

    def escaped(text: str) -> str:
        return text.translate(_LATEX)

    width = len(table.rows.columns)
    styler = table.marked(escaped, r"\textbf{{{}}}").style.hide(axis="index")
    text = styler.to_latex(
        caption=escaped(table.caption),
        label=f"tab:{table.label}",
        column_format="l" + "r" * (width - 1),
        position_float="centering",
        hrules=True,
    )
    head, rest = text.split("\\midrule\n")
    body, foot = rest.split("\\bottomrule\n")
    lines = body.splitlines()
    for first, group in table.groups().items():
        name = rf"\multicolumn{{{width}}}{{l}}{{\emph{{{escaped(group)}}}}} \\"
        lines[first] = "\n".join([r"\midrule", name, lines[first]])
    note = f"\n\\smallskip {escaped(table.note)}\n\\end{{table}}"
    return (
        "% needs \\usepackage{booktabs}; include with \\input\n"
        + "\n".join([head.rstrip("\n"), *lines, "\\bottomrule\n"])
        + foot.replace(r"\end{table}", note)
    )


# ------------------------------------------------------------------------------------- HTML

_STYLE = """
  :root { color-scheme: light dark; }
  body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; }
  body { padding: 0 1rem; }
  .scroll { overflow-x: auto; }
  table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
  caption { text-align: left; margin-bottom: 1rem; }
  th, td { padding: .3rem .6rem; text-align: right; white-space: nowrap; }
  th[scope=row], th[scope=rowgroup], thead th:first-child { text-align: left; font-weight: normal; }
  thead th { border-bottom: 2px solid; }
  th[scope=rowgroup] { font-style: italic; border-top: 1px solid; padding-top: .8rem; }
"""


def html(title: str, tables: Sequence[Table]) -> str:
    """Return a self-contained page; colours follow the reader's light or dark setting."""
    sections = "\n".join(map(section, tables))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
{sections}
</main>
</body>
</html>
"""


def section(table: Table) -> str:
    """Return a table with its caption and note as a part of a page."""
    accessible = Styler.from_custom_template(str(Path(__file__).parent), html_table="table.tpl")
    styler = accessible(table.marked(escape, "<strong>{}</strong>")).hide(axis="index")
    text = styler.to_html(
        caption=escape(table.caption),
        exclude_styles=True,
        width=len(table.rows.columns),
        groups={first: escape(group) for first, group in table.groups().items()},
    )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "\n".join(
        [
            f'<div class="scroll" role="region" aria-label="{escape(table.title)}" tabindex="0">',
            *lines,
            "</div>",
            f"<p>{escape(table.note)}</p>",
        ]
    )
