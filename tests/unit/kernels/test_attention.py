import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from alpha_dimt.kernels import attend

HEADS = 2


def inputs(dtype: torch.dtype, scale: float = 1.0) -> tuple[Tensor, ...]:
    """Return query [3, 4, 10], key and value [3, 5, 10]."""
    generator = torch.Generator().manual_seed(1)
    return tuple(
        (scale * torch.randn(3, steps, 10, generator=generator, dtype=torch.float64))
        .to(dtype)
        .requires_grad_()
        for steps in (4, 5, 5)
    )


def masks(dtype: torch.dtype) -> dict[str, Tensor]:
    padding = torch.zeros(3, 1, 1, 5, dtype=dtype)
    padding[1, ..., 3:] = padding[2, ..., 1:] = -math.inf
    causal = torch.full((4, 5), -math.inf, dtype=dtype).triu(1)
    return {"none": torch.zeros(1, 1, dtype=dtype), "padding": padding, "causal": causal}


def plain(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    q, k, v = (part.unflatten(2, (HEADS, -1)).transpose(1, 2) for part in (query, key, value))
    attention = (q @ k.transpose(2, 3) / math.sqrt(q.shape[3]) + mask).softmax(dim=3)
    return (attention @ v).transpose(1, 2).flatten(2)


@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("name", ["none", "padding", "causal"])
def test_values_and_gradients_are_those_of_the_definition(name: str, scale: float) -> None:
    mask = masks(torch.float64)[name]
    upstream = torch.randn(3, 4, 10, generator=torch.Generator().manual_seed(2)).double()
    results = []
    for fast in (True, False):
        given = inputs(torch.float64, scale)
        out = attend(*given, mask=mask, heads=HEADS) if fast else plain(*given, mask)
        results.append((out, *torch.autograd.grad(out, given, upstream)))
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)


def test_what_cannot_be_seen_gets_no_weight_and_no_gradient() -> None:
    query, key, value = inputs(torch.float32, 100.0)
    out = attend(query, key, value, mask=masks(torch.float32)["padding"], heads=HEADS)
    of_key, of_value = torch.autograd.grad(out.sum(), (key, value))
    assert of_key[1, 3:].abs().max() == of_value[1, 3:].abs().max() == 0
    assert of_value[1, :3].abs().max() > 0


def test_scores_are_computed_in_the_type_of_the_mask() -> None:
    given = inputs(torch.bfloat16)
    out = attend(*given, mask=masks(torch.float32)["none"], heads=HEADS)
    assert out.dtype == torch.bfloat16
    assert torch.autograd.grad(out.sum(), given[0])[0].dtype == torch.bfloat16
    wide = [part.float() for part in given]
    expected = plain(*wide, masks(torch.float32)["none"])
    # But for the rounding of the result itself, it is that of float32.
    torch.testing.assert_close(out, expected.bfloat16(), rtol=0.005, atol=1e-6)


def test_no_weight_is_subnormal() -> None:
    """Products with subnormal numbers take ten times as long."""
    query, key = torch.ones(1, 1, HEADS), torch.tensor([[[0.0] * HEADS, [-95.0] * HEADS]])
    value = torch.zeros_like(key, requires_grad=True)
    out = attend(query, key, value, mask=torch.zeros(1, 1), heads=HEADS)
    (gradient,) = torch.autograd.grad(out.sum(), value)
    assert gradient[0, 0].tolist() == [1.0] * HEADS
    assert gradient[0, 1].max() < 1e-16
    assert gradient.min() > torch.finfo(torch.float32).tiny


def test_pytorchs_attention_is_the_same() -> None:
    """On a CUDA device it takes the place of this one."""
    given, mask = inputs(torch.float64), masks(torch.float64)["padding"]
    q, k, v = (part.unflatten(2, (HEADS, -1)).transpose(1, 2) for part in given)
    theirs = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
    torch.testing.assert_close(attend(*given, mask=mask, heads=HEADS), theirs)
