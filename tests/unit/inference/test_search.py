"""Search is independent of the network: a table of next-token probabilities replaces it."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from word_table import CPU, A, B, C, Table, V, log_p

from alpha_dimt.core.vocabulary import BOS, EOS, PAD
from alpha_dimt.inference.search import (
    ROWS_TOGETHER,
    Hypothesis,
    beam_search,
    greedy_search,
)
from alpha_dimt.models.base import Step


def test_drawn_words_follow_the_tempered_distribution() -> None:
    """The first of two words, and the second given the first."""
    table, n, temperature = Table(1), 20_000, 0.6
    table.logits = table.logits.expand(n, V, V)
    torch.manual_seed(1)
    found = greedy_search(
        table,
        torch.arange(n),
        sentences=n,
        max_length=2,
        device=CPU,
        temperature=temperature,
    )
    logits = table.logits[0].clone() / temperature
    logits[:, [PAD, BOS]] = -torch.inf
    p = logits.softmax(dim=1)
    first = torch.tensor([one.tokens[0] if one.tokens else EOS for one in found])
    assert_frequencies(first, p[BOS])
    after = [one.tokens for one in found if one.tokens[:1] == [A]]
    second = torch.tensor([tokens[1] if len(tokens) > 1 else EOS for tokens in after])
    assert_frequencies(second, p[A])


def assert_frequencies(drawn: Tensor, p: Tensor) -> None:
    share = drawn.bincount(minlength=V) / len(drawn)
    assert (share - p).abs().max() < 5 * (0.25 / len(drawn)) ** 0.5


def beam(table: Table, sentences: list[int], width: int, **options: Any) -> list[Hypothesis]:
    settings: dict[str, Any] = {"max_length": 12, "length_penalty": 0.0} | options
    return beam_search(
        table,
        torch.tensor(sentences),
        sentences=len(sentences),
        width=width,
        device=CPU,
        **settings,
    )


def extended(table: Table, sentence: int, width: int, max_length: int = 12) -> list[int]:
    """Return the translation as the authors' Beam.py finds it: whatever ended is extended, too."""
    hypotheses: list[tuple[float, list[int]]] = [(0.0, [])]
    scores = table.logits[sentence].clone()
    scores[:, [PAD, BOS]] = -torch.inf
    scores = scores.log_softmax(dim=1)
    for _ in range(max_length):
        grown = [
            (score + float(scores[(BOS, *tokens)[-1], word]), [*tokens, word])
            for score, tokens in hypotheses
            for word in range(V)
        ]
        hypotheses = sorted(grown, key=lambda one: -one[0])[:width]
        if hypotheses[0][1][-1] == EOS:
            break
    best = hypotheses[0][1]
    return best[: best.index(EOS)] if EOS in best else best


@pytest.mark.parametrize("width", [2, 3, 5])
def test_extended_hypotheses_lose_score_as_in_the_authors_code(width: int) -> None:
    table, sentences = Table(60, seed=3), list(range(60))
    found = beam(table, sentences, width, ended="extended")
    assert [one.tokens for one in found] == [extended(table, i, width) for i in sentences]
    kept = beam(table, sentences, width)
    assert [len(one.tokens) for one in found] != [len(one.tokens) for one in kept]
    assert sum(len(one.tokens) for one in found) > sum(len(one.tokens) for one in kept)


def greedy(table: Table, sentences: list[int], max_length: int = 12) -> list[Hypothesis]:
    return greedy_search(
        table,
        torch.tensor(sentences),
        sentences=len(sentences),
        max_length=max_length,
        device=CPU,
    )


def test_beam_of_one_is_greedy() -> None:
    table = Table(40)
    assert beam(table, list(range(40)), 1) == greedy(table, list(range(40)))


