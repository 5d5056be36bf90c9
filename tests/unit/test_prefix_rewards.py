"""Rewards of prefixes against the definition, prefix by prefix."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import UNK
from alpha_dimt.prefix_rewards import (
    PREFIX_SCORES,
    prefix_bleu,
    prefix_edit_distance,
    prefix_gleu,
    word_rewards,
)
from alpha_dimt.rewards import gleu, negative_edit_distance

SENTENCE = st.lists(st.sampled_from([UNK, 4, 5, 6, 7]), max_size=9)
KNOWN = st.lists(st.sampled_from([4, 5, 6, 7]), min_size=1, max_size=9)
PAIRS = st.lists(st.tuples(SENTENCE, KNOWN | SENTENCE.filter(bool)), min_size=1, max_size=5)


def grams(words: list[int], n: int) -> Counter[tuple[int, ...]]:
    found = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    return Counter({gram: count for gram, count in found.items() if UNK not in gram})


def bleu(words: list[int], reference: list[int]) -> float:
    total = 0.0
    for n in range(1, 5):
        matches = (grams(words, n) & grams(reference, n)).total()
        total += math.log((matches + 1) / (max(0, len(words) - n + 1) + 1)) / 4
    return math.exp(total + min(0.0, 1 - len(reference) / len(words)))


def sides(pairs: list[tuple[list[int], list[int]]]) -> tuple[Ragged, Ragged]:
    return tuple(Ragged.from_rows([pair[side] for pair in pairs]) for side in (0, 1))  # type: ignore[return-value]


@given(PAIRS)
def test_bleu_of_every_prefix(pairs: list[tuple[list[int], list[int]]]) -> None:
    expected = [bleu(y[: i + 1], ref) for y, ref in pairs for i in range(len(y))]
    np.testing.assert_allclose(prefix_bleu(*sides(pairs)), expected, rtol=1e-12)


@given(st.lists(st.tuples(KNOWN, KNOWN), min_size=1, max_size=5))
def test_gleu_of_every_prefix(pairs: list[tuple[list[int], list[int]]]) -> None:
    prefixes = [(y[: i + 1], ref) for y, ref in pairs for i in range(len(y))]
    np.testing.assert_allclose(prefix_gleu(*sides(pairs)), gleu(*sides(prefixes)))


@given(st.lists(st.tuples(KNOWN, KNOWN), min_size=1, max_size=5))
def test_edit_distance_of_every_prefix(pairs: list[tuple[list[int], list[int]]]) -> None:
    prefixes = [(y[: i + 1], ref) for y, ref in pairs for i in range(len(y))]
    distances = negative_edit_distance(*sides(prefixes))
    lengths = np.array([len(ref) for _, ref in prefixes])
    np.testing.assert_allclose(
        prefix_edit_distance(*sides(pairs)), (lengths + distances) / (lengths + 2)
    )


@pytest.mark.parametrize("name", PREFIX_SCORES)
@given(PAIRS)
def test_rewards_sum_to_the_score_times_the_length(
    name: str, pairs: list[tuple[list[int], list[int]]]
) -> None:
    candidates, references = sides(pairs)
    rewards = word_rewards(name, candidates, references)
    scores = PREFIX_SCORES[name](candidates, references)
    for row, (y, ref) in enumerate(pairs):
        start, end = candidates.offsets[row : row + 2]
        if y:
            assert rewards[start:end].sum() == pytest.approx((len(ref) + 2) * scores[end - 1])
            assert rewards[start] == pytest.approx((len(ref) + 2) * scores[start])


def test_unknown_words_never_match() -> None:
    same = [([UNK, 4], [UNK, 4])]
    # One of two words, no pair: (2/3 * 1/2 * 1 * 1) ** (1/4).
    assert prefix_bleu(*sides(same))[-1] == pytest.approx((2 / 3 / 2) ** 0.25)
    assert prefix_gleu(*sides(same))[-1] == pytest.approx(1 / 3)
    assert prefix_edit_distance(*sides(same))[-1] == pytest.approx((2 - 1) / 4)


def test_rows_do_not_lend_each_other_words() -> None:
    pairs = [([4, 4, 4], [4, 5]), ([5, 4], [6, 6]), ([4], [4])]
    expected = [bleu(y[: i + 1], ref) for y, ref in pairs for i in range(len(y))]
    np.testing.assert_allclose(prefix_bleu(*sides(pairs)), expected)
