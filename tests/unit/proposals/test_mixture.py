import numpy as np
import pytest
from enumeration import (
    REFERENCE,
    SUBSTITUTES,
    WORDS,
    assert_drawn_as_told,
    log_probs,
    of_length,
    substitutes,
    total,
)

from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import BOS, EOS
from alpha_dimt.proposals import Block
from alpha_dimt.proposals.edit_distance import EditDistance
from alpha_dimt.proposals.hamming_payoff import HammingPayoff
from alpha_dimt.proposals.mixture import Mixture
from alpha_dimt.proposals.ngram import Ngram
from alpha_dimt.proposals.substitutes import Uniform
from alpha_dimt.proposals.uniform_edit import UniformEdit


@pytest.mark.parametrize("kind", SUBSTITUTES)
def test_log_q0_sums_to_one_and_is_what_is_drawn(kind: str) -> None:
    words = substitutes(kind)
    mixture = Mixture(
        (
            UniformEdit(words, 0.5, reference_quirks=True),
            Ngram(Uniform(len(WORDS)), 2),
            HammingPayoff(words, 1.0, rescale=False),
        ),
        np.array([0.5, 0.2, 0.3]),
    )
    reference = REFERENCE[1:]
    candidates = [
        (first, *y[1:-1], last)
        for y in of_length(len(reference))
        for first in (BOS, *WORDS)
        for last in (EOS, *WORDS)
    ]
    assert total(log_probs(mixture, reference, candidates)) == pytest.approx(1, abs=1e-9)
    assert_drawn_as_told(mixture, reference, candidates)


def test_parts_with_insertions_mix_with_parts_without() -> None:
    mixture = Mixture(
        (EditDistance(Uniform(len(WORDS)), 0.05, 0.2, 0.2), Ngram(Uniform(len(WORDS)), 2)),
        np.array([0.6, 0.4]),
    )
    candidates = [y for n in range(6) for y in of_length(n)]
    assert 0.99 < total(log_probs(mixture, REFERENCE[:3], candidates)) < 1
    assert_drawn_as_told(mixture, REFERENCE[:3], candidates)


def test_each_row_keeps_its_own_block() -> None:
    rng = np.random.default_rng(0)
    targets = Ragged.from_rows([[4, 5], [6, 7]] * 200)
    block = Block(Ragged.from_rows([[4, 5], [6, 7]]), np.arange(400) % 2)
    mixture = Mixture((Ngram(block, 1), UniformEdit(block, 0.5, False)), np.array([0.5, 0.5]))
    edits = mixture.draw(targets, rng)
    for index, tokens in enumerate(edits.tokens.row(i) for i in range(400)):
        assert set(tokens.tolist()) <= ({4, 5} if index % 2 == 0 else {6, 7})
    assert np.isfinite(edits.log_q0).all()
