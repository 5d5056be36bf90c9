from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from copy_task import LETTERS, experiment, write_corpus

from alpha_dimt.config import AugmentConfig
from alpha_dimt.config.proposals import Proposal
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.vocabulary import Vocab
from alpha_dimt.data.draw_candidates import augment_corpus, write_slices
from alpha_dimt.data.encoded import AugmentedCorpus, read_pairs

WORDS = 4 + len(LETTERS)
K = 2


@pytest.fixture
def encoded(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "encoded", train=50)


def table(path: Path) -> pa.Table:
    return pa.ipc.open_file(str(path)).read_all()


def write(path: Path, changed: pa.Table) -> None:
    path.unlink(missing_ok=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, changed.schema) as writer:
        writer.write_table(changed)


def column(name: str, values: Callable[[list[Any]], list[Any]], kind: pa.DataType | None = None):
    """Return a change of one column of a table."""

    def change(before: pa.Table) -> pa.Table:
        index = before.schema.get_field_index(name)
        new = pa.array(values(before[name].to_pylist()), kind or before[name].type)
        return before.set_column(index, name, new)

    return change


def lying_offsets(before: pa.Table) -> pa.Table:
    lists = before["source"].combine_chunks()
    offsets = lists.offsets.to_numpy().copy()
    offsets[5] = offsets[-1] - 1  # and the next is smaller
    buffers = [None, pa.py_buffer(offsets.tobytes())]
    lie = pa.Array.from_buffers(lists.type, len(lists), buffers, children=[lists.values])
    return before.set_column(0, "source", lie)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda before: before.drop_columns(["target_text"]), "its columns are"),
        (
            lambda before: before.select(["target", "source", "source_text", "target_text"]),
            "column",
        ),
        (lambda before: before.slice(0, 0), "no sentence"),
        (
            column("source", lambda rows: [str(row) for row in rows], pa.string()),
            "source is string",
        ),
        (column("target", lambda rows: [None, *rows[1:]]), "target has nulls"),
        (column("target", lambda rows: [[None, *rows[0][1:]], *rows[1:]]), "target has nulls"),
        (column("source", lambda rows: [[-1, *rows[0][1:]], *rows[1:]]), "negative ids"),
        (column("source", lambda rows: [rows[0][1:], *rows[1:]]), "differ in numbers of tokens"),
        (column("source_text", lambda rows: ["", *rows[1:]]), "differ in numbers of tokens"),
        (lying_offsets, "[Oo]ffset"),
    ],
)
def test_a_split_that_is_not_what_it_claims(
    encoded: Path, change: Callable[[pa.Table], pa.Table], reason: str
) -> None:
    path = encoded / "train.arrow"
    write(path, change(table(path)))
    with pytest.raises(UserError, match=rf"train\.arrow: this is not what .* writes \(.*{reason}"):
        read_pairs(encoded, "train")


@pytest.mark.parametrize("kept", [0, 7, 500, -1, -100])
def test_a_split_that_was_cut_off(encoded: Path, kept: int) -> None:
    path = encoded / "train.arrow"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match="this is not what `alpha-dimt encode` writes"):
        read_pairs(encoded, "train")


def test_no_split_at_all(encoded: Path) -> None:
    with pytest.raises(UserError, match="there is no such file; `alpha-dimt encode` makes it"):
        read_pairs(encoded, "other")
    (encoded / "folder.arrow").mkdir()
    with pytest.raises(UserError, match="this is not what"):
        read_pairs(encoded, "folder")


@pytest.mark.parametrize(
    "words", [LETTERS[:-1], LETTERS[::-1], "klmnopqrst"], ids=["smaller", "other order", "others"]
)
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_vocabulary_of_another_corpus(encoded: Path, side: str, words: str) -> None:
    pairs, right = read_pairs(encoded, "train"), Vocab(LETTERS)
    path = encoded / "train.arrow"
    pairs.check_vocabularies(path, source=right, target=right)
    vocabularies = {"source": right, "target": right, side: Vocab(words)}
    with pytest.raises(UserError, match=rf"train\.arrow: the {side} ids do not match"):
        pairs.check_vocabularies(path, **vocabularies)


