"""Tables as Markdown, LaTeX and HTML, and as JSON that can be read back."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from html import escape
from itertools import groupby
from pathlib import Path

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import finite_json, read_json, write_text

MISSING = "–"

MadeFrom = Sequence[tuple[str, str]]
"""Names of runs and their identities, in order."""


@dataclass(frozen=True)
class Cell:
    """What stands in a table: text, empty where there is nothing to say, and whether it is bold."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        group: rows of one group stand together under its name.
        cells: the first one names the row.
    """

    group: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: such as "Table 1".
        label: for references in LaTeX.
        caption: what is measured, on what and how.
        grouped_by: what the groups are.
        headers: of the columns.
        rows: in their order.
        note: what must be known before rows are compared.
    """

    title: str
    label: str
    caption: str
    grouped_by: str
    headers: tuple[str, ...]
    rows: list[Row]
    note: str

    def groups(self) -> Iterable[tuple[str, list[Row]]]:
        """Yield the rows of each group."""
        for group, rows in groupby(self.rows, key=lambda row: row.group):
            yield group, list(rows)


def cells(*texts: str) -> tuple[Cell, ...]:
    """Return cells of plain text."""
    return tuple(Cell(text) for text in texts)


# ------------------------------------------------------------------------------------- JSON


def write_tables(out: Path, tables: Sequence[Table], *, csv: str, made_from: MadeFrom) -> None:
    """Write {out}.csv, .json, .md, .tex and .html.

    Args:
        out: path without suffix.
        tables: one or several, all of them in every file.
        csv: the numbers behind them, in full precision.
        made_from: what they are made from, see `runs.made_from_runs`.
    """
    texts = {
        "csv": csv,
        "json": to_json(tables, made_from),
        "md": "\n".join(map(markdown, tables)),
        "tex": "\n".join(map(latex, tables)),
        "html": html(", ".join(table.title for table in tables), tables),
    }
    for suffix, text in texts.items():
        write_text(out.with_name(f"{out.name}.{suffix}"), text)


def to_json(tables: Sequence[Table], made_from: MadeFrom) -> str:
    """Return tables as they are laid out, for other pages that show them."""
    document = {"made_from": made_from, "tables": [asdict(table) for table in tables]}
    return finite_json(document, indent=1) + "\n"


def read_tables(path: Path, made_from: MadeFrom | None = None) -> list[Table]:
    """Read what `to_json` wrote.

    Args:
        path: the file.
        made_from: what the tables must be made from, in any order; None: anything.

    Raises:
        UserError: there is no such file, it is something else, or it is made from other runs.
    """
    plain = read_json(path)
    try:
        if made_from is not None and sorted(plain["made_from"]) != sorted(map(list, made_from)):
            raise UserError(
                f"{path}: this table was made from other runs or other scores than those given; "
                "make it again from these"
            )
        return [
            Table(
                **table
                | {
                    "headers": tuple(table["headers"]),
                    "rows": [
                        Row(row["group"], tuple(Cell(**cell) for cell in row["cells"]))
                        for row in table["rows"]
                    ],
                }
            )
            for table in plain["tables"]
        ]
    except (TypeError, KeyError) as error:
        raise UserError(
            f"{path}: this is no table of `alpha-dimt` ({error}); make it anew"
        ) from error


# --------------------------------------------------------------------------------- Markdown


def markdown(table: Table) -> str:
    """Return a Markdown table with its caption and note."""
    headers = [table.grouped_by, *table.headers]
    alignment = ["---"] * 2 + ["---:"] * (len(headers) - 2)
    lines = [f"{table.title}. {table.caption}", "", _pipes(headers), _pipes(alignment)]
    lines += [_pipes(map(_markdown_cell, (Cell(row.group), *row.cells))) for row in table.rows]
    return "\n".join([*lines, "", table.note, ""])


def _pipes(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _markdown_cell(cell: Cell) -> str:
    text = cell.text.replace("|", r"\|") or MISSING
    return f"**{text}**" if cell.bold else text


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
    width = len(table.headers)
    lines = [
        "% needs \\usepackage{booktabs}; include with \\input",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{table.caption.translate(_LATEX)}}}",
        rf"\label{{tab:{table.label}}}",
        rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}",
        r"\toprule",
        _ampersands(cells(*table.headers)),
    ]
    for group, rows in table.groups():
        lines += [
            r"\midrule",
            rf"\multicolumn{{{width}}}{{l}}{{\emph{{{group.translate(_LATEX)}}}}} \\",
        ]
        lines += [_ampersands(row.cells) for row in rows]
    lines += [
        r"\bottomrule",
        r"\end{tabular}",
        "",
        rf"\smallskip {table.note.translate(_LATEX)}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _ampersands(row: Iterable[Cell]) -> str:
    return " & ".join(map(_latex_cell, row)) + r" \\"


def _latex_cell(cell: Cell) -> str:
    text = (cell.text or MISSING).translate(_LATEX)
    return rf"\textbf{{{text}}}" if cell.bold else text


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
    head = "".join(f'<th scope="col">{escape(header)}</th>' for header in table.headers)
    bodies = "\n".join(_body(group, rows, len(table.headers)) for group, rows in table.groups())
    return f"""<div class="scroll" role="region" aria-label="{escape(table.title)}" tabindex="0">
<table>
<caption>{escape(table.caption)}</caption>
<thead><tr>{head}</tr></thead>
{bodies}
</table>
</div>
<p>{escape(table.note)}</p>"""


def _body(group: str, rows: Iterable[Row], width: int) -> str:
    lines = [f'<tr><th scope="rowgroup" colspan="{width}">{escape(group)}</th></tr>']
    for row in rows:
        name, *values = row.cells
        columns = "".join(f"<td>{_html_cell(cell)}</td>" for cell in values)
        lines.append(f'<tr><th scope="row">{_html_cell(name)}</th>{columns}</tr>')
    return "\n".join(["<tbody>", *lines, "</tbody>"])


def _html_cell(cell: Cell) -> str:
    text = escape(cell.text or MISSING)
    return f"<strong>{text}</strong>" if cell.bold else text
