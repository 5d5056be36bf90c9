"""For any bytes, a parser returns a value or raises one `UserError`, and nothing else."""

import gzip
import io
import json
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from copy_task import experiment, write_corpus
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tracked_runs import make_run

from alpha_dimt.config import DataConfig, Experiment, RunConfig, load, load_all
from alpha_dimt.config.corpora import FilesCorpus
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json, read_lines
from alpha_dimt.core.vocabulary import SPECIALS, Vocab
from alpha_dimt.data.aligned import read_pairs as read_texts
from alpha_dimt.data.archive import read_members
from alpha_dimt.data.corpora import iwslt14, write_raw
from alpha_dimt.data.detokenise import detokenise
from alpha_dimt.data.encoded import AugmentedCorpus, read_pairs
from alpha_dimt.evaluation.score_files import print_scores
from alpha_dimt.runs.read import read_run
from alpha_dimt.tracking.records import epoch_points, read_run_record

# The folder of a test is used by all of its examples, one after the other.
SHARED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# Text in which odd characters are frequent, and bytes that are not text.
ODD = st.sampled_from(["\ufeff", "\0", "\r", "\u2028", "\u0085", "\t", "\n", '<seg id="1">', "&a;"])
BYTES = st.binary(max_size=200) | st.lists(ODD | st.text(max_size=8)).map(
    lambda parts: "".join(parts).encode(errors="surrogatepass")
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)


