import json
import os
from pathlib import Path

import pytest

from alpha_dimt.config import DataConfig
from alpha_dimt.config.corpora import ToyCorpus
from alpha_dimt.config.preparation import Preparation
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_lines, sha256, write_lines
from alpha_dimt.data.corpora import iwslt14
from alpha_dimt.data.prepare import Pair, cut_validation, tokenise_corpus

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
def test_an_overlong_word_drops_a_training_pair_before_tokenisation(
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


def test_odd_characters_separate_words_but_not_lines(tmp_path: Path) -> None:
    odd = ["Ein\u2028Haus\u0085steht\rhier.", "\ufeffZwei\x07.", "B" + " c" * 49_000]
    raw = write_splits(tmp_path / "raw", train_de=odd, train_en=["A house is here.", "Two.", "B c"])
    tokenise_corpus(CONFIG, raw=raw, out=tmp_path / "text")
    assert read_lines(tmp_path / "text" / "train.de")[0] == "ein haus steht hier ."
    assert len(read_lines(tmp_path / "text" / "train.de")) == 2
    report = json.loads((tmp_path / "text" / "report.json").read_text())
    assert report["dropped"] == {"too long": 1}


def test_nothing_left_to_train_on(tmp_path: Path) -> None:
    raw = write_splits(tmp_path / "raw", train_de=["Ja."], train_en=["Well, yes, of course."])
    with pytest.raises(UserError, match="no sentence pair is left for train"):
        tokenise_corpus(CONFIG, raw=raw, out=tmp_path / "text")
    assert not (tmp_path / "text").exists()


def test_sides_must_be_aligned(tmp_path: Path) -> None:
    raw = write_splits(tmp_path / "raw", valid_en=["One."])
    with pytest.raises(UserError, match=r"raw/valid\.de:2: .*no partner"):
        tokenise_corpus(CONFIG, raw=raw, out=tmp_path / "text")


def own_config(target: str = "en", **preparation: object) -> DataConfig:
    table = {"tsv": "own.tsv"}
    corpus = {"kind": "files", "name": "own", "source": "de", "target": target}
    splits = dict.fromkeys(("train", "valid", "test"), table)
    return DataConfig.model_validate({"corpus": {**corpus, **splits}, "preparation": preparation})


def test_other_forms_of_unicode_are_composed_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nfd = {
        f"{split}_de": ["U\u0308ber den Fluss.", "Das Ma\u0308dchen.", "Hier."]
        for split in ("train", "valid", "test")
    }
    english = {
        f"{split}_en": ["Over it.", "The girl.", "Here."] for split in ("train", "valid", "test")
    }
    raw = write_splits(tmp_path / "raw", **nfd, **english)
    out = tmp_path / "text"
    tokenise_corpus(own_config(max_ratio=3), raw=raw, out=out)
    assert read_lines(out / "train.de") == ["über den fluss .", "das mädchen .", "hier ."]
    assert read_lines(out / "test.raw.de") == ["Über den Fluss.", "Das Mädchen.", "Hier."]
    report = json.loads((out / "report.json").read_text())
    assert report["composed"]["train"] == {"de": 2, "en": 0}
    assert capsys.readouterr().out.splitlines() == [
        "train: 3 pairs of 3 read, 2 de lines composed (preparation.unicode: nfc)",
        "valid: 3 pairs, 2 de lines composed (preparation.unicode: nfc)",
        "test: 3 pairs, 2 de lines composed (preparation.unicode: nfc)",
    ]
    tokenise_corpus(own_config(max_ratio=9, unicode="as_is"), raw=raw, out=out)
    assert read_lines(out / "train.de")[0] == "u \u0308 ber den fluss ."
    assert read_lines(out / "test.raw.de") == nfd["test_de"]


def test_a_warning_names_the_rule_that_drops_most_pairs_and_its_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    german = ["Ja.", "Ja.", "Ein Haus.", "", "Nein."]
    english = ["Well, yes, of course.", "Yes, of course.", "A house.", "No.", "No, not at all."]
    raw = write_splits(tmp_path / "raw", train_de=german, train_en=english)
    tokenise_corpus(own_config(), raw=raw, out=tmp_path / "text")
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [
        'warning: 4 of 5 training pairs are dropped, most of them (3) as "ratio"; '
        "to keep more, raise preparation.max_ratio"
    ]
    assert printed.out.splitlines()[0] == (
        'train: 1 pairs of 5 read, 3 dropped as "ratio", 1 dropped as "blank"'
    )
    tokenise_corpus(own_config(max_ratio=9), raw=raw, out=tmp_path / "text")
    assert capsys.readouterr().err == ""


def test_a_long_sentence_without_spaces_is_no_long_word(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for split in ("train", "valid", "test"):
        write_lines(raw / f"{split}.de", ["Eins.", "Zwei."])
        length = 1001 if split == "train" else 998
        write_lines(raw / f"{split}.zh", ["好。", "长" * length])
    tokenise_corpus(own_config("zh"), raw=raw, out=tmp_path / "text")
    report = json.loads((tmp_path / "text" / "report.json").read_text())
    assert report["dropped"] == {"too long": 1}
    assert read_lines(tmp_path / "text" / "test.zh")[1] == " ".join("长" * 998)


def test_text_that_is_tokenised_already(tmp_path: Path) -> None:
    given = ["It &apos;s a B , &amp; C .", "Mr. D &#124; E"]
    texts = {f"{split}_en": given for split in ("train", "valid", "test")}
    raw = write_splits(tmp_path / "raw", **texts)
    out = tmp_path / "text"
    tokenise_corpus(own_config(tokenised=True, max_ratio=9), raw=raw, out=out)
    assert read_lines(out / "train.en") == [line.lower() for line in given]
    assert read_lines(out / "test.raw.en") == ["It's a B, & C.", "Mr. D | E"]
    report = json.loads((out / "report.json").read_text())
    assert report["tokeniser"] == "none: the text is tokenised already"


def test_published_text_that_is_tokenised_already(tmp_path: Path) -> None:
    folder = os.environ.get("ALPHA_DIMT_TEST_DATA")
    if not folder:
        pytest.skip("ALPHA_DIMT_TEST_DATA does not name a folder of real data")
    raw, out = tmp_path / "raw", tmp_path / "text"
    for split, name in (
        *(("train", "iwslt14-part/train"), ("valid", "iwslt14-prepared/valid")),
        ("test", "iwslt14-prepared/test"),
    ):
        for language in ("de", "en"):
            lines = read_lines(Path(folder) / f"{name}.{language}.gz")
            write_lines(raw / f"{split}.{language}", lines[:20_000])
    tokenise_corpus(own_config(tokenised=True), raw=raw, out=out)
    for split in ("train", "valid", "test"):
        for language in ("de", "en"):
            name = f"{split}.{language}"
            assert read_lines(out / name) == read_lines(raw / name)
    report = json.loads((out / "report.json").read_text())
    assert report["dropped"] == {}
    expected = iwslt14.expected()
    for language in ("de", "en"):
        for split in ("valid", "test"):
            sums = report["splits"][split]["sha256"]
            assert sums[language] == expected[f"{split}.{language}"].sha256
    assert not any("&apos;" in line or " ," in line for line in read_lines(out / "test.raw.en"))
