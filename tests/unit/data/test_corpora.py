import gzip
import hashlib
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from alpha_dimt.config import DataConfig, Experiment, load
from alpha_dimt.config.corpora import FilesCorpus, Iwslt14Corpus, Multi30kCorpus, ToyCorpus
from alpha_dimt.config.preparation import Preparation
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_lines
from alpha_dimt.data.build_encoded import encode_corpus
from alpha_dimt.data.corpora import iwslt14, write_raw
from alpha_dimt.data.prepare import tokenise_corpus

LANGUAGES = ("de", "en")


# ------------------------------------------------------------------------------------ iwslt14


def train_tags(language: str, sentences: int) -> str:
    head = ["<url>http://talk</url>", "<keywords>a, b</keywords>", "<talkid>7</talkid>"]
    title = f"<title>Der Titel ({language})</title>"
    body = [f" Satz Nummer {number} hier. " for number in range(1, sentences + 1)]
    # A line separator and a next-line character inside sentences, and a pair that is too long.
    body[0] = " Satz\u2028mit\u0085Trennern. "
    body[1] = " Wort" * (60 if language == "de" else 61)
    return "".join(f"{line}\n" for line in [*head, title, *body])


def seg_xml(name: str) -> str:
    segments = "".join(f'<seg id="1"> Es’s {name} {n}. </seg>\n' for n in ("eins", "zwei"))
    return f'<?xml version="1.0"?>\n<doc docid="1">\n<title>T</title>\n{segments}</doc>\n'


def archive(path: Path, changes: dict[str, str] | None = None) -> Iwslt14Corpus:
    """Make an archive with the layout of the real one; return its configuration."""
    contents = {"de-en/README": "read me", "de-en/train.en": "not used"}
    for language in LANGUAGES:
        contents[iwslt14.training_member("de", "en", language)] = train_tags(language, 50)
        members = iwslt14.test_members("de", "en", language)
        for name, member in zip(iwslt14.TEST_SETS, members, strict=True):
            contents[member] = seg_xml(name)
    with tarfile.open(path, "w:gz") as tar:
        for name, text in {**contents, **(changes or {})}.items():
            info = tarfile.TarInfo(name)
            data = text.encode()
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    return Iwslt14Corpus(kind="iwslt14", size=path.stat().st_size, md5=md5)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Yield a folder and the address at which a local HTTP server serves it."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_iwslt14_from_the_archive_to_arrow(
    site: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, url = site
    corpus = archive(folder / "de-en.tgz")
    config = DataConfig(corpus=corpus, preparation=Preparation())
    raw, text, encoded = (tmp_path / name for name in ("raw", "text", "encoded"))

    mirrors = ["http://127.0.0.1:9/dead", url]
    write_raw(corpus, mirrors=mirrors, cache=tmp_path / "cache", out=raw)
    names = [f"{split}.{language}" for split in ("test", "train") for language in LANGUAGES]
    assert sorted(path.name for path in raw.iterdir()) == ["report.json", *names]
    train = read_lines(raw / "train.de")
    assert train[:2] == ["Der Titel (de)", "Satz\u2028mit\u0085Trennern."]
    assert len(train) == 51
    test = read_lines(raw / "test.en")
    assert test[:3] == [
        "Es's TED.dev2010 eins.",
        "Es's TED.dev2010 zwei.",
        "Es's TEDX.dev2012 eins.",
    ]
    assert len(test) == 10

    tokenise_corpus(config, raw=raw, out=text)
    # 51 pairs without the long one; pairs 23 and 46 of those kept are validation data.
    assert len(read_lines(text / "train.de")) == 48
    assert read_lines(text / "valid.raw.de") == [train[23], train[46]]
    assert read_lines(text / "valid.de") == ["satz nummer 23 hier .", "satz nummer 46 hier ."]
    assert read_lines(text / "test.de")[0] == "es &apos; s ted.dev2010 eins ."
    assert read_lines(text / "test.raw.de") == read_lines(raw / "test.de")
    report = json.loads((text / "report.json").read_text())
    assert report["dropped"] == {"too long": 1}
    assert report["differences"][0] == "train has 48 pairs instead of 153,326"
    warnings = capsys.readouterr().err
    for difference in report["differences"]:
        assert f"warning: {difference}" in warnings

    encode_corpus(config, text=text, out=encoded)
    assert json.loads((encoded / "report.json").read_text())["splits"]["valid"]["pairs"] == 2


def test_iwslt14_unequal_sides(tmp_path: Path) -> None:
    member = iwslt14.training_member("de", "en", "en")
    corpus = archive(tmp_path / "de-en.tgz", {member: train_tags("en", 49)})
    out = tmp_path / "raw"
    with pytest.raises(
        UserError, match=r"de-en\.tgz/de-en/train\.tags\.de-en\.de:51: .*no partner"
    ):
        write_raw(corpus, mirrors=[str(tmp_path)], cache=tmp_path / "cache", out=out)
    assert not out.exists()


# ----------------------------------------------------------------------------------- multi30k


def packed(path: Path, lines: list[str]) -> str:
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def multi30k(folder: Path) -> Multi30kCorpus:
    names = [
        f"{split}.{side}" for split in ("train", "val", "test_2016_flickr") for side in LANGUAGES
    ]
    sums = {f"{name}.gz": packed(folder / f"{name}.gz", [f"Das ist {name}."]) for name in names}
    return Multi30kCorpus(kind="multi30k", sha256=sums)


def test_multi30k(tmp_path: Path) -> None:
    corpus = multi30k(tmp_path)
    write_raw(corpus, mirrors=[str(tmp_path)], cache=tmp_path / "cache", out=tmp_path / "raw")
    assert read_lines(tmp_path / "raw" / "valid.en") == ["Das ist val.en."]
    assert read_lines(tmp_path / "raw" / "test.de") == ["Das ist test_2016_flickr.de."]


