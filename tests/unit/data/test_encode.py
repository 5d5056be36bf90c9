import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from small_disk import SmallDisk

from alpha_dimt.config import Bpe, DataConfig, Preparation, ToyCorpus, Words
from alpha_dimt.data.encode import encode_corpus
from alpha_dimt.errors import UserError
from alpha_dimt.files import read_lines, sha256, write_lines
from alpha_dimt.vocab import SPECIALS, UNK, Vocab

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


def encode(text: Path, vocabulary: Words | Bpe) -> Path:
    preparation = Preparation(vocabulary=vocabulary)
    out = text.parent / "encoded"
    encode_corpus(
        DataConfig(corpus=ToyCorpus(kind="toy"), preparation=preparation), text=text, out=out
    )
    return out


def read(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def test_words(text: Path) -> None:
    out = encode(text, Words(kind="words", source_size=3, min_frequency=2))
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
    out = encode(text, Words(kind="words"))
    reader = pa.ipc.open_file(pa.memory_map(str(out / "train.arrow")))
    assert reader.num_record_batches == 1
    before = pa.total_allocated_bytes()
    assert reader.get_batch(0).num_rows == 4
    assert pa.total_allocated_bytes() == before  # mapped, not copied


@pytest.mark.parametrize("joint", [True, False])
def test_bpe(text: Path, joint: bool) -> None:
    out = encode(text, Bpe(kind="bpe", operations=6, joint=joint))
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
    config = Bpe(kind="bpe", operations=6)
    first = {path.name: sha256(path) for path in encode(text, config).iterdir()}
    assert {path.name: sha256(path) for path in encode(text, config).iterdir()} == first


@pytest.mark.parametrize("line", ["", "ein  haus", " ein", "ein "])
def test_lines_that_are_no_tokens(text: Path, line: str) -> None:
    write_lines(text / "valid.de", ["gut .", line])
    write_lines(text / "valid.en", ["good .", "good ."])
    with pytest.raises(UserError, match=r"valid\.de:2: a line has one token or more"):
        encode(text, Words(kind="words"))
    assert not (text.parent / "encoded").exists()


def test_a_sentence_that_positions_cannot_count(text: Path) -> None:
    write_lines(text / "train.de", ["a " * 32_765 + "a", *TRAIN["de"][1:]])
    with pytest.raises(UserError, match=r"train\.de:1: this sentence has 32,766 tokens"):
        encode(text, Words(kind="words"))


def test_a_full_disk(text: Path, small_disk: SmallDisk) -> None:
    shutil.copytree(text, small_disk.folder / "text")
    preparation = Preparation(vocabulary=Words(kind="words"))
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
    same = encode(text, Words(kind="words"))
    assert {path.name: sha256(path) for path in out.iterdir()} == {
        path.name: sha256(path) for path in same.iterdir()
    }


def test_missing_text(text: Path) -> None:
    (text / "valid.en").unlink()
    with pytest.raises(UserError, match=r"valid\.en: there is no such file"):
        encode(text, Words(kind="words"))
    assert not (text.parent / "encoded").exists()
