"""Search knows no network: a table of next-token probabilities stands in for one."""

from itertools import pairwise, product
from typing import Any

import pytest
import torch
from torch import Tensor

from alpha_dimt.core.vocabulary import BOS, EOS, PAD
from alpha_dimt.inference.search import (
    Hypothesis,
    beam_search,
    best_words,
    draw_words,
    greedy_search,
    log_sum,
)

CPU = torch.device("cpu")
V = 7
A, B, C = 4, 5, 6


class Table:
    """log p(next | previous, sentence); the state is the sentence of each row."""

    def __init__(self, sentences: int, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.logits = 2 * torch.randn(sentences, V, V, generator=generator)
        self.logits[:, :, EOS] += 1.5
        self.steps: list[int] = []

    def step(self, state: Tensor, previous: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self.steps.append(len(state))
        logits = self.logits[state, previous].clone()
        attention = torch.nn.functional.one_hot(previous % 3, 3).float()
        return logits, attention, state

    def select(self, state: Tensor, rows: Tensor, sources: Tensor | None = None) -> Tensor:
        left = state.unique_consecutive()
        left = left if sources is None else left[sources]
        selected = state[rows]
        assert (selected.view(len(left), -1) == left[:, None]).all(), "a row left its source"
        return selected


def log_p(table: Table, sentence: int, tokens: list[int]) -> float:
    logits = table.logits[sentence].clone()
    logits[:, [PAD, BOS]] = -torch.inf
    scores = logits.log_softmax(dim=1)
    path = [BOS, *tokens]
    return sum(scores[a, b].item() for a, b in pairwise(path))


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


@pytest.mark.parametrize("words", [3, 127, 128, 129, 700, 5000])
@pytest.mark.parametrize("count", [1, 3])
def test_best_words_are_those_of_the_whole_row(words: int, count: int) -> None:
    generator = torch.Generator().manual_seed(words)
    for dtype in (torch.float32, torch.bfloat16):
        for shift in (0, -1, -30):  # most blocks have a word above 0, some have one, none has
            logits = (torch.randn(50, words, generator=generator) + shift).to(dtype)
            values, columns = best_words(logits, count)
            assert torch.equal(values, logits.topk(count, dim=1).values)
            assert torch.equal(values, logits.gather(1, columns))
            assert all(len(set(row)) == count for row in columns.tolist())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shift", [-3, 0, 3])
def test_of_equal_words_the_first_is_best(dtype: torch.dtype, shift: int) -> None:
    logits = torch.full((2, 1000), shift, dtype=dtype)
    logits[1, [999, 400, 700]] += 1.0
    assert best_words(logits, 1)[1].tolist() == [[0], [400]]


def test_log_sums_of_rows_as_high_or_low_as_can_be() -> None:
    logits = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
    logits += torch.tensor([[0.0], [300.0], [-300.0], [20.0]])
    expected = logits.logsumexp(dim=1, keepdim=True)
    best = logits.amax(dim=1, keepdim=True)
    torch.testing.assert_close(log_sum(logits.clone(), best), expected)
    # A row's sum does not depend on the rows beside it.
    assert torch.equal(log_sum(logits[3:].clone(), best[3:])[0], log_sum(logits, best)[3])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("words", [6, 256, 300])
@pytest.mark.parametrize("shift", [0, 200])
def test_words_are_drawn_with_their_probabilities(
    dtype: torch.dtype, words: int, shift: int
) -> None:
    torch.manual_seed(0)
    logits = (torch.randn(words) + shift).to(dtype)
    logits[[0, 3, words - 1]] = -torch.inf
    logits[1] = logits.max() + 1
    p = logits.double().softmax(dim=0)
    rows = 20_000
    drawn = draw_words(logits.repeat(rows, 1))
    shares = drawn.bincount(minlength=words) / rows
    assert not shares[p == 0].any()
    # bf16 rounds each exponential, and each sum of a block, to 1 in 256.
    rounding = 0.005 * p if dtype == torch.bfloat16 else 0 * p
    assert ((shares - p).abs() <= 4.5 * (p / rows) ** 0.5 + rounding).all()


def test_the_highest_random_number_draws_a_word_that_is_possible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "rand_like", torch.ones_like)  # as after rounding
    logits = torch.zeros(1, 300)
    logits[:, 200:] = -torch.inf
    assert draw_words(logits).item() == 199


def test_logits_that_are_not_finite_draw_some_word() -> None:
    for words in (5, 300):
        drawn = draw_words(torch.full((9, words), torch.nan))
        assert ((drawn >= 0) & (drawn < words)).all()


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
    table = Table(30)
    greedy(table, list(range(30)))
    assert table.steps[0] == 30
    assert table.steps == sorted(table.steps, reverse=True)
    assert table.steps[-1] < 10


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


def test_padding_and_start_are_never_chosen() -> None:
    table = Table(5)
    table.logits[:, :, [PAD, BOS]] = 50.0
    for hypothesis in [*greedy(table, list(range(5))), *beam(table, list(range(5)), 3)]:
        assert not {PAD, BOS} & set(hypothesis.tokens)
