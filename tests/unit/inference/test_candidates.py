"""Candidates of a model, from a table of next-token probabilities."""

import math
from typing import Any

import pytest
import torch
from word_table import CPU, Table, V, log_p

from alpha_dimt.core.vocabulary import BOS, EOS, PAD
from alpha_dimt.inference.candidates import beam_candidates


def candidates(table: Table, sentences: int, width: int, **options: Any) -> list[list[list[int]]]:
    """Return the candidates of each sentence, without <s> and padding."""
    found = beam_candidates(
        table,
        torch.arange(sentences),
        sentences=sentences,
        width=width,
        device=CPU,
        **options,
    )
    assert (found[:, 0] == BOS).all()
    rows = [[word for word in row if word != PAD] for row in found[:, 1:].tolist()]
    return [rows[i : i + width] for i in range(0, len(rows), width)]


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_candidates_of_a_beam_differ_and_end_once(epsilon: float) -> None:
    torch.manual_seed(3)
    table = Table(20)
    for sentence, found in enumerate(candidates(table, 20, 4, max_length=8, epsilon=epsilon)):
        assert len({tuple(one) for one in found}) == 4
        for one in found:
            assert EOS not in one[:-1]
            assert one[-1] == EOS or len(one) == 8
            assert math.isfinite(log_p(table, sentence, one))


def test_without_chance_they_are_the_likeliest_of_each_length() -> None:
    """With a beam as wide as all continuations, nothing is lost: candidates are the best ones."""
    table, width, longest = Table(6), 5, 2
    words = [word for word in range(V) if word not in (PAD, BOS)]
    for sentence, found in enumerate(candidates(table, 6, width, max_length=longest)):
        every = [[EOS], *([a, b] for a in words if a != EOS for b in words)]
        best = sorted(every, key=lambda one: -log_p(table, sentence, one))[:width]
        assert sorted(found) == sorted(best)


def test_a_place_goes_to_chance_with_probability_epsilon() -> None:
    """The first place is the best continuation, unless it is drawn from all five."""
    n, epsilon = 4_000, 0.4
    table = Table(1)
    table.logits = table.logits.expand(n, V, V)
    torch.manual_seed(1)
    found = candidates(table, n, 5, max_length=1, epsilon=epsilon)
    best = table.logits[0, BOS].clone()
    best[[PAD, BOS]] = -torch.inf
    share = sum(one[0] == [best.argmax()] for one in found) / n
    expected = 1 - epsilon + epsilon / 5
    assert abs(share - expected) < 5 * (0.25 / n) ** 0.5
