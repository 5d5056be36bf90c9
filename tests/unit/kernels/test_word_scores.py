"""Sums over all words, against the array of all words."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from alpha_dimt.kernels import NEVER_PREDICTED, WordScores, expectations, weighted_log_p

N, H, H2, V = 300, 5, 6, 11
DTYPES = {torch.float64: 1e-10, torch.bfloat16: 3e-2}


def scores(units: int, seed: int, dtype: torch.dtype = torch.float64) -> WordScores:
    generator = torch.Generator().manual_seed(seed)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    x, weight, bias = (
        torch.randn(*shape, generator=generator, dtype=torch.float64).to(wide).requires_grad_()
        for shape in ((N, units), (V, units), (V,))
    )
    return WordScores(x, weight, bias, dtype)


def dense(found: WordScores) -> Tensor:
    return found.x @ found.weight.t() + found.bias


def gradients(value: Tensor, of: WordScores) -> tuple[Tensor, ...]:
    return torch.autograd.grad(value, (of.x, of.weight, of.bias), retain_graph=True)


def close(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Compare arrays; the tolerance is relative to the largest entry."""
    assert found.dtype == expected.dtype
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()


def some_words(seed: int = 3) -> Tensor:
    return torch.randint(V, (N,), generator=torch.Generator().manual_seed(seed))


def test_forms_of_one_word_and_of_the_spread_equal_the_dense_ones() -> None:
    values, words, upstream = scores(H, 1), some_words(), torch.linspace(-1, 2, N).double()
    array = dense(values)
    for found, expected in (
        (values.of(words) * upstream, array.gather(1, words[:, None])[:, 0] * upstream),
        (values.spread(), (array - array.mean(dim=1, keepdim=True)).square().sum()),
        (
            values.log_softmax_of(words) * upstream,
            array.log_softmax(dim=1).gather(1, words[:, None])[:, 0] * upstream,
        ),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
        pairs = zip(
            torch.autograd.grad(found.sum(), (values.x, values.weight, values.bias)),
            gradients(expected.sum(), values),
            strict=True,
        )
        for ours, theirs in pairs:
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(dense(values.at(torch.tensor([5, 2]))), array[[5, 2]])
    assert not dense(values.detach()).requires_grad


@pytest.mark.parametrize("dtype", DTYPES)
def test_expectations(dtype: torch.dtype) -> None:
    logits, values, words = scores(H, 1, dtype), scores(H2, 2, dtype), some_words()
    expected, log_p = expectations(logits, values, words)
    p = dense(logits).softmax(dim=1)
    close(expected, (p * dense(values)).sum(dim=1).detach(), DTYPES[dtype])
    close(log_p, p.gather(1, words[:, None])[:, 0].log().detach(), DTYPES[dtype])


def weigh(log_p: Tensor, p: Tensor, values: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    weights = p * values.square() - log_p
    return weights, {"entropy": -(p * log_p).sum(dim=1), "value": values[:, 0].clone()}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 128, N])
def test_weighted_log_p(dtype: torch.dtype, count: int) -> None:
    some = torch.arange(count)
    logits, values = scores(H, 1, dtype), scores(H2, 2, dtype)
    total, figures = weighted_log_p(logits.at(some), values.at(some), weigh)
    log_p = dense(logits)[:count].log_softmax(dim=1)
    array = dense(values)[:count].detach()
    weights, each = weigh(log_p.detach(), log_p.detach().exp(), array)
    expected = (weights * log_p).sum()
    close(total, expected, DTYPES[dtype])
    found = torch.autograd.grad(total * 0.3, (logits.x, logits.weight, logits.bias))
    for ours, theirs in zip(found, gradients(expected * 0.3, logits), strict=True):
        close(ours, theirs, DTYPES[dtype])
    assert figures.keys() == each.keys()
    for name, figure in figures.items():
        close(figure, each[name].mean(), DTYPES[dtype])
        assert not figure.requires_grad


def test_the_values_get_no_gradient() -> None:
    logits, values = scores(H, 1), scores(H2, 2)
    total, _ = weighted_log_p(logits, values, weigh)
    found = torch.autograd.grad(total, (values.x, values.weight), allow_unused=True)
    assert found == (None, None)


def test_a_word_that_is_never_predicted_takes_no_part() -> None:
    logits, values = scores(H, 1), scores(H2, 2)
    bias = logits.bias.detach().clone()
    bias[4] = NEVER_PREDICTED
    ruled_out = replace(logits, bias=bias.requires_grad_())
    words = some_words() % 4
    expected, log_p = expectations(ruled_out, values, words)
    left = [word for word in range(V) if word != 4]
    p = dense(logits)[:, left].softmax(dim=1)
    close(expected, (p * dense(values)[:, left]).sum(dim=1).detach(), 1e-10)
    close(log_p, p.gather(1, words[:, None])[:, 0].log().detach(), 1e-10)
    total, _ = weighted_log_p(ruled_out, values, lambda _, p, values: (p * values, {"p": p[:, 4]}))
    (grad,) = torch.autograd.grad(total, ruled_out.bias)
    assert grad[4] == 0
    assert total.isfinite()


def test_an_array_is_kept_for_the_next_update() -> None:
    logits, values = scores(H, 1), scores(H2, 2)
    places = set()
    for _ in range(3):
        total, _ = weighted_log_p(logits, values, weigh)
        total.backward()
        (kept,) = values.workspace._arrays
        places.add(kept.data_ptr())
    assert len(places) == 1
