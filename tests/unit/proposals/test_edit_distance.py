import math

import numpy as np
import pytest
from enumeration import (
    SUBSTITUTES,
    Sentence,
    assert_drawn_as_told,
    framed,
    log_probs,
    of_length,
    substitutes,
    total,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import BOS, EOS, UNK
from alpha_dimt.proposals import frame
from alpha_dimt.proposals.edit_distance import EditDistance
from alpha_dimt.proposals.substitutes import Uniform

REFERENCE = (4, UNK, 4)
LONGEST = 6


def length_distribution(m: int, insert: float, delete: float) -> list[float]:
    """Return P(n words) for n up to LONGEST: what is not deleted, and m + 1 geometric numbers."""
    kept = [math.comb(m, k) * (1 - delete) ** k * delete ** (m - k) for k in range(m + 1)]
    new = [math.comb(m + k, k) * (1 - insert) ** (m + 1) * insert**k for k in range(LONGEST + 1)]
    return [sum(kept[k] * new[n - k] for k in range(min(m, n) + 1)) for n in range(LONGEST + 1)]


@pytest.mark.parametrize(
    "rates", [(0.1, 0.2, 0.3), (0.0, 0.3, 0.2), (0.2, 0.0, 0.0), (0.1, 0.4, 0.6)]
)
@pytest.mark.parametrize("kind", SUBSTITUTES)
def test_log_q0_sums_to_the_probability_of_each_length(
    kind: str, rates: tuple[float, float, float]
) -> None:
    distribution = EditDistance(substitutes(kind), *rates)
    for n, expected in enumerate(length_distribution(len(REFERENCE), *rates[:2])):
        found = total(log_probs(distribution, REFERENCE, of_length(n)))
        assert found == pytest.approx(expected, abs=1e-9)


def test_the_lengths_add_up_to_one() -> None:
    # The support has no longest candidate; what lies beyond 6 words vanishes with `insert`.
    tails = [1 - sum(length_distribution(3, insert, 0.2)) for insert in (0.1, 0.05, 0.025)]
    assert tails[0] < 0.01
    assert tails[0] > 8 * tails[1] > 64 * tails[2] > 0


@pytest.mark.parametrize("kind", SUBSTITUTES)
def test_what_is_drawn(kind: str) -> None:
    distribution = EditDistance(substitutes(kind), 0.05, 0.2, 0.2)
    candidates = [y for n in range(LONGEST) for y in of_length(n)]
    assert_drawn_as_told(distribution, REFERENCE, candidates)


def by_hand(reference: Sentence, candidate: Sentence, rates: tuple[float, float, float]) -> float:
    """Return ln q0 with 5 uniform words, by the recursion over both sentences."""
    insert, delete, substitute = rates
    table: dict[tuple[int, int], float] = {}
    for i in range(len(reference) + 1):
        for j in range(len(candidate) + 1):
            terms = [0.0] if i == j == 0 else []
            word = candidate[j - 1] if j else 0
            if j and word >= 4:
                terms.append(table[i, j - 1] + math.log(insert / 5))
            if i:
                terms.append(table[i - 1, j] + math.log(delete))
            if i and j:
                other = reference[i - 1]
                chance = substitute / (5 - (other >= 4)) if word >= 4 else 0.0
                chance = 1 - delete - substitute if word == other else chance
                if chance:
                    terms.append(table[i - 1, j - 1] + math.log(chance))
            top = max(terms, default=-math.inf)
            table[i, j] = (
                top + math.log(math.fsum(math.exp(t - top) for t in terms))
                if top > -math.inf
                else -math.inf
            )
    return table[len(reference), len(candidate)] + (len(reference) + 1) * math.log(1 - insert)


ANY = st.lists(st.sampled_from([1, 4, 5, 6, 7, 8]), max_size=7)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(ANY, ANY), min_size=1, max_size=6))
def test_any_candidate_has_its_probability(pairs: list[tuple[list[int], list[int]]]) -> None:
    rates = (0.1, 0.2, 0.3)
    references, candidates = (Ragged.from_rows(list(side)) for side in zip(*pairs, strict=True))
    found = EditDistance(Uniform(5), *rates).log_prob(references, frame(candidates))
    expected = [by_hand(tuple(a), tuple(b), rates) for a, b in pairs]
    assert np.allclose(found, expected, rtol=1e-11, atol=1e-11)


def test_unlikely_candidates_do_not_underflow() -> None:
    rates = (0.01, 0.01, 0.01)
    pairs = [((4,) * 3, (5,) * 400), ((4,) * 200, ()), ((4, 5) * 90, (5, 6) * 90)]
    references, candidates = (
        Ragged.from_rows([list(y) for y in s]) for s in zip(*pairs, strict=True)
    )
    found = EditDistance(Uniform(5), *rates).log_prob(references, frame(candidates))
    assert found.tolist() == pytest.approx([by_hand(a, b, rates) for a, b in pairs], rel=1e-11)
    assert found.min() < -1000


def test_a_candidate_may_be_empty() -> None:
    distribution = EditDistance(Uniform(4), 0.0, 1.0, 0.0)
    targets = Ragged.from_rows([[4, 5], []])
    edits = distribution.draw(targets, np.random.default_rng(0))
    assert edits.apply(targets).values.tolist() == [BOS, EOS] * 2
    assert edits.log_q0.tolist() == [0, 0]


def test_broken_frames_have_no_probability() -> None:
    distribution = EditDistance(Uniform(4), 0.1, 0.1, 0.1)
    for y in ((BOS, 4, UNK, 4), (5, 4, UNK, 4, EOS), (BOS,)):
        assert log_probs(distribution, REFERENCE, [y]) == {}
    assert log_probs(distribution, REFERENCE, [framed(REFERENCE)])
