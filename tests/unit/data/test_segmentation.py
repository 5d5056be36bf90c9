from pathlib import Path

import pytest
from small_pretrained import save_small

from alpha_dimt.config import DataConfig, parse
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import write_lines
from alpha_dimt.core.pretrained_tokeniser import load_tokeniser
from alpha_dimt.data.segmentation import load_segmentation
from alpha_dimt.data.subword import learn_codes


def data(**vocabulary: object) -> DataConfig:
    preparation = {"vocabulary": vocabulary} if vocabulary else {}
    return parse(DataConfig, {"corpus": {"kind": "toy"}, "preparation": preparation}, "test")


def test_words_stay_as_they_are() -> None:
    words = load_segmentation(data(), None)
    assert words.cut(["Der Hund, der läuft.", ""]) == ["der hund , der läuft .", ""]
    assert words.join(["a@@ b"]) == ["a@@ b"]
    assert words.text(["the dog &apos;s tail ."]) == ["the dog's tail."]


def test_pieces_of_bpe_are_joined(tmp_path: Path) -> None:
    write_lines(tmp_path / "codes", learn_codes(["hund hund hunde"], 4))
    pieces = load_segmentation(data(kind="bpe"), tmp_path / "codes")
    assert pieces.cut(["Hunde"]) == ["hun@@ d@@ e"]
    assert pieces.join(["a@@ b c@@ d@@", "e"]) == ["ab cd", "e"]
    assert pieces.text(["do@@ g ."]) == ["dog."]


def test_pretrained_pieces_are_of_plain_text(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_small("bart", folder, ["Der Hund läuft."] * 9, ["The dog runs."] * 9)
    (tmp_path / "tokeniser.zip").write_bytes(load_tokeniser(folder).archive())
    config = data(kind="pretrained", path=folder, source_prefix="de: ")
    pieces = load_segmentation(config, tmp_path / "tokeniser.zip")
    [cut, blank] = pieces.cut(["Der Hund.", " "])
    assert cut.replace(" ", "") == "de:ĠDerĠHund."
    assert blank == ""
    english = load_tokeniser(folder).cut(["The dog's."], source=False)
    assert pieces.text(english) == ["The dog's."]
    # As references are: tokenised, escaped, lower-cased.
    assert pieces.join(english) == ["the dog &apos;s ."]
    assert pieces.text(["<unk>", ""]) == ["", ""]


def test_a_damaged_or_missing_archive_is_an_error(tmp_path: Path) -> None:
    config = data(kind="pretrained", path=tmp_path)
    path = tmp_path / "tokeniser.zip"
    with pytest.raises(UserError, match="there is no such file; `alpha-dimt encode` makes it"):
        load_segmentation(config, path)
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match="this archive is damaged"):
        load_segmentation(config, path)
