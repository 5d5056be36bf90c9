import json
from pathlib import Path

import pytest

from alpha_dimt.config import DataConfig, Preparation, ToyCorpus
from alpha_dimt.data.prepare import Pair, cut_validation, tokenise_corpus
from alpha_dimt.errors import UserError
from alpha_dimt.files import read_lines, sha256, write_lines

CONFIG = DataConfig(corpus=ToyCorpus(kind="toy"), preparation=Preparation())


def write_splits(folder: Path, **texts: list[str]) -> Path:
    for split in ("train", "valid", "test"):
        for language in ("de", "en"):
            default = ["Eins.", "Zwei."]
            write_lines(folder / f"{split}.{language}", texts.get(f"{split}_{language}", default))
    return folder


def test_every_nth_pair_counted_from_one() -> None:
    pairs = [Pair(str(number), "", "", "") for number in range(1, 12)]
    train, valid = cut_validation(pairs, 5)
    assert [pair.source for pair in valid] == ["5", "10"]
    assert [pair.source for pair in train] == ["1", "2", "3", "4", "6", "7", "8", "9", "11"]


def test_only_training_pairs_are_cleaned(tmp_path: Path) -> None:
    uneven = {"de": ["Ja.", "", "Ein Haus."], "en": ["Well, yes, of course.", "No.", "A house."]}
    raw = write_splits(
        tmp_path / "raw",
        train_de=uneven["de"],
        train_en=uneven["en"],
        test_de=uneven["de"][::2],
        test_en=uneven["en"][::2],
    )
    out = tmp_path / "text"
    tokenise_corpus(CONFIG, raw=raw, out=out)
    assert read_lines(out / "train.de") == ["ein haus ."]
    assert read_lines(out / "train.en") == ["a house ."]
    assert read_lines(out / "test.en") == ["well , yes , of course .", "a house ."]
    assert read_lines(out / "test.raw.en") == ["Well, yes, of course.", "A house."]
    report = json.loads((out / "report.json").read_text())
    assert report["read"] == {"train": 3, "valid": 2, "test": 2}
    assert report["dropped"] == {"blank": 1, "ratio": 1}
    assert report["splits"]["test"]["tokens"] == {"de": 5, "en": 10}
    assert report["splits"]["test"]["sha256"]["en"] == sha256(out / "test.en")


def test_blank_test_sentence(tmp_path: Path) -> None:
    raw = write_splits(tmp_path / "raw", test_en=["Yes.", "\x01 "])
    with pytest.raises(UserError, match=r"raw/test\.en:2: this sentence is blank"):
        tokenise_corpus(CONFIG, raw=raw, out=tmp_path / "text")
    assert not (tmp_path / "text").exists()


@pytest.mark.parametrize("word", ["." * 100_000, "a" * 1001])
def test_a_word_that_is_none_drops_a_training_pair_before_it_costs_minutes(
    tmp_path: Path, word: str
) -> None:
    raw = write_splits(tmp_path / "raw", train_de=[f"x {word}", "Zwei."])
    config = CONFIG.model_copy(update={"preparation": Preparation(normalise_punctuation=True)})
    tokenise_corpus(config, raw=raw, out=tmp_path / "text")
    assert read_lines(tmp_path / "text" / "train.de") == ["zwei ."]
    report = json.loads((tmp_path / "text" / "report.json").read_text())
    assert report["read"]["train"] == 2
    assert report["dropped"] == {"long word": 1}


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("x " + "." * 100_000, "a word has more than 1,000 characters"),
        ("wort " * 20_000, "this sentence has 20,000 tokens"),
    ],
)
def test_an_absurd_test_sentence_is_named(tmp_path: Path, sentence: str, message: str) -> None:
    raw = write_splits(tmp_path / "raw", test_de=["Eins.", sentence])
    with pytest.raises(UserError, match=rf"raw/test\.de:2: {message}"):
        tokenise_corpus(CONFIG, raw=raw, out=tmp_path / "text")
    assert not (tmp_path / "text").exists()


def test_odd_characters_part_words_and_keep_the_lines(tmp_path: Path) -> None:
    odd = ["Ein\u2028Haus\u0085steht\rhier.", "\ufeffZwei\x07.", "B" + " c" * 49_000]
    raw = write_splits(tmp_path / "raw", train_de=odd, train_en=["A house is here.", "Two.", "B c"])
    tokenise_corpus(CONFIG, raw=raw, out=tmp_path / "text")
    assert read_lines(tmp_path / "text" / "train.de")[0] == "ein haus steht hier ."
    assert len(read_lines(tmp_path / "text" / "train.de")) == 2
    report = json.loads((tmp_path / "text" / "report.json").read_text())
    assert report["dropped"] == {"too long": 1}


def test_nothing_left_to_train_on(tmp_path: Path) -> None:
    raw = write_splits(tmp_path / "raw", train_de=["Ja."], train_en=["Well, yes, of course."])
    with pytest.raises(UserError, match="no pair of sentences is left for train"):
        tokenise_corpus(CONFIG, raw=raw, out=tmp_path / "text")
    assert not (tmp_path / "text").exists()


def test_sides_must_be_aligned(tmp_path: Path) -> None:
    raw = write_splits(tmp_path / "raw", valid_en=["One."])
    with pytest.raises(UserError, match=r"raw/valid\.de:2: .*no partner"):
        tokenise_corpus(CONFIG, raw=raw, out=tmp_path / "text")
