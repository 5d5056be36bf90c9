import gzip
import os
from pathlib import Path

import pytest

from alpha_dimt.config.preparation import Preparation
from alpha_dimt.data.corpora import iwslt14
from alpha_dimt.data.tokenise import tokenise
from alpha_dimt.data.unicode import compose

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


@pytest.mark.parametrize("unicode", ["nfc", "as_is"])
@pytest.mark.parametrize("language", ["de", "en"])
def test_composing_changes_nothing_in_the_published_test_text(language: str, unicode: str) -> None:
    folder = real_data()
    published = read_gzip(folder / "iwslt14-prepared" / f"test.{language}.gz")
    preparation = Preparation.model_validate({"unicode": unicode})
    lines: list[str] = []
    for name in iwslt14.TEST_SETS:
        path = folder / "iwslt14-official-xml" / f"IWSLT14.{name}.de-en.{language}.xml.gz"
        segments = iwslt14.test_segments(read_gzip(path), path.name)
        lines += tokenise(segments, language, preparation)
    assert lines == published


@pytest.mark.parametrize("name", ["train", "val", "test_2016_flickr"])
@pytest.mark.parametrize("language", ["de", "en"])
def test_composing_changes_nothing_in_multi30k(language: str, name: str) -> None:
    lines = read_gzip(real_data() / "multi30k" / f"{name}.{language}.gz")
    assert compose(lines) == lines


def test_nothing_of_the_published_training_text_would_be_composed() -> None:
    # A mark without a composed letter is cut off, as in Perl: `as_is` in config/iwslt14.yaml.
    for language in ("de", "en"):
        lines = read_gzip(real_data() / "iwslt14-part" / f"train.{language}.gz")
        assert compose(lines) == lines
    [line] = [line for line in lines if "\u0e48" in line]
    assert " \u0e48 " in line


def test_other_forms_of_unicode() -> None:
    # A joiner that stands between no letters is cut off: the published test text has two.
    assert tokenise(["می\u200cخواهم.\u200c"], "fa", Preparation()) == ["می\u200cخواهم . \u200c"]
    nfd = "U\u0308ber\u200bdas o\u0323\u0300 \ufeffhier"
    assert tokenise([nfd], "de", Preparation()) == ["über das ọ\u0300 hier"]
    perl = tokenise([nfd], "de", Preparation(unicode="as_is"))
    assert perl == ["u \u0308 ber \u200b das o \u0323 \u0300 \ufeff hier"]


@pytest.mark.parametrize(
    ("language", "raw", "expected"),
    [
        ("zh", "我在Apple公司。It's 3,5!", "我 在 apple 公 司 。 it &apos;s 3,5 !"),
        ("ja", "「Tシャツ」を3枚", "「 t シ ャ ツ 」 を 3 枚"),
        ("th", "ฉันรัก 3.5 กม.", "ฉั น รั ก 3.5 ก ม ."),
        ("ko", "저는 갑니다.", "저는 갑니다 ."),
    ],
)
def test_characters_are_tokens_where_there_are_no_spaces(
    language: str, raw: str, expected: str
) -> None:
    assert tokenise([raw], language, Preparation()) == [expected]


def test_text_that_is_tokenised_already() -> None:
    given = "It &apos;s  a\u2028b &amp; C-D .\t"
    preparation = Preparation(tokenised=True, lowercase="never")
    assert tokenise([given], "en", preparation) == ["It &apos;s a\u2028b &amp; C-D ."]
    lowered = tokenise([given], "en", Preparation(tokenised=True))
    assert lowered == ["it &apos;s a\u2028b &amp; c-d ."]
    words = tokenise(["我们 在 北京"], "zh", Preparation(tokenised=True))
    assert words == ["我们 在 北京"]


@pytest.mark.parametrize("language", ["de", "en"])
def test_published_text_stays_as_it_is(language: str) -> None:
    for name in ("iwslt14-prepared/test", "iwslt14-prepared/valid", "iwslt14-part/train"):
        lines = read_gzip(real_data() / f"{name}.{language}.gz")
        assert tokenise(lines, language, Preparation(tokenised=True)) == lines