def one_sentence(parser: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call a parser; a `UserError` is fine if it is one line, any other exception is not."""
    try:
        return parser(*arguments, **named)
    except UserError as error:
        message = str(error)
    assert "\n" not in message
    return None


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("parser", [read_lines, read_json, Vocab.load, epoch_points])
@SHARED
@given(content=BYTES, packed=st.booleans())
def test_readers_of_one_file(
    tmp_path: Path, parser: Callable[[Path], Any], suffix: str, content: bytes, packed: bool
) -> None:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(gzip.compress(content) if packed else content)
    one_sentence(parser, path)


@SHARED
@given(words=st.lists(st.text(max_size=4)))
def test_a_vocabulary_is_read_as_it_stands_or_not_at_all(tmp_path: Path, words: list[str]) -> None:
    path = tmp_path / "vocab.txt"
    lines = [*SPECIALS, *(word.replace("\n", "") for word in words)]
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(errors="replace"))
    vocab = one_sentence(Vocab.load, path)
    if vocab:
        assert list(vocab.tokens) == read_lines(path)
        assert vocab.encode(vocab.tokens[4:]) == list(range(4, len(vocab)))


@SHARED
@given(source=BYTES, target=BYTES)
def test_parallel_text(tmp_path: Path, source: bytes, target: bytes) -> None:
    (tmp_path / "s").write_bytes(source)
    (tmp_path / "t").write_bytes(target)
    sides = one_sentence(read_texts, tmp_path / "s", tmp_path / "t")
    if sides:
        assert len(sides[0]) == len(sides[1]) > 0
    one_sentence(print_scores, tmp_path / "s", [tmp_path / "t"], as_json=False)


@SHARED
@given(content=BYTES)
@example("ein\tone\r\n\ufeffzwei\ttwo".encode())
def test_a_table_of_pairs(tmp_path: Path, content: bytes) -> None:
    table = {"tsv": tmp_path / "all.tsv"}
    table["tsv"].write_bytes(content)
    corpus = FilesCorpus.model_validate(
        {"kind": "files", "name": "own", "train": table, "valid": table, "test": table}
    )
    out = tmp_path / "raw"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        one_sentence(write_raw, corpus, mirrors=(), cache=out, out=out)
        if (out / "test.en").exists():
            sides = [read_lines(out / f"test.{language}") for language in ("de", "en")]
            rows = ["\t".join(pair) for pair in zip(*sides, strict=True)]
            assert all(line.strip() for side in sides for line in side)
            assert len(rows) == len(read_lines(table["tsv"]))


@given(lines=st.lists(ODD | st.text(max_size=20)))
def test_tags_of_the_archive(lines: list[str]) -> None:
    one_sentence(iwslt14.test_segments, lines, "x.xml")
    assert len(iwslt14.training_segments(lines)) <= len(lines)


def good_archive() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("de-en/a", "de-en/ü", "n" * 120):
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"abc"))
    return content.getvalue()


GOOD_ARCHIVE = good_archive()
DAMAGE = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4)


def damaged(content: bytes, damage: list[tuple[float, int]], kept: float = 1.0) -> bytes:
    """Return content with some bytes replaced and its end truncated."""
    changed = bytearray(content)
    for place, value in damage:
        changed[int(place * len(changed))] = value
    return bytes(changed[: round(kept * len(changed))])


@SHARED
@given(damage=DAMAGE, kept=st.floats(0, 1), packed=st.booleans())
def test_damaged_archives(
    tmp_path: Path, damage: list[tuple[float, int]], kept: float, packed: bool
) -> None:
    path = tmp_path / "a.tgz"
    if packed:
        path.write_bytes(gzip.compress(damaged(GOOD_ARCHIVE, damage, kept)))
    else:
        path.write_bytes(damaged(gzip.compress(GOOD_ARCHIVE), damage, kept))
    contents = one_sentence(read_members, path, ["de-en/a"], 2**20)
    assert contents is None or contents.keys() == {"de-en/a"}


DRAWN = experiment().augment_config("raml", 1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), train=20)


@SHARED
@given(damage=DAMAGE, kept=st.just(1.0) | st.floats(0, 1))
def test_damaged_splits(corpus: Path, damage: list[tuple[float, int]], kept: float) -> None:
    good = (corpus / "train.arrow").read_bytes()
    # A new file each time: memory-mapped files must not change.
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "train.arrow"
        path.write_bytes(damaged(good, damage, kept))
        pairs = one_sentence(read_pairs, path.parent, "train")
        if pairs:
            vocab = Vocab.load(corpus / "vocab.de.txt")
            with suppress(UserError):
                pairs.check_vocabularies(path, source=vocab, target=vocab)
                assert all(len(text.split(" ")) for text in pairs.source_text)
        targets = read_pairs(corpus, "train").target
        with suppress(UserError):
            AugmentedCorpus(path, targets=targets, words=14, config=DRAWN)[0]


@SHARED
@given(values=JSON | st.dictionaries(st.sampled_from(sorted(Experiment.model_fields)), JSON))
def test_configurations_of_any_values(tmp_path: Path, values: Any) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    for section in (Experiment, DataConfig, RunConfig):
        one_sentence(load, section, path)


# A configuration with a single odd part is parsed further than one that is odd all over.
PART = st.sampled_from(
    [
        "no",
        "1e3",
        "~",
        "",
        ".inf",
        "-.nan",
        "2020-01-02",
        "1:30",
        "010",
        "*a",
        "<<: *a",
        "{",
        "[",
        "x",
    ]
) | st.text(max_size=6)


@SHARED
@given(
    key=st.sampled_from(sorted(Experiment.model_fields)) | st.text(max_size=6),
    parts=st.lists(st.tuples(PART, PART), max_size=3),
)
@example(key="seeds", parts=[("3", "")])
@example(key="\n", parts=[])
@example(key="systems", parts=[("a", "{objective: ml}"), ("a", "{objective: ml}")])
def test_configurations_with_one_odd_section(
    tmp_path: Path, key: str, parts: list[tuple[str, str]]
) -> None:
    path = tmp_path / "config.yaml"
    odd = "".join(f"  {name}: {value}\n" for name, value in parts)
    path.write_text(
        f"corpus: {{kind: toy}}\nsystems: {{ml: {{objective: ml}}}}\n{key}:\n{odd}",
        encoding="utf-8",
        errors="replace",
    )
    one_sentence(load, Experiment, path)
    path.write_text("corpus: {kind: toy}\nsystems: {ml: {objective: ml}}\n", encoding="utf-8")
    value = ", ".join(f"{name}: {value}" for name, value in parts)
    one_sentence(load_all, Experiment, [path], [f"{key}={{{value}}}", f"model={value}"])


@pytest.mark.parametrize("suffix", ["yaml", "json"])
@SHARED
@given(content=BYTES)
@example(b"a: 2020-99-99")
@example(b'{"a": 1, "a": 2}')
@example(b'{"corpus": {"kind": "toy"}, "systems": {"a": {"objective": "ml"}}, "seeds": NaN}')
@example(b"[" * 3000)
@example(b"{a: " * 3000)
@example(b"a: " + b"9" * 5000)
@example(b"a: &a [*a]")
@example(b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]")
@example(b"a: !!python/object/apply:os.system [ls]")
def test_configurations_of_any_text(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"config.{suffix}"
    path.write_bytes(content)
    one_sentence(load, Experiment, path)


@SHARED
@given(
    name=st.sampled_from(["config.json", "run.json", "scores/test.beam.json", "metrics.jsonl"]),
    change=st.tuples(st.lists(st.integers(0, 9), max_size=3), JSON),
)
def test_runs_with_anything_in_their_files(
    tmp_path: Path, name: str, change: tuple[list[int], Any]
) -> None:
    run = tmp_path / "runs" / "ml" / "seed1"
    if not run.exists():
        make_run(tmp_path, "ml", 1)
    before = (run / name).read_bytes()
    steps, value = change
    line = (run / name).read_text().split("\n")[0] if name == "metrics.jsonl" else None
    whole = json.loads(line or (run / name).read_text())
    here, last = {"": whole}, ""
    for step in steps:
        if not isinstance(here[last], dict) or not here[last]:
            break
        here = here[last]
        last = sorted(here)[step % len(here)]
    if last:
        here[last] = value
    else:
        whole = value
    (run / name).write_text(json.dumps(whole) + "\n")
    one_sentence(read_run_record, run, None)
    one_sentence(read_run, run)
    (run / name).write_bytes(before)


@settings(deadline=None)
@given(lines=st.lists(ODD | st.text(max_size=20)), language=st.sampled_from(["de", "en", "xyz"]))
def test_detokenising_keeps_the_number_of_lines(lines: list[str], language: str) -> None:
    assert len(detokenise(lines, language)) == len(lines)
