import numpy as np
import pandas as pd

from alpha_dimt.report.shown_tables import Cell, chosen, laid_out, own_first, own_rows, unbroken
from alpha_dimt.tables.table import Table

ROWS = [
    ["ML", "", "", "29.83", "", "28.26", ""],
    ["ml", "", "1, 2", "39.37 ± 0.43", "38 to 40", "40.33 ± 0.24", "39 to 41"],
    ["raml", "0", "1", "40.23", "", "40.35", ""],
]
HEADERS = ["System", "α", "Seeds", "Dev (greedy)", "95 % interval", "Test", "95 % interval"]
TABLE = Table(
    title="Table 1",
    label="table1",
    caption="",
    grouped_by="Source",
    rows=pd.DataFrame(
        ROWS, index=["Koyamada", "this run (toy)", "this run (toy)"], columns=HEADERS
    ),
    note="",
    bold=np.arange(21).reshape(3, 7) == 19,  # raml, Test
)


def test_scores_follow_the_system_and_intervals_stand_below() -> None:
    laid = laid_out(chosen(TABLE, own_rows(TABLE)))
    assert laid.headers == [
        *(Cell("System"), Cell("Dev (greedy)", "95 % interval"), Cell("Test", "95 % interval")),
        *(Cell("α"), Cell("Seeds")),
    ]
    [(name, [ml, raml])] = laid.groups
    assert name == "this run (toy)"
    assert ml[:3] == [
        Cell("ml"),
        Cell("39.37 ± 0.43", "38 to 40"),
        Cell("40.33 ± 0.24", "39 to 41"),
    ]
    assert raml[2:] == [Cell("40.35", bold=True), Cell("0"), Cell("1")]
    assert ml[3] == Cell("–")


def test_columns_that_say_nothing_are_left_out() -> None:
    laid = laid_out(chosen(TABLE, ~own_rows(TABLE)))
    assert laid.headers == [Cell("System"), Cell("Dev (greedy)"), Cell("Test")]
    assert laid.groups == [("Koyamada", [[Cell("ML"), Cell("29.83"), Cell("28.26")]])]


def test_own_rows_come_first_with_their_bold_cells() -> None:
    table = own_first(TABLE)
    assert list(table.rows["System"]) == ["ml", "raml", "ML"]
    assert np.argwhere(table.strong).tolist() == [[1, 5]]
    assert [name for name, _ in laid_out(table).groups] == ["this run (toy)", "Koyamada"]


def test_a_deviation_stays_with_its_sign() -> None:
    assert unbroken(TABLE).rows.iloc[1, 3] == "39.37 ±\N{NO-BREAK SPACE}0.43"
