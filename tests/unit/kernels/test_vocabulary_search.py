import pytest
import torch

from alpha_dimt.kernels.vocabulary_search import logsumexp, sample, topk


@pytest.mark.parametrize("words", [3, 127, 128, 129, 700, 5000])
@pytest.mark.parametrize("count", [1, 3])
def test_best_words_are_those_of_the_whole_row(words: int, count: int) -> None:
    generator = torch.Generator().manual_seed(words)
    for dtype in (torch.float32, torch.bfloat16):
        for shift in (0, -1, -30):  # most blocks have a word above 0, some have one, none has
            logits = (torch.randn(50, words, generator=generator) + shift).to(dtype)
            values, columns = topk(logits, count)
            assert torch.equal(values, logits.topk(count, dim=1).values)
            assert torch.equal(values, logits.gather(1, columns))
            assert all(len(set(row)) == count for row in columns.tolist())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shift", [-3, 0, 3])
def test_of_equal_words_the_first_is_best(dtype: torch.dtype, shift: int) -> None:
    logits = torch.full((2, 1000), shift, dtype=dtype)
    logits[1, [999, 400, 700]] += 1.0
    assert topk(logits, 1)[1].tolist() == [[0], [400]]


def test_log_sums_of_rows_as_high_or_low_as_can_be() -> None:
    logits = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
    logits += torch.tensor([[0.0], [300.0], [-300.0], [20.0]])
    expected = logits.logsumexp(dim=1, keepdim=True)
    best = logits.amax(dim=1, keepdim=True)
    torch.testing.assert_close(logsumexp(logits.clone(), best), expected)
    # A row's sum does not depend on the rows beside it.
    assert torch.equal(logsumexp(logits[3:].clone(), best[3:])[0], logsumexp(logits, best)[3])


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
    drawn = sample(logits.repeat(rows, 1))
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
    assert sample(logits).item() == 199


def test_logits_that_are_not_finite_draw_some_word() -> None:
    for words in (5, 300):
        drawn = sample(torch.full((9, words), torch.nan))
        assert ((drawn >= 0) & (drawn < words)).all()
