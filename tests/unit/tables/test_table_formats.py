"""One small table in every format."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alpha_dimt.core.files import write_text
from alpha_dimt.tables.table import Table, latex, markdown, read_tables, section, to_json

TEXTS = [["a|b", "1.0 ± 0.1", ""], ["c_d", "2.0", "−1 to 1"], ["<e>", "", "3"]]


@pytest.fixture
def table() -> Table:
    """Two groups, a header twice, one bold cell, and characters that mean something somewhere."""
    return Table(
        title="Small",
        label="small",
        caption="What & how.",
        grouped_by="Group",
        rows=pd.DataFrame(TEXTS, ["one", "one", "two"], ["Name", "α", "α"]),
        note="50 %.",
        bold=np.array([[False, True, False], [False] * 3, [False] * 3]),
    )


def test_markdown(table: Table) -> None:
    assert markdown(table) == (
        "Small. What & how.\n"
        "\n"
        "| Group | Name | α | α |\n"
        "| --- | --- | ---: | ---: |\n"
        "| one | a\\|b | **1.0 ± 0.1** | – |\n"
        "| one | c_d | 2.0 | −1 to 1 |\n"
        "| two | <e> | – | 3 |\n"
        "\n"
        "50 %.\n"
    )


def test_latex(table: Table) -> None:
    assert latex(table).splitlines() == [
        r"% needs \usepackage{booktabs}; include with \input",
        r"\begin{table}",
        r"\centering",
        r"\caption{What \& how.}",
        r"\label{tab:small}",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"Name & $\alpha$ & $\alpha$ \\",
        r"\midrule",
        r"\multicolumn{3}{l}{\emph{one}} \\",
        r"a\textbar{}b & \textbf{1.0 $\pm$ 0.1} & -- \\",
        r"c\_d & 2.0 & $-$1 to 1 \\",
        r"\midrule",
        r"\multicolumn{3}{l}{\emph{two}} \\",
        r"\textless{}e\textgreater{} & -- & 3 \\",
        r"\bottomrule",
        r"\end{tabular}",
        "",
        r"\smallskip 50 \%.",
        r"\end{table}",
    ]


def test_html(table: Table) -> None:
    assert section(table).splitlines() == [
        '<div class="scroll" role="region" aria-label="Small" tabindex="0">',
        "<table>",
        "<caption>What &amp; how.</caption>",
        '<thead><tr><th scope="col">Name</th><th scope="col">α</th><th scope="col">α</th></tr>'
        "</thead>",
        "<tbody>",
        '<tr><th scope="rowgroup" colspan="3">one</th></tr>',
        '<tr><th scope="row">a|b</th><td><strong>1.0 ± 0.1</strong></td><td>–</td></tr>',
        '<tr><th scope="row">c_d</th><td>2.0</td><td>−1 to 1</td></tr>',
        "</tbody>",
        "<tbody>",
        '<tr><th scope="rowgroup" colspan="3">two</th></tr>',
        '<tr><th scope="row">&lt;e&gt;</th><td>–</td><td>3</td></tr>',
        "</tbody>",
        "</table>",
        "</div>",
        "<p>50 %.</p>",
    ]


def test_json_is_read_back(table: Table, tmp_path: Path) -> None:
    text = to_json([table], [("ml/seed1", "identity")])
    [plain] = json.loads(text)["tables"]
    assert plain["headers"] == ["Name", "α", "α"]
    assert plain["rows"][0] == {
        "group": "one",
        "cells": [
            {"text": "a|b", "bold": False},
            {"text": "1.0 ± 0.1", "bold": True},
            {"text": "", "bold": False},
        ],
    }
    write_text(tmp_path / "small.json", text)
    [again] = read_tables(tmp_path / "small.json", [("ml/seed1", "identity")])
    assert to_json([again], [("ml/seed1", "identity")]) == text


def test_a_table_without_rows_has_its_headers(table: Table, tmp_path: Path) -> None:
    empty = Table(**{**vars(table), "rows": table.rows[:0], "bold": None})
    write_text(tmp_path / "empty.json", to_json([empty], []))
    [again] = read_tables(tmp_path / "empty.json")
    for one in (empty, again):
        assert markdown(one).count("\n|") == 2
        assert section(one).count("<th ") == 3
        assert "<tbody>" not in section(one)
        assert re.findall(r"midrule|bottomrule", latex(one)) == ["bottomrule"]
