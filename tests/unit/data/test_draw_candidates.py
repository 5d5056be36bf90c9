import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from copy_task import experiment, write_corpus
from pydantic import ValidationError

from alpha_dimt.config.proposals import Proposal
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import UNK, Vocab
from alpha_dimt.data.batching import candidate_batch
from alpha_dimt.data.draw_candidates import augment_corpus, draw_slice
from alpha_dimt.data.encoded import AugmentedCorpus, read_pairs
from alpha_dimt.rewards import reward

TARGETS = Ragged.from_rows(
    [
        [4 + (7 * i + j * j) % 50 if (i + j) % 9 else UNK for j in range(1 + i % 37)]
        for i in range(200)
    ]
)
VOCAB_SIZE = 54
EVERYTHING = {
    "kind": "mixture",
    "parts": [
        {"weight": 1, "distribution": {"kind": kind, "substitutes": substitutes}}
        for kind, substitutes in (
            ("edit_distance", "unigram"),
            ("ngram", "block"),
            ("uniform_edit", "uniform"),
        )
    ],
}


def drawn(index: int = 2, **proposal: object) -> pa.RecordBatch:
    return draw_slice(
        TARGETS,
        Proposal.model_validate({"candidates": 3, **proposal}),
        vocab_size=VOCAB_SIZE,
        seed=1,
        index=index,
    )


def test_the_candidates_of_the_default_proposal_stay_what_they_are() -> None:
    batch = drawn()
    digest = hashlib.sha256()
    for name in ("positions", "tokens"):
        column = batch.column(name)
        for part in (column.offsets, column.values):
            digest.update(np.asarray(part, dtype="<i8").tobytes())
    assert digest.hexdigest()[:32] == "d2abb35604d6c30f1686579882fb9730"
    assert batch.column("log_q0").to_numpy().sum() == pytest.approx(-6462.685769782651, abs=1e-9)
    assert batch.column("insert_tokens").values.to_pylist() == []


def test_slices_are_independent_and_repeatable() -> None:
    section = {"distribution": EVERYTHING}
    assert drawn(**section).equals(drawn(**section))
    assert not drawn(**section).equals(drawn(index=3, **section))


@pytest.mark.parametrize("name", ["hamming", "edit_distance", "bleu", "gleu"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    encoded = write_corpus(tmp_path / "encoded", train=50)
    proposal = Proposal.model_validate(
        {"distribution": EVERYTHING, "candidates": 4, "slices": 2, "reward": name}
    )
    config = experiment().model_copy(update={"proposal": proposal}).augment_config("raml", 7)
    augment_corpus(config, encoded=encoded, out=tmp_path / "seed7.arrow")
    pairs = read_pairs(encoded, "train")
    corpus = AugmentedCorpus(
        tmp_path / "seed7.arrow", targets=pairs.target, words=14, config=config
    )
    assert len(corpus) == 2
    references = pairs.target.take(np.repeat(np.arange(50), 4))
    batch = candidate_batch(pairs, corpus[1], np.arange(50))
    sentences = [
        row[1:length].tolist()
        for row, length in zip(batch.target, batch.target_lengths, strict=True)
    ]
    expected = reward(name, Ragged.from_rows(sentences), references)  # type: ignore[arg-type]
    assert batch.reward.ravel() == pytest.approx(expected, abs=1e-6)
    same = [y == references.row(i).tolist() for i, y in enumerate(sentences)]
    assert batch.reference.ravel().tolist() == same
    assert len(set(batch.target_lengths - references.lengths)) > 2
    assert np.isfinite(batch.log_q0).all()


def test_one_word_cannot_be_replaced_by_another(tmp_path: Path) -> None:
    config = experiment().augment_config("raml", 1)
    encoded = write_corpus(tmp_path / "encoded", train=5)
    Vocab(["a"]).save(encoded / "vocab.en.txt")
    with pytest.raises(UserError, match=r"vocab\.en\.txt: a proposal replaces words by others"):
        augment_corpus(config, encoded=encoded, out=tmp_path / "seed1.arrow")
    assert not (tmp_path / "seed1.arrow").exists()


def test_the_reference_can_be_the_first_candidate() -> None:
    section = {"distribution": {"kind": "uniform_edit"}}
    plain, batch = drawn(**section), drawn(**section, include_reference=True)
    first = np.arange(len(TARGETS) * 3) % 3 == 0
    edits = batch.column("positions").value_lengths().to_numpy()
    assert (edits[first] == 0).all()
    log_q0 = batch.column("log_q0").to_numpy()
    # Of the paper's proposal: no edit is one of E + 1 numbers of edits.
    most = np.floor(0.2 * TARGETS.lengths + 1e-9)
    assert log_q0[first] == pytest.approx(-np.log(most + 1))
    assert (batch.column("reward").to_numpy()[first] == 0).all()
    others = pa.array(~first)
    assert batch.filter(others).equals(plain.filter(others))


def test_a_proposal_that_never_draws_the_reference_is_refused() -> None:
    with pytest.raises(ValidationError, match="can draw the reference"):
        drawn(distribution={"kind": "ngram"}, include_reference=True)
