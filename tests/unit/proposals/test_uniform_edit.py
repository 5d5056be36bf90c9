import itertools
import math
from collections import Counter

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
from hypothesis import given
from hypothesis import strategies as st

from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import BOS, EOS, UNK
from alpha_dimt.proposals.substitutes import Uniform
from alpha_dimt.proposals.uniform_edit import UniformEdit, distinct_positions, max_edits

SENTENCE = st.lists(st.integers(1, 8).filter(lambda t: t not in (2, 3)), max_size=12)


@pytest.mark.parametrize(
    ("length", "expected"), [(1, 0), (4, 0), (5, 1), (9, 1), (10, 2), (15, 3), (35, 7), (50, 10)]
)
def test_most_edits_is_the_floor_of_a_fifth(length: int, expected: int) -> None:
    assert max_edits(np.array([length]), 0.2).tolist() == [expected]


def test_every_subset_is_equally_likely() -> None:
    n = 60_000
    rows = distinct_positions(np.full(n, 5), np.full(n, 3), np.random.default_rng(2))
    counts = Counter(map(tuple, rows.values.reshape(n, 3).tolist()))
    assert set(counts) == set(itertools.combinations(range(5), 3))
    assert max(abs(c - n / 10) for c in counts.values()) < 5 * math.sqrt(n * 0.09)


@given(st.lists(SENTENCE, min_size=1), st.integers(0, 2**31 - 1), st.booleans())
def test_edits_are_inside_distinct_and_ordinary(
    rows: list[list[int]], seed: int, quirks: bool
) -> None:
    targets = Ragged.from_rows(rows)
    distribution = UniformEdit(Uniform(5), 0.5, quirks)
    edits = distribution.draw(targets, np.random.default_rng(seed))
    for index, row in enumerate(rows):
        positions, tokens = edits.positions.row(index), edits.tokens.row(index)
        assert (np.diff(positions) > 0).all()
        frame = 0 if quirks else 1
        assert len(positions) <= 0.5 * (len(row) + 2 * (not frame))
        assert ((positions >= frame) & (positions <= len(row) + 1 - frame)).all()
        assert (tokens >= 4).all()
        assert (np.array([BOS, *row, EOS])[positions] != tokens).all()
    assert np.array_equal(edits.log_q0, distribution.log_prob(targets, edits.apply(targets)))


@pytest.mark.parametrize("quirks", [False, True])
@pytest.mark.parametrize("kind", SUBSTITUTES)
def test_log_q0_sums_to_one_and_is_what_is_drawn(kind: str, quirks: bool) -> None:
    reference = REFERENCE[1:] if quirks else REFERENCE
    candidates = of_length(len(reference))
    if quirks:
        candidates = [
            (first, *y[1:-1], last)
            for y in candidates
            for first in (BOS, *WORDS)
            for last in (EOS, *WORDS)
        ]
    distribution = UniformEdit(substitutes(kind), 0.5, quirks)
    assert total(log_probs(distribution, reference, candidates)) == pytest.approx(1, abs=1e-9)
    assert_drawn_as_told(distribution, reference, candidates)


def test_log_q0_is_the_formula() -> None:
    support = log_probs(UniformEdit(Uniform(4), 0.5, False), (4, 5, UNK, 4), of_length(4))
    # E is 2; one of 6 pairs of positions; 3 other words, but 4 for <unk>.
    for inner, expected in (
        ((4, 5, UNK, 4), -math.log(3)),
        ((4, 6, UNK, 4), -math.log(3) - math.log(4) - math.log(3)),
        ((4, 6, 7, 4), -math.log(3) - math.log(6) - math.log(3) - math.log(4)),
    ):
        assert support[(BOS, *inner, EOS)] == pytest.approx(expected, abs=1e-12)
    assert (BOS, 5, 6, 7, 4, EOS) not in support


def test_what_cannot_be_drawn_has_no_probability() -> None:
    distribution = UniformEdit(Uniform(4), 0.5, False)
    for y in (
        (BOS, EOS),
        (BOS, 4, 5, UNK, 4, 4, EOS),
        (4, 4, 5, UNK, 4, EOS),
        (BOS, 4, 5, 1, 4, 5),
    ):
        assert log_probs(distribution, REFERENCE, [y]) == {}
