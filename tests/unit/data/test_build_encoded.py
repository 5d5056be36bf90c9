import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from small_disk import SmallDisk

from alpha_dimt.config import DataConfig
from alpha_dimt.config.corpora import ToyCorpus
from alpha_dimt.config.preparation import BpeConfig, Preparation, WordsConfig
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_lines, sha256, write_lines
from alpha_dimt.core.vocabulary import SPECIALS, UNK, Vocab
from alpha_dimt.data.build_encoded import encode_corpus
from alpha_dimt.data.manifest import source_of

TRAIN = {
    "de": ["ein haus .", "ein hund .", "kein haus !", "noch ein haus ."],
    "en": ["a house .", "a dog .", "no house !", "another house ."],
}
TEST = {"de": ["ein igel ."], "en": ["a hedgehog ."]}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    folder = tmp_path / "text"
    for split, sides in (("train", TRAIN), ("valid", TEST), ("test", TEST)):
        for language, lines in sides.items():
            write_lines(folder / f"{split}.{language}", lines)
    return folder


def encode(text: Path, vocabulary: WordsConfig | BpeConfig) -> Path:
    preparation = Preparation(vocabulary=vocabulary)
    out = text.parent / "encoded"
    encode_corpus(
        DataConfig(corpus=ToyCorpus(kind="toy"), preparation=preparation), text=text, out=out
    )
    return out