def drawn_with(**proposal: Any) -> AugmentConfig:
    section = Proposal.model_validate({"candidates": K, "slices": 1, **proposal})
    return experiment().model_copy(update={"proposal": section}).augment_config("raml", 1)


@pytest.fixture
def candidates(encoded: Path, tmp_path: Path) -> Path:
    augment_corpus(drawn_with(), encoded=encoded, out=tmp_path / "seed1.arrow")
    return tmp_path / "seed1.arrow"


def first_slice(path: Path, encoded: Path, config: AugmentConfig | None = None) -> None:
    targets = read_pairs(encoded, "train").target
    AugmentedCorpus(path, targets=targets, words=WORDS, config=config or drawn_with())[0]


def edited(token: int) -> Callable[[list[Any]], list[Any]]:
    """Return a change of every first entry."""
    return lambda rows: [[token, *row[1:]] if row else row for row in rows]


def test_right_candidates(candidates: Path, encoded: Path) -> None:
    first_slice(candidates, encoded)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (column("tokens", edited(WORDS)), "not in the vocabulary"),
        (column("tokens", edited(-2)), "not in the vocabulary"),
        (column("positions", edited(99)), "outside the sentences"),
        (column("positions", edited(-1)), "outside the sentences"),
        (column("positions", lambda rows: [[*row, 1] for row in rows]), "differ in number"),
        (column("reward", lambda rows: [float("nan"), *rows[1:]]), "not finite"),
        (column("log_q0", lambda rows: [float("-inf"), *rows[1:]]), "not finite"),
        (column("reward", lambda rows: [None, *rows[1:]]), "reward has nulls"),
        (column("reward", lambda rows: ["1"] * len(rows), pa.string()), "reward is string"),
        (lambda before: before.slice(0, 99), "has 99 candidates a slice, but 50"),
        (lambda before: before.drop_columns(["log_q0"]), "its columns are"),
        (lambda before: before.slice(0, 0), "no candidates|has 0 candidates"),
    ],
)
def test_candidates_that_are_not_what_they_claim(
    candidates: Path, encoded: Path, change: Callable[[pa.Table], pa.Table], reason: str
) -> None:
    write(candidates, change(table(candidates)))
    with pytest.raises(UserError, match=rf"seed1\.arrow: this is not what .*{reason}"):
        first_slice(candidates, encoded)


def test_candidates_of_another_corpus_of_the_same_size(candidates: Path, encoded: Path) -> None:
    pairs = table(encoded / "train.arrow")
    order = np.random.default_rng(1).permutation(len(pairs))
    write(encoded / "train.arrow", pairs.take(order).combine_chunks())
    with pytest.raises(UserError, match="edits of other references"):
        first_slice(candidates, encoded)


def test_another_number_of_candidates(candidates: Path, encoded: Path) -> None:
    fewer = drawn_with(candidates=4)
    with pytest.raises(UserError, match="drawn with another configuration"):
        first_slice(candidates, encoded, fewer)
    # Another file under the right name.
    targets, slices = read_pairs(encoded, "train").target, pa.ipc.open_file(candidates)
    other = candidates.with_name("other.arrow")
    write_slices(other, targets, fewer, [slices.get_batch(0)])
    with pytest.raises(UserError, match="50 references with 4 each need 200"):
        first_slice(other, encoded, fewer)


def test_ids_without_a_word_anywhere_in_the_file(
    encoded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alpha_dimt.data.encoded._SAMPLE", 0)
    pairs, right = read_pairs(encoded, "train"), Vocab(LETTERS)
    with pytest.raises(UserError, match=r"train\.arrow: the target ids do not match"):
        pairs.check_vocabularies(encoded / "train.arrow", source=right, target=Vocab(LETTERS[:-1]))
