import gzip
import os
from pathlib import Path

import pytest

from alpha_dimt.config import Preparation
from alpha_dimt.data.tokenise import tokenise

LOWER_FIRST = Preparation(normalise_punctuation=True, lowercase="before")


def real_data() -> Path:
    folder = os.environ.get("ALPHA_DIMT_TEST_DATA")
    if not folder:
        pytest.skip("ALPHA_DIMT_TEST_DATA does not name a folder of real data")
    return Path(folder)


def read_gzip(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().split("\n")[:-1]


@pytest.mark.parametrize(
    ("language", "raw", "expected"),
    [
        ("en", "It's Anna's \"old\" bike.", "it &apos;s anna &apos;s &quot; old &quot; bike ."),
        ("en", "A & B | <c> [d]", "a &amp; b &#124; &lt; c &gt; &#91; d &#93;"),
        ("en", "Mr. Smith paid 1,000.50 dollars...", "mr. smith paid 1,000.50 dollars ..."),
        ("en", "a well-known T-shirt", "a well-known t-shirt"),
        ("de", "Gibt's z. B. „Äpfel“?", "gibt &apos; s z. b. „ äpfel “ ?"),
        ("de", "  zwei\t Räume\u00a0und\u2028Zeilen\u0085hier\r", "zwei räume und zeilen hier"),
        ("en", "He said 'no.'", "he said &apos; no . &apos;"),
    ],
)
def test_moses_conventions(language: str, raw: str, expected: str) -> None:
    assert tokenise([raw], language, Preparation()) == [expected]


def test_casing() -> None:
    assert tokenise(["Ein Haus"], "de", Preparation(lowercase="never")) == ["Ein Haus"]
    # Lower-cased first, "Mr." is no longer an abbreviation that Moses knows.
    assert tokenise(["Ask Mr. Smith"], "en", Preparation(lowercase="after")) == ["ask mr. smith"]
    before = tokenise(["Ask Mr. Smith"], "en", Preparation(lowercase="before"))
    assert before == ["ask mr. smith"]


def test_punctuation_is_normalised_as_in_perl() -> None:
    # The stop moves out of German quotes at the end of a line, too: Perl sees the newline there.
    assert tokenise(["Er sagt: „Nein.“"], "de", LOWER_FIRST) == ["er sagt : &quot; nein &quot; ."]


@pytest.mark.parametrize("language", ["de", "en"])
def test_agrees_with_the_perl_scripts(language: str) -> None:
    folder = real_data()
    raw = read_gzip(folder / "multi30k" / f"val.{language}.gz")
    perl = read_gzip(folder / "multi30k-moses" / f"val.lc.norm.tok.{language}.gz")
    ours = tokenise(raw, language, LOWER_FIRST)
    differing = [pair for pair in zip(ours, perl, strict=True) if pair[0] != pair[1]]
    assert len(differing) <= len(raw) / 1000, differing