def read(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def test_words(text: Path) -> None:
    out = encode(text, WordsConfig(kind="words", source_size=3, min_frequency=2))
    assert read_lines(out / "vocab.de.txt") == [*SPECIALS, ".", "ein", "haus"]
    assert read_lines(out / "vocab.en.txt") == [*SPECIALS, ".", "house", "a"]
    table = read(out / "test.arrow")
    assert table.column_names == ["source", "target", "source_text", "target_text"]
    assert table["source"].to_pylist() == [[5, UNK, 4]]
    assert table["target"].to_pylist() == [[6, UNK, 4]]
    assert table["source_text"].to_pylist() == TEST["de"]
    report = json.loads((out / "report.json").read_text())
    assert report["vocabularies"]["de"]["size"] == 7
    assert report["splits"]["test"]["tokens"] == {"de": 3, "en": 3}
    assert report["splits"]["test"]["unknown_rate"]["de"] == pytest.approx(1 / 3)
    assert report["splits"]["train"]["sha256"] == sha256(out / "train.arrow")


def test_one_uncompressed_batch(text: Path) -> None:
    out = encode(text, WordsConfig(kind="words"))
    reader = pa.ipc.open_file(pa.memory_map(str(out / "train.arrow")))
    assert reader.num_record_batches == 1
    before = pa.total_allocated_bytes()
    assert reader.get_batch(0).num_rows == 4
    assert pa.total_allocated_bytes() == before  # mapped, not copied


@pytest.mark.parametrize("joint", [True, False])
def test_bpe(text: Path, joint: bool) -> None:
    out = encode(text, BpeConfig(kind="bpe", operations=6, joint=joint))
    same = read_lines(out / "codes.de.txt") == read_lines(out / "codes.en.txt")
    assert same == joint
    vocabs = {language: Vocab.load(out / f"vocab.{language}.txt") for language in ("de", "en")}
    assert vocabs["de"].tokens != vocabs["en"].tokens
    table = read(out / "train.arrow")
    for column, language in (("source", "de"), ("target", "en")):
        segmented = table[f"{column}_text"].to_pylist()
        assert [line.replace("@@ ", "") for line in segmented] == TRAIN[language]
        assert any("@@" in line for line in segmented)
        decoded = [" ".join(vocabs[language].decode(ids)) for ids in table[column].to_pylist()]
        assert decoded == segmented


def test_same_input_same_bytes(text: Path) -> None:
    config = BpeConfig(kind="bpe", operations=6)
    first = {path.name: sha256(path) for path in encode(text, config).iterdir()}
    assert {path.name: sha256(path) for path in encode(text, config).iterdir()} == first


@pytest.mark.parametrize("line", ["", "ein  haus", " ein", "ein "])
def test_lines_that_are_no_tokens(text: Path, line: str) -> None:
    write_lines(text / "valid.de", ["gut .", line])
    write_lines(text / "valid.en", ["good .", "good ."])
    with pytest.raises(UserError, match=r"valid\.de:2: a line must be one or more tokens"):
        encode(text, WordsConfig(kind="words"))
    assert not (text.parent / "encoded").exists()


def test_a_sentence_that_positions_cannot_count(text: Path) -> None:
    write_lines(text / "train.de", ["a " * 32_765 + "a", *TRAIN["de"][1:]])
    with pytest.raises(UserError, match=r"train\.de:1: this sentence has 32,766 tokens"):
        encode(text, WordsConfig(kind="words"))


def test_a_full_disk(text: Path, small_disk: SmallDisk) -> None:
    shutil.copytree(text, small_disk.folder / "text")
    preparation = Preparation(vocabulary=WordsConfig(kind="words"))
    config = DataConfig(corpus=ToyCorpus(kind="toy"), preparation=preparation)
    out = small_disk.folder / "encoded"
    small_disk.fill(leave=12_000)
    with pytest.raises(UserError, match=r"cannot be written \(No space left on device\)") as caught:
        encode_corpus(config, text=small_disk.folder / "text", out=out)
    assert "\n" not in str(caught.value)
    whole = {path.name for path in out.iterdir()}
    assert "report.json" not in whole
    assert not any(name.endswith(".tmp") for name in whole)
    small_disk.empty()
    encode_corpus(config, text=small_disk.folder / "text", out=out)
    same = encode(text, WordsConfig(kind="words"))
    assert {path.name: sha256(path) for path in out.iterdir()} == {
        path.name: sha256(path) for path in same.iterdir()
    }


@pytest.mark.parametrize("language", ["de", "en"])
def test_a_vocabulary_without_a_word(text: Path, language: str) -> None:
    # As many words are frequent on the other side.
    write_lines(text / f"train.{language}", ["a b", "c d", "e f", "g h"])
    with pytest.raises(UserError, match=rf"train\.{language}: no word .*min_frequency") as caught:
        encode(text, WordsConfig(kind="words", min_frequency=2))
    assert "occurs 1 times" in str(caught.value)
    assert not (text.parent / "encoded").exists()
    write_lines(text / f"train.{language}", ["<unk>", "<s> </s>", "<pad>", "<unk>"])
    with pytest.raises(UserError, match=rf"train\.{language}: no word .*min_frequency"):
        encode(text, WordsConfig(kind="words"))


def test_word_lists_of_the_user(text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = text.parent / "words.de"
    source.write_bytes("\ufeffein\r\nNie\r\nhaus\r\n.\r\n".encode())
    out = encode(text, WordsConfig(kind="words", source_list=source, target_size=2))
    assert read_lines(out / "vocab.de.txt") == [*SPECIALS, "ein", "Nie", "haus", "."]
    assert read_lines(out / "vocab.en.txt") == [*SPECIALS, ".", "house"]
    assert read(out / "test.arrow")["source"].to_pylist() == [[4, UNK, 7]]
    report = json.loads((out / "report.json").read_text())["vocabularies"]
    assert report["de"]["list"] == {
        **source_of(source),
        "words": 4,
        "unused": 1,
    }
    assert "list" not in report["en"]
    [line] = capsys.readouterr().out.splitlines()
    assert line == f"de: 4 words of {source}, 1 of them not in the training text"


def test_a_list_of_other_words(text: Path) -> None:
    words = text.parent / "words.en"
    write_lines(words, ["maison", "chien"])
    with pytest.raises(UserError, match=r"train\.en: no word of this text .*another list"):
        encode(text, WordsConfig(kind="words", target_list=words))
    assert not (text.parent / "encoded").exists()


def test_lists_of_a_published_vocabulary(tmp_path: Path) -> None:
    folder = os.environ.get("ALPHA_DIMT_TEST_DATA")
    if not folder:
        pytest.skip("ALPHA_DIMT_TEST_DATA does not name a folder of real data")
    text, lists = tmp_path / "text", {}
    for language, side in (("de", "src"), ("en", "tgt")):
        lists[language] = tmp_path / f"words.{language}"
        words = read_lines(Path(folder) / "iwslt14-part" / f"vocab.{side}.txt.gz")
        write_lines(lists[language], words[4:])
        for split, name in (("train", "part/train"), ("valid", "prepared/valid")):
            lines = read_lines(Path(folder) / f"iwslt14-{name}.{language}.gz")
            write_lines(text / f"{split}.{language}", lines)
        write_lines(text / f"test.{language}", lines[:10])
    vocabulary = WordsConfig(kind="words", source_list=lists["de"], target_list=lists["en"])
    report = json.loads((encode(text, vocabulary) / "report.json").read_text())
    sizes = {name: about["size"] for name, about in report["vocabularies"].items()}
    assert sizes == {"de": 32_007 + 4, "en": 22_820 + 4}
    assert report["splits"]["train"]["unknown_rate"]["en"] < 0.02


def test_missing_text(text: Path) -> None:
    (text / "valid.en").unlink()
    with pytest.raises(UserError, match=r"valid\.en: there is no such file"):
        encode(text, WordsConfig(kind="words"))
    assert not (text.parent / "encoded").exists()
