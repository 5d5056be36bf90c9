import math

import numpy as np
import pytest
from enumeration import (
    REFERENCE,
    SUBSTITUTES,
    assert_drawn_as_told,
    framed,
    log_probs,
    of_length,
    substitutes,
    total,
)
from hypothesis import given
from hypothesis import strategies as st

from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import UNK
from alpha_dimt.proposals.ngram import Ngram
from alpha_dimt.proposals.substitutes import Uniform


@pytest.mark.parametrize("max_n", [1, 3, 6])
@pytest.mark.parametrize("kind", SUBSTITUTES)
def test_log_q0_sums_to_one_and_is_what_is_drawn(kind: str, max_n: int) -> None:
    distribution = Ngram(substitutes(kind), max_n)
    candidates = of_length(len(REFERENCE))
    assert total(log_probs(distribution, REFERENCE, candidates)) == pytest.approx(1, abs=1e-9)
    assert_drawn_as_told(distribution, REFERENCE, candidates)


def test_log_q0_is_the_formula() -> None:
    support = log_probs(Ngram(Uniform(4), 3), REFERENCE, of_length(4))
    bigram = framed((4, 6, 7, 4))  # n is 1, 2 or 3; 3 starts; 3 words for 5 and 4 for <unk>
    assert support[bigram] == pytest.approx(-math.log(3 * 3 * 3 * 4))
    for impossible in (REFERENCE, (5, 5, UNK, 5), (5, 6, 4, 5)):  # none, not a span, too long
        assert framed(impossible) not in support


def test_nothing_can_be_done_to_nothing() -> None:
    assert log_probs(Ngram(Uniform(4), 4), (), [framed(())]) == {framed(()): 0.0}


@given(
    st.lists(st.lists(st.integers(4, 8), max_size=9), min_size=1),
    st.integers(1, 5),
    st.integers(0, 99),
)
def test_a_span_of_other_words(rows: list[list[int]], max_n: int, seed: int) -> None:
    targets = Ragged.from_rows(rows)
    distribution = Ngram(Uniform(5), max_n)
    edits = distribution.draw(targets, np.random.default_rng(seed))
    for index, row in enumerate(rows):
        positions = edits.positions.row(index)
        assert min(1, len(row)) <= len(positions) <= min(max_n, len(row))
        assert (np.diff(positions) == 1).all()
        assert ((positions >= 1) & (positions <= len(row))).all()
        assert (np.array([0, *row])[positions] != edits.tokens.row(index)).all()
    assert np.array_equal(edits.log_q0, distribution.log_prob(targets, edits.apply(targets)))