def test_multi30k_wrong_checksum(tmp_path: Path) -> None:
    corpus = multi30k(tmp_path)
    packed(tmp_path / "val.en.gz", ["Something else."])
    with pytest.raises(UserError, match=r"val\.en\.gz could not be downloaded .*the sha256 is"):
        write_raw(corpus, mirrors=[str(tmp_path)], cache=tmp_path / "cache", out=tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_multi30k_as_published(tmp_path: Path) -> None:
    folder = os.environ.get("ALPHA_DIMT_TEST_DATA")
    if not folder:
        pytest.skip("ALPHA_DIMT_TEST_DATA does not name a folder of real data")
    root = Path(__file__).parents[3]
    corpus = load(Experiment, root / "config" / "multi30k.yaml").corpus
    mirror = str(Path(folder) / "multi30k")
    write_raw(corpus, mirrors=[mirror], cache=tmp_path / "cache", out=tmp_path / "raw")
    counts = [
        len(read_lines(tmp_path / "raw" / f"{split}.en")) for split in ("train", "valid", "test")
    ]
    assert counts == [29_000, 1014, 1000]


# -------------------------------------------------------------------------------------- files


def files(folder: Path, **contents: bytes) -> FilesCorpus:
    """Write six files of one good pair each, but for those given; return the corpus."""
    splits = {}
    for split in ("train", "valid", "test"):
        splits[split] = {}
        for side in ("source", "target"):
            path = folder / f"{split}.{side}"
            path.write_bytes(contents.get(f"{split}_{side}", b"Ein Satz.\n"))
            splits[split][side] = path
    return FilesCorpus.model_validate({"kind": "files", "name": "own", **splits})


def write(corpus: FilesCorpus, folder: Path) -> Path:
    out = folder / "raw"
    write_raw(corpus, mirrors=(), cache=folder / "cache", out=out)
    return out


def test_files_of_all_kinds_of_lines(tmp_path: Path) -> None:
    source = "\ufeffEins\u2028zwei\u0085drei\r\nvier\r\nohne Ende".encode()
    corpus = files(tmp_path, train_source=source, train_target=b"1\n2\n3")
    out = write(corpus, tmp_path)
    assert read_lines(out / "train.de") == ["Eins\u2028zwei\u0085drei", "vier", "ohne Ende"]
    assert read_lines(out / "train.en") == ["1", "2", "3"]


def test_files_compressed_and_as_a_table(tmp_path: Path) -> None:
    table = tmp_path / "all.tsv.gz"
    table.write_bytes(gzip.compress(b"Ein Haus\ta house\r\nEin Hund\ta dog\n"))
    split = {"tsv": table}
    corpus = FilesCorpus.model_validate(
        {"kind": "files", "name": "own", "train": split, "valid": split, "test": split}
    )
    out = write(corpus, tmp_path)
    assert read_lines(out / "test.de") == ["Ein Haus", "Ein Hund"]
    assert read_lines(out / "test.en") == ["a house", "a dog"]


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({"train_source": b"a\nb\nc\n", "train_target": b"a\n"}, r"train\.source:2: .*no partner"),
        ({"test_source": b"a\n", "test_target": b"a\nb\n"}, r"test\.target:2: .*no partner"),
        ({"valid_target": b"ok\n"[:0]}, r"valid\.source:1: .*no partner"),
        ({"train_source": b"", "train_target": b""}, r"train\.source: the corpus is empty"),
        ({"test_target": b"gut \xff\n"}, r"test\.target:1: invalid UTF-8 at byte 4"),
        ({"valid_source": b" \t\n"}, r"valid\.source:1: this sentence is blank"),
        ({"train_source": b"gut\nna\0ja\n", "train_target": b"1\n2\n"}, r"train\.source:2: .*NUL"),
        ({"train_source": "gut\n".encode("utf-16")}, r"train\.source:1: invalid UTF-8 at byte 0"),
        ({"train_target": "good\n".encode("utf-16-le")}, r"train\.target:.*NUL|no partner"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, contents: dict[str, bytes], message: str) -> None:
    with pytest.raises(UserError, match=message):
        write(files(tmp_path, **contents), tmp_path)
    assert not (tmp_path / "raw").exists()


def test_missing_file(tmp_path: Path) -> None:
    corpus = files(tmp_path)
    (tmp_path / "valid.target").unlink()
    with pytest.raises(UserError, match=r"valid\.target: there is no such file"):
        write(corpus, tmp_path)


@pytest.mark.parametrize("line", ["no tab", "two\ttabs\there"])
def test_table_with_a_bad_line(tmp_path: Path, line: str) -> None:
    table = tmp_path / "all.tsv"
    table.write_text(f"ein\tone\n{line}\n")
    split = {"tsv": table}
    corpus = FilesCorpus.model_validate(
        {"kind": "files", "name": "own", "train": split, "valid": split, "test": split}
    )
    with pytest.raises(UserError, match=r"all\.tsv:2: .*one tab"):
        write(corpus, tmp_path)


# ---------------------------------------------------------------------------------------- toy


def test_toy(tmp_path: Path) -> None:
    corpus = ToyCorpus(kind="toy", train=20, valid=5, test=6)
    write_raw(corpus, mirrors=(), cache=tmp_path / "cache", out=tmp_path / "raw")
    counts = [
        len(read_lines(tmp_path / "raw" / f"{split}.en")) for split in ("train", "valid", "test")
    ]
    assert counts == [20, 5, 6]
    assert not (tmp_path / "cache").exists()
