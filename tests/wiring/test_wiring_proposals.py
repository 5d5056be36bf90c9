"""Each option of a proposal reaches its distribution: log q0 by hand."""

import math
from typing import Any

import formulas
import numpy as np
import pytest
import subject

BOS, EOS, UNK = 2, 3, 1
V = 12  # words of the vocabulary, 4 specials among them
ORDINARY = V - 4
REFERENCE = [4, 5, 6, 7, 4, 8, 9, 5, 6, 10]
ONE = [4, 5, 11, 7, 4, 8, 9, 5, 6, 10]
TWO = [4, 5, 11, 7, 4, 8, 9, 5, 6, 4]


def log_q0(section: dict[str, Any], *candidates: list[int]) -> list[float]:
    framed = [[BOS, *words, EOS] for words in candidates]
    return subject.log_q0(section, [REFERENCE] * len(candidates), framed, V)


@pytest.mark.parametrize(("fraction", "most"), [(0.1, 1), (0.2, 2), (0.35, 3), (1.0, 10)])
def test_max_edit_fraction(fraction: float, most: int) -> None:
    section = {"kind": "uniform_edit", "max_edit_fraction": fraction}
    found = log_q0(section, REFERENCE, ONE, TWO)
    each = -math.log(ORDINARY - 1)
    expected = [
        -math.log(most + 1),
        -math.log(most + 1) - math.log(10) + each,
        -math.log(most + 1) - math.log(45) + 2 * each if most > 1 else -math.inf,
    ]
    assert found == pytest.approx(expected)


def test_the_quirks_of_the_authors_code() -> None:
    """m counts the frame, E of 12 is 2 at 0.2 and of 10 too, so 0.25 tells them apart."""
    section = {"kind": "uniform_edit", "max_edit_fraction": 0.25}
    edited_frame = [[11, *REFERENCE, EOS]]
    assert subject.log_q0(section, [REFERENCE], edited_frame, V) == [-math.inf]
    quirks = section | {"reference_quirks": True}
    assert subject.log_q0(quirks, [REFERENCE], edited_frame, V) == pytest.approx(
        [-math.log(4) - math.log(12) - math.log(ORDINARY)]
    )
    assert log_q0(section, ONE) == pytest.approx([-math.log(3 * 10 * (ORDINARY - 1))])
    assert log_q0(quirks, ONE) == pytest.approx([-math.log(4 * 12 * (ORDINARY - 1))])


@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("tau", [0.4, 0.85])
def test_the_payoff_distribution(tau: float, rescale: bool) -> None:
    """q0 is exp(-e / tau) over all sentences of m words, each with 7 alternatives."""
    section = {"kind": "hamming_payoff", "tau": tau, "rescale": rescale}
    cost = (1 + math.log(ORDINARY)) / tau if rescale else 1 / tau
    total = (1 + 7 * math.exp(-cost)) ** 10
    expected = [math.log(math.exp(-e * cost) / total) for e in (0, 1, 2)]
    assert log_q0(section, REFERENCE, ONE, TWO) == pytest.approx(expected)


@pytest.mark.parametrize("most", [1, 2, 4, 20])
def test_the_longest_n_gram(most: int) -> None:
    pair = [4, 5, 11, 4, 4, 8, 9, 5, 6, 10]
    each = -math.log(ORDINARY - 1)
    longest = min(most, 10)
    expected = [
        -math.inf,
        -math.log(longest) - math.log(10) + each,
        -math.log(longest) - math.log(9) + 2 * each if most > 1 else -math.inf,
    ]
    found = log_q0({"kind": "ngram", "max_n": most}, REFERENCE, ONE, pair)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("insert", "delete", "substitute"), [(0.0, 0.0, 0.3), (0.0, 0.2, 0.1), (0.3, 0.04, 0.05)]
)
def test_insertions_deletions_and_substitutions(
    insert: float, delete: float, substitute: float
) -> None:
    options = {"insert": insert, "delete": delete, "substitute": substitute}
    candidates = [REFERENCE, ONE, TWO, REFERENCE[1:], [11, *REFERENCE], REFERENCE[3:8]]
    expected = [
        formulas.edit_transducer(REFERENCE, words, **options, words=ORDINARY)
        for words in candidates
    ]
    found = np.exp(log_q0({"kind": "edit_distance", **options}, *candidates))
    assert found.tolist() == pytest.approx(expected, rel=1e-9)
    # By hand: without insertions and deletions nine words stay and one is replaced.
    if not insert and not delete:
        assert found[1] == pytest.approx(0.7**9 * 0.3 / 7)


def test_the_weights_of_a_mixture() -> None:
    parts = [
        {"weight": 3.0, "distribution": {"kind": "uniform_edit", "max_edit_fraction": 0.1}},
        {"weight": 1.0, "distribution": {"kind": "ngram", "max_n": 2}},
    ]
    found = log_q0({"kind": "mixture", "parts": parts}, REFERENCE, ONE)
    expected = [
        0.75 * 1 / 2,
        0.75 / (2 * 10 * (ORDINARY - 1)) + 0.25 / (2 * 10 * (ORDINARY - 1)),
    ]
    assert np.exp(found) == pytest.approx(expected)


def test_substitutes() -> None:
    """By frequency: one of 10 words that is not a 6; of those, one is a 10, and none an 11."""
    section = {"kind": "uniform_edit", "max_edit_fraction": 0.1, "substitutes": "unigram"}
    changed = [4, 5, 10, 7, 4, 8, 9, 5, 6, 10]
    assert log_q0(section, changed, ONE) == pytest.approx([-math.log(2 * 10 * 8), -math.inf])
    uniform = section | {"substitutes": "uniform"}
    assert log_q0(uniform, changed, ONE) == pytest.approx([-math.log(2 * 10 * 7)] * 2)
    block = {"distribution": section | {"substitutes": "block"}}
    targets = [[4, 5, 6], [5, 6, 7], [8, 8, 4]] * 5
    drawn = subject.draw_slice(block | {"candidates": 9}, targets, 40, seed=1, index=0)
    assert {t for row in drawn["tokens"] for t in row} <= {4, 5, 6, 7, 8}
    unigram = {"distribution": {**section, "substitutes": "unigram", "max_edit_fraction": 1.0}}
    many = subject.draw_slice(unigram | {"candidates": 300}, targets, 40, seed=1, index=0)
    words = [t for i, row in enumerate(many["tokens"]) for t in row if i // 300 % 3 == 1]
    assert set(words) == {4, 5, 6, 7, 8}
