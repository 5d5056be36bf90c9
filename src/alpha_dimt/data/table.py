"""Read a table of tab-separated source and target, as people and spreadsheets write it."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from alpha_dimt.config.corpora import OneTable
from alpha_dimt.core.errors import UserError
from alpha_dimt.data.aligned import check_aligned, own_lines

# Usual column names, besides numbers and language codes (often part of the language's name).
_COLUMN_NAMES = frozenset(
    [
        *("source", "target", "src", "tgt", "trg", "text", "sentence", "translation"),
        *("english", "german", "french", "spanish", "italian", "portuguese", "dutch", "russian"),
        *("arabic", "chinese", "japanese", "korean"),
    ]
)
# A field as the csv module quotes it: in quotes, with every inner quote doubled.
_QUOTED = re.compile(r'"(?=.*"")(?:[^"]|"")*"')


def read_table(table: OneTable, *, source: str, target: str) -> tuple[list[str], list[str]]:
    """Return the source and target lines of a table; an empty row is a blank pair.

    Args:
        table: path of the table, and how to read header and quotes.
        source: ISO 639 code of the source.
        target: ISO 639 code of the target.

    Raises:
        UserError: the file cannot be read or is empty, a row does not have two columns, or the
            table has a header or quotes and the configuration does not say what to do with them.
    """
    rows = [_row(table, number, line) for number, line in enumerate(own_lines(table.tsv), start=1)]
    if table.header is None and rows and _is_header(rows[0], source, target):
        raise UserError(
            f"{table.tsv}:1: this looks like the names of the columns ({' and '.join(rows[0])}); "
            "write header: true beside tsv to skip the line, or header: false to keep it"
        )
    if table.quoted is None:
        _refuse_quotes(table.tsv, rows)
    if table.header:
        rows = rows[1:]
    sides = [row[0] for row in rows], [row[1] for row in rows]
    check_aligned(*sides, table.tsv, table.tsv)
    return sides


def _row(table: OneTable, number: int, line: str) -> Sequence[str]:
    if not line.strip():
        return "", ""
    if table.quoted:
        try:
            [row] = csv.reader([line], delimiter="\t", strict=True)
        except csv.Error as error:
            raise UserError(
                f"{table.tsv}:{number}: a field of this line is not quoted as in CSV ({error}); "
                "correct the line, or write quoted: false beside tsv"
            ) from error
    else:
        row = line.split("\t")
    if len(row) == 1:
        raise UserError(
            f"{table.tsv}:{number}: a line has a source and a target with one tab between them, "
            "but this one has no tab; add the missing side or remove the line"
        )
    if len(row) > 2:
        raise UserError(
            f"{table.tsv}:{number}: a line has a source and a target with one tab between them, "
            f"but this one has {len(row) - 1} tabs; keep two columns, as `cut -f 1,2` does"
        )
    return row


def _is_header(row: Sequence[str], source: str, target: str) -> bool:
    def names_a_column(cell: str, language: str) -> bool:
        cell = cell.lower()
        return cell in _COLUMN_NAMES or (cell.isalpha() and language in cell)

    return all(cell.isdecimal() for cell in row) or all(
        names_a_column(cell, language) for cell, language in zip(row, (source, target), strict=True)
    )


def _refuse_quotes(path: Path, rows: Sequence[Sequence[str]]) -> None:
    quoted = [
        number for number, row in enumerate(rows, start=1) if any(map(_QUOTED.fullmatch, row))
    ]
    if quoted:
        raise UserError(
            f"{path}:{quoted[0]}: a field of this line is in CSV quotes (lines with such "
            f"fields: {len(quoted):,}); write quoted: true beside tsv to remove the quotes, or "
            "quoted: false to keep them"
        )
