import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from alpha_dimt.config.corpora import OneTable
from alpha_dimt.core.errors import UserError
from alpha_dimt.data.table import read_table


def read(path: Path, text: str, **keys: Any) -> list[tuple[str, str]]:
    table = path / "all.tsv"
    table.write_bytes(text.encode())
    sides = read_table(OneTable(tsv=table, **keys), source="en", target="yo")
    return list(zip(*sides, strict=True))


def test_rows(tmp_path: Path) -> None:
    text = '\ufeffone\t"kan"\r\n\r\n\t\ntwo words\tméjì\u00a0méjì\n'
    assert read(tmp_path, text) == [
        ("one", '"kan"'),
        ("", ""),
        ("", ""),
        ("two words", "méjì\u00a0méjì"),
    ]


@pytest.mark.parametrize(
    "header", ["en\tyor", "english\tyoruba", "English\tyor", "1\t2", "source\ttarget"]
)
def test_a_header_is_refused_until_it_is_named(tmp_path: Path, header: str) -> None:
    text = f"{header}\nyes\tbẹ́ẹ̀ni\n"
    with pytest.raises(UserError, match=r"all\.tsv:1: this looks like .*header: true .*false"):
        read(tmp_path, text)
    assert len(read(tmp_path, text, header=True)) == 1
    assert len(read(tmp_path, text, header=False)) == 2


@pytest.mark.parametrize("first", ["yes\tbẹ́ẹ̀ni", "Go.\tLọ.", "3.\t3.", "then\tyoo to", "1\tọ̀kan"])
def test_sentences_are_no_header(tmp_path: Path, first: str) -> None:
    assert len(read(tmp_path, f"{first}\n")) == 1


QUOTED = 'yes\t"Ó ní ""bẹ́ẹ̀ni"""\nno\t"rárá"\n'


def test_quotes_are_refused_until_they_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"all\.tsv:1: .* CSV quotes \(.*: 1\); .*quoted: true"):
        read(tmp_path, QUOTED)
    assert read(tmp_path, QUOTED, quoted=True) == [("yes", 'Ó ní "bẹ́ẹ̀ni"'), ("no", "rárá")]
    assert read(tmp_path, QUOTED, quoted=False)[1] == ("no", '"rárá"')
    assert read(tmp_path, '"a\tb"\tc\n', quoted=True) == [("a\tb", "c")]
    # Quotation marks of the text itself.
    assert len(read(tmp_path, 'yes\t"Ó" ní "bẹ́ẹ̀ni"\n"no"\t"rárá"\n')) == 2


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        ("a\tb\nno tab\n", {}, r"all\.tsv:2: .*has no tab"),
        ("a\tb\tCC-BY\n", {}, r"all\.tsv:1: .*has 2 tabs; keep two columns, as `cut -f 1,2` does"),
        ('a\t"b" c\n', {"quoted": True}, r"all\.tsv:1: .*not quoted as in CSV"),
        ('a\t"b\n', {"quoted": True}, r"all\.tsv:1: .*not quoted as in CSV"),
        ("", {}, r"all\.tsv: the corpus is empty"),
        ("en\tyo\n", {"header": True}, r"all\.tsv: the corpus is empty"),
        ("a\tb\0\n", {}, r"all\.tsv:1: this line holds a NUL byte"),
    ],
)
def test_rows_that_do_not_fit(
    tmp_path: Path, text: str, keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, text, **keys)


# ---------------------------------------------------------------------------- public corpora


@pytest.fixture
def field() -> Path:
    folder = os.environ.get("ALPHA_DIMT_TEST_FIELD")
    if not folder:
        pytest.skip("ALPHA_DIMT_TEST_FIELD does not name a folder of odd inputs")
    return Path(folder) / "corpora"


@pytest.mark.parametrize(
    ("name", "languages", "keys", "pairs"),
    [
        ("en-zh.unspaced", ("en", "zh"), {}, 4000),
        ("en-de.crlf-header", ("en", "de"), {"header": True, "quoted": True}, 2999),
        ("en-yo.quotes-nfd", ("en", "yo"), {"header": True, "quoted": True}, 1544),
        # Seven empty rows among them, which cleaning drops.
        ("en-yo.documents", ("en", "yo"), {"header": True, "quoted": True}, 299),
    ],
)
def test_corpora_as_published(
    field: Path, name: str, languages: tuple[str, str], keys: dict[str, Any], pairs: int
) -> None:
    table = OneTable(tsv=field / f"{name}.tsv.gz", **keys)
    source, target = read_table(table, source=languages[0], target=languages[1])
    assert (len(source), len(target)) == (pairs, pairs)
    assert not any("\r" in line or '""' in line for line in [*source, *target])


@pytest.mark.parametrize(
    ("name", "target", "keys", "message"),
    [
        (
            "en-de.crlf-header",
            "de",
            {},
            r"gz:1: this looks like the names of the columns \(1 and 2\)",
        ),
        ("en-yo.quotes-nfd", "yo", {}, r"gz:1: this looks like .*\(en and yor\)"),
        ("en-yo.quotes-nfd", "yo", {"header": True}, r"gz:5: .* CSV quotes \(.*: 59\)"),
        ("en-yo.documents", "yo", {}, r"gz:1: this looks like .*\(english and yoruba\)"),
        ("en-ar.three-columns", "ar", {}, r"gz:1: .* 2 tabs; keep two columns"),
    ],
)
def test_what_is_odd_about_them_is_named(
    field: Path, name: str, target: str, keys: dict[str, Any], message: str
) -> None:
    table = OneTable(tsv=field / f"{name}.tsv.gz", **keys)
    with pytest.raises(UserError, match=message):
        read_table(table, source="en", target=target)


def test_two_of_three_columns(field: Path, tmp_path: Path) -> None:
    rows = gzip.decompress((field / "en-ar.three-columns.tsv.gz").read_bytes()).decode()
    cut = tmp_path / "cut.tsv"
    cut.write_text("".join(row.rsplit("\t", 1)[0] + "\n" for row in rows.split("\n")[:-1]))
    assert len(read_table(OneTable(tsv=cut), source="en", target="ar")[0]) == 3000
