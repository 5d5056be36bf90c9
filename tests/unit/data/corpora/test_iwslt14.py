import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import sha256, write_lines
from alpha_dimt.data.corpora import iwslt14


def test_training_segments() -> None:
    lines = [
        "<url>http://www.ted.com/talks/x.html</url>",
        "<keywords>talks, <title>odd</title></keywords>",
        "<speaker>Somebody</speaker>",
        "<talkid>1</talkid>",
        "<title>Somebody: A title</title>",
        "<description>What it is about</description>",
        '<reviewer href="http://x">R</reviewer>',
        '<translator href="http://x">T</translator>',
        '<doc docid="1" genre="lectures">',
        " A sentence with a < b and <doc> inside. ",
        "</doc>",
        "",
    ]
    expected = [
        "Somebody: A title",
        "What it is about",
        "A sentence with a < b and <doc> inside.",
        "",
    ]
    assert iwslt14.training_segments(lines) == expected


def test_test_segments() -> None:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<doc docid="1" genre="lectures">',
        "<title>A title is no segment</title>",
        '<seg id="1"> It’s a test. </seg>',
        '  <seg id="12">Two\u2028lines\u0085in one</seg>',
        "</doc>",
    ]
    assert iwslt14.test_segments(lines, "x.xml") == ["It's a test.", "Two\u2028lines\u0085in one"]


@pytest.mark.parametrize(
    "line",
    [
        '<!DOCTYPE x [<!ENTITY lol "lol"><!ENTITY lol9 "&lol;&lol;">]>',
        '<!DOCTYPE x [<!ENTITY out SYSTEM "file:///etc/passwd">]>',
        '<seg id="1"><![CDATA[ text ]]></seg>',
        '<!-- <seg id="1">text</seg> -->',
        "<seg id='1'>text</seg>",
        '<seg id="1" lang="en">text</seg>',
        '<SEG ID="1">text</SEG>',
        '<seg id="1">text',
        "text</seg>",
        '<seg id="1">one</seg><seg id="2">two</seg>',
        "<seg/>",
    ],
)
def test_segments_in_another_form_are_refused(line: str) -> None:
    lines = ['<seg id="1">Good.</seg>', line]
    with pytest.raises(UserError, match=r"de-en\.xml:2: a segment must be one line"):
        iwslt14.test_segments(lines, "de-en.xml")


def test_entities_stay_as_they_are() -> None:
    lines = ['<?xml version="1.0"?>', '<seg id="1"> R&amp;D &lol9; &#65; </seg>']
    assert iwslt14.test_segments(lines, "x.xml") == ["R&amp;D &lol9; &#65;"]


def summary(folder: Path, train: int) -> dict[str, dict[str, Any]]:
    splits: dict[str, dict[str, Any]] = {"train": {"pairs": train}}
    for split in ("valid", "test"):
        paths = {language: folder / f"{split}.{language}" for language in ("de", "en")}
        splits[split] = {
            "tokens": {name: len(path.read_text().split()) for name, path in paths.items()},
            "sha256": {name: sha256(path) for name, path in paths.items()},
        }
    return splits


def test_published_facts() -> None:
    expected = iwslt14.expected()
    assert {name: (len(file.checksums), file.tokens) for name, file in expected.items()} == {
        "valid.de": (6969, 122_327),
        "valid.en": (6969, 129_091),
        "test.de": (6750, 125_738),
        "test.en": (6750, 131_141),
    }


def test_another_corpus_is_described_with_a_message(tmp_path: Path) -> None:
    for name in iwslt14.expected():
        write_lines(tmp_path / name, ["ein satz ."])
    found = iwslt14.differences(summary(tmp_path, 5), tmp_path)
    assert found[0] == "train has 5 pairs instead of 153,326"
    assert f"{tmp_path}/valid.de has 1 lines instead of 6,969" in found
    assert f"{tmp_path}/valid.de has 3 tokens instead of 122,327" in found
    first = f"{tmp_path}/valid.de:1 is the first line that differs from the published text: "
    assert first + "'ein satz .'" in found


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    folder = os.environ.get("ALPHA_DIMT_TEST_DATA")
    if not folder:
        pytest.skip("ALPHA_DIMT_TEST_DATA does not name a folder of real data")
    for name in iwslt14.expected():
        packed = Path(folder) / "iwslt14-prepared" / f"{name}.gz"
        (tmp_path / name).write_bytes(gzip.decompress(packed.read_bytes()))
    return tmp_path


def test_the_published_text_has_no_differences(prepared: Path) -> None:
    assert iwslt14.differences(summary(prepared, iwslt14.TRAINING_PAIRS), prepared) == []


def test_the_first_differing_line_is_found(prepared: Path) -> None:
    lines = (prepared / "test.en").read_text(encoding="utf-8").split("\n")
    lines[4710] = lines[4710] + " indeed"
    (prepared / "test.en").write_text("\n".join(lines), encoding="utf-8")
    found = iwslt14.differences(summary(prepared, iwslt14.TRAINING_PAIRS), prepared)
    assert len(found) == 2
    assert "131,142 tokens instead of 131,141" in found[0]
    assert "test.en:4711 is the first line that differs" in found[1]
    assert found[1].endswith(repr(lines[4710]))
