"""A table of scores as Markdown, LaTeX and HTML."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import groupby

LABELS = ("System", "α", "τ", "Seeds")
MISSING = "–"


@dataclass(frozen=True)
class Row:
    """One system.

    Attributes:
        source: where the numbers come from; rows of one source stand together.
        system: its name.
        settings: alpha, tau and seeds, empty where there are none.
        scores: (mean, deviation) of each column, empty where there are none.
    """

    source: str
    system: str
    settings: tuple[str, str, str]
    scores: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table of scores.

    Attributes:
        caption: what is measured, on what and how.
        headers: of the columns of scores.
        rows: in their order.
        note: what must be known before rows are compared.
    """

    caption: str
    headers: tuple[str, ...]
    rows: list[Row]
    note: str

    def groups(self) -> Iterable[tuple[str, list[Row]]]:
        """Yield the rows of each source."""
        for source, rows in groupby(self.rows, key=lambda row: row.source):
            yield source, list(rows)


def markdown(table: Table) -> str:
    """Return a Markdown table with its caption and note."""
    headers = ["Source", *LABELS, *table.headers]
    alignment = ["---"] * 2 + ["---:"] * (len(headers) - 2)
    lines = [table.caption, "", _pipes(headers), _pipes(alignment)]
    for row in table.rows:
        cells = [row.source, row.system, *row.settings, *(_plain(score) for score in row.scores)]
        lines.append(_pipes(cell.replace("|", r"\|") or MISSING for cell in cells))
    return "\n".join([*lines, "", table.note, ""])


def _pipes(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(score: tuple[str, str]) -> str:
    average, deviation = score
    return f"{average} ± {deviation}" if deviation else average


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
        "α": r"$\alpha$",
        "τ": r"$\tau$",
        "–": "--",
    }
)


def latex(table: Table) -> str:
    """Return a LaTeX table environment; the document needs the package booktabs."""
    width = len(LABELS) + len(table.headers)
    lines = [
        "% needs \\usepackage{booktabs}; include with \\input",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{table.caption.removeprefix('Table 1. ').translate(_LATEX)}}}",
        r"\label{tab:table1}",
        rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}",
        r"\toprule",
        _ampersands([*LABELS, *table.headers]),
    ]
    for source, rows in table.groups():
        lines += [
            r"\midrule",
            rf"\multicolumn{{{width}}}{{l}}{{\emph{{{source.translate(_LATEX)}}}}} \\",
        ]
        lines += [
            _ampersands([row.system, *row.settings, *(_plain(score) for score in row.scores)])
            for row in rows
        ]
    lines += [
        r"\bottomrule",
        r"\end{tabular}",
        "",
        rf"\smallskip {table.note.translate(_LATEX)}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _ampersands(cells: Iterable[str]) -> str:
    return " & ".join((cell or MISSING).translate(_LATEX) for cell in cells) + r" \\"


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


def html(table: Table) -> str:
    """Return a self-contained page; colours follow the reader's light or dark setting."""
    headers = [*LABELS, *table.headers]
    head = "".join(f'<th scope="col">{escape(header)}</th>' for header in headers)
    bodies = "\n".join(_body(source, rows, len(headers)) for source, rows in table.groups())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Table 1</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>Table 1</h1>
<div class="scroll" role="region" aria-label="Table 1" tabindex="0">
<table>
<caption>{escape(table.caption.removeprefix("Table 1. "))}</caption>
<thead><tr>{head}</tr></thead>
{bodies}
</table>
</div>
<p>{escape(table.note)}</p>
</main>
</body>
</html>
"""


def _body(source: str, rows: Iterable[Row], width: int) -> str:
    lines = [f'<tr><th scope="rowgroup" colspan="{width}">{escape(source)}</th></tr>']
    for row in rows:
        cells = "".join(
            f"<td>{escape(cell or MISSING)}</td>"
            for cell in (*row.settings, *(_plain(score) for score in row.scores))
        )
        lines.append(f'<tr><th scope="row">{escape(row.system)}</th>{cells}</tr>')
    return "\n".join(["<tbody>", *lines, "</tbody>"])