def test_batched_equals_alone() -> None:
    table = Table(30)
    for width in (1, 3):
        together = beam(table, list(range(30)), width)
        assert together == [beam(table, [i], width)[0] for i in range(30)]
        assert len({len(h.tokens) for h in together}) > 1
    assert greedy(table, list(range(30))) == [greedy(table, [i])[0] for i in range(30)]


def test_a_wide_beam_finds_the_most_probable_sequence() -> None:
    table = Table(20, seed=5)
    ordinary = [1, A, B, C]
    for sentence in range(20):
        best = max(
            (list(y) for n in range(4) for y in product(ordinary, repeat=n)),
            key=lambda y: log_p(table, sentence, [*y, EOS]),
        )
        found = beam(table, [sentence], 400)[0].tokens
        if len(found) <= 3:
            assert found == best
        assert log_p(table, sentence, [*found, EOS]) >= log_p(table, sentence, [*best, EOS]) - 1e-5


def test_wider_beams_score_better_than_greedy_on_the_whole() -> None:
    table = Table(50, seed=1)
    sentences = list(range(50))

    def total(found: list[Hypothesis]) -> float:
        return sum(log_p(table, i, [*h.tokens, EOS]) for i, h in enumerate(found))

    assert total(beam(table, sentences, 4)) > total(greedy(table, sentences))


def test_length_penalty_prefers_longer_translations() -> None:
    table = Table(50, seed=2)
    sentences = list(range(50))
    plain = sum(len(h.tokens) for h in beam(table, sentences, 4))
    normalised = sum(len(h.tokens) for h in beam(table, sentences, 4, length_penalty=1.0))
    assert normalised > plain


def test_finished_sentences_leave_the_batch() -> None:
    table = Table(150)
    found = greedy(table, list(range(150)))
    assert table.steps[0] == 150
    assert table.steps == sorted(table.steps, reverse=True)
    # By so many at a time that few numbers of rows occur.
    later = set(table.steps) - {150}
    assert later == {count for count in later if count % ROWS_TOGETHER == 0}
    assert len(later) > 1
    # Those that stay as padding do not change.
    alone = [greedy(Table(150), [row])[0].tokens for row in range(150)]
    assert [hypothesis.tokens for hypothesis in found] == alone


@pytest.mark.parametrize("width", [1, 3])
def test_endless_sentences_are_cut(width: int) -> None:
    table = Table(2)
    table.logits[:, :, EOS] = -torch.inf
    assert [len(h.tokens) for h in beam(table, [0, 1], width, max_length=5)] == [5, 5]
    assert [len(h.tokens) for h in greedy(table, [0, 1], max_length=5)] == [5, 5]


def test_attention_belongs_to_the_token_that_it_chose() -> None:
    table = Table(10)
    for found in (greedy(table, list(range(10))), beam(table, list(range(10)), 4)):
        for hypothesis in found:
            previous = [BOS, *hypothesis.tokens][:-1] if hypothesis.tokens else []
            assert hypothesis.attended == [token % 3 for token in previous]


@pytest.mark.parametrize("width", [1, 3])
def test_a_model_without_attention_attends_nowhere(width: int) -> None:
    class Blind(Table):
        def step(self, state: Tensor, previous: Tensor) -> Step:
            return super().step(state, previous)._replace(attention=None)

    table, blind = Table(3), Blind(3)
    if width == 1:
        found, expected = greedy(blind, [0, 1, 2]), greedy(table, [0, 1, 2])
    else:
        found, expected = beam(blind, [0, 1, 2], width), beam(table, [0, 1, 2], width)
    assert [h.tokens for h in found] == [h.tokens for h in expected]
    assert all(h.attended == [-1] * len(h.tokens) for h in found)


def test_padding_and_start_are_never_chosen() -> None:
    table = Table(5)
    table.logits[:, :, [PAD, BOS]] = 50.0
    for hypothesis in [*greedy(table, list(range(5))), *beam(table, list(range(5)), 3)]:
        assert not {PAD, BOS} & set(hypothesis.tokens)
