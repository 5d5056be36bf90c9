import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from alpha_dimt.config import DataConfig
from alpha_dimt.config.corpora import FilesCorpus
from alpha_dimt.config.preparation import Preparation
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json, sha256, write_lines
from alpha_dimt.data.build_encoded import encode_corpus
from alpha_dimt.data.corpora import write_raw
from alpha_dimt.data.manifest import check_prepared, is_unchanged, source_of
from alpha_dimt.data.prepare import tokenise_corpus


def config_of(folder: Path, **preparation: Any) -> DataConfig:
    """Return a corpus of three pairs in the user's own files."""
    files = {side: folder / f"own.{side}" for side in ("de", "en")}
    if not files["de"].exists():
        write_lines(files["de"], ["Ein Haus.", "Ein Hund.", "Nein."])
        write_lines(files["en"], ["A house.", "A dog.", "No."])
    split = {"source": files["de"], "target": files["en"]}
    corpus = FilesCorpus(kind="files", name="own", train=split, valid=split, test=split)
    return DataConfig(corpus=corpus, preparation=Preparation(**preparation))


def prepare(config: DataConfig, root: Path) -> None:
    write_raw(config.corpus, mirrors=(), cache=root / "cache", out=root / "raw")
    tokenise_corpus(config, raw=root / "raw", out=root / "text")
    encode_corpus(config, text=root / "text", out=root / "encoded")


@pytest.fixture
def prepared(tmp_path: Path) -> tuple[DataConfig, Path]:
    config = config_of(tmp_path)
    prepare(config, tmp_path)
    return config, tmp_path


def test_each_stage_notes_what_it_read_and_wrote(prepared: tuple[DataConfig, Path]) -> None:
    config, root = prepared
    raw, text, encoded = (read_json(root / f"{s}/report.json") for s in ("raw", "text", "encoded"))
    assert raw["config"] == config.corpus.fingerprint()
    assert text["config"] == encoded["config"] == config.fingerprint()
    assert [source["path"] for source in raw["sources"]] == [
        str(root / "own.de"),
        str(root / "own.en"),
    ]
    for stage, report in (("raw", raw), ("text", text)):
        found = {path.name: sha256(path) for path in (root / stage).glob("*.[de][en]")}
        assert report["files"] == found
    assert text["made_from"] == raw["files"]
    assert encoded["made_from"].items() <= text["files"].items()
    assert len(encoded["made_from"]) == 6


@pytest.mark.parametrize("stage", ["raw", "text"])
def test_text_that_was_changed_since_is_refused(
    prepared: tuple[DataConfig, Path], stage: str
) -> None:
    config, root = prepared
    write_lines(root / stage / "valid.en", ["a house .", "a dog .", "yes ."])
    made = {
        "raw": partial(tokenise_corpus, raw=root / "raw"),
        "text": partial(encode_corpus, text=root / "text"),
    }
    with pytest.raises(UserError, match=rf"{stage}/valid\.en: this is not the file that report"):
        made[stage](config, out=root / "again")
    assert not (root / "again").exists()


def test_text_of_another_configuration_is_refused(prepared: tuple[DataConfig, Path]) -> None:
    config, root = prepared
    cased = config_of(root, lowercase="never")
    # Raw text is the same whatever becomes of it.
    tokenise_corpus(cased, raw=root / "raw", out=root / "cased")
    with pytest.raises(UserError, match="text: this text was made with another configuration"):
        encode_corpus(cased, text=root / "text", out=root / "again")
    other = config.corpus.model_copy(update={"name": "other"})
    with pytest.raises(UserError, match="raw: this text was made with another configuration"):
        tokenise_corpus(
            config.model_copy(update={"corpus": other}), raw=root / "raw", out=root / "again"
        )
    assert not (root / "again").exists()


def test_text_without_a_report_was_not_made_here(prepared: tuple[DataConfig, Path]) -> None:
    config, root = prepared
    (root / "text/report.json").unlink()
    encode_corpus(config, text=root / "text", out=root / "again")


def test_a_prepared_corpus_is_of_the_configuration_and_whole(
    prepared: tuple[DataConfig, Path],
) -> None:
    config, root = prepared
    encoded = root / "encoded"
    sums = {"train.arrow": sha256(encoded / "train.arrow")}
    check_prepared(encoded, config, sums)
    with pytest.raises(UserError, match="was not prepared with the configuration of"):
        check_prepared(encoded, config_of(root, lowercase="never"), sums)
    with pytest.raises(UserError, match=r"train\.arrow: this is not the file that report\.json"):
        check_prepared(encoded, config, {"train.arrow": "0" * 64})
    (encoded / "report.json").write_text("[]")
    with pytest.raises(UserError, match="this is not what `alpha-dimt encode` writes"):
        check_prepared(encoded, config, sums)
    (encoded / "report.json").unlink()
    with pytest.raises(UserError, match=r"it is unknown how .* was made"):
        check_prepared(encoded, config, sums)


def test_a_users_file_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "own.de"
    write_lines(path, ["Ein Haus."])
    source = source_of(path)
    assert is_unchanged(source)
    os.utime(path, (10**9, 10**9))
    assert is_unchanged(source), "only the date is another"
    shutil.copyfile(path, tmp_path / "copy")
    write_lines(path, ["Ein Hund."])
    os.utime(path, ns=(source["modified_ns"], source["modified_ns"]))
    assert not is_unchanged(source), "the same size and date"
    (tmp_path / "copy").replace(path)
    assert is_unchanged(source)
    path.unlink()
    assert not is_unchanged(source)
