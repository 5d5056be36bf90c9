"""The linear layer of packed tokens."""

import pytest
import torch
from torch.nn import functional as F

from alpha_dimt.kernels import affine


@pytest.mark.parametrize("shape", [(5, 3), (2, 64), (300,), (4, 32)])
@pytest.mark.parametrize(
    ("dtype", "low", "tolerance"),
    [
        (torch.float64, torch.float64, 1e-12),
        (torch.float32, torch.float32, 1e-5),
        (torch.float32, torch.bfloat16, 0.03),
    ],
)
def test_values_and_gradients_are_those_of_a_linear_layer(
    shape: tuple[int, ...], dtype: torch.dtype, low: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(1)
    given = [
        torch.randn(size, dtype=dtype, requires_grad=True) for size in ((*shape, 6), (4, 6), (4,))
    ]
    upstream = torch.randn(*shape, 4, dtype=dtype)
    out = affine(*given, low)
    expected = F.linear(*given)
    assert out.dtype == low
    assert out.shape == expected.shape
    torch.testing.assert_close(out.to(dtype), expected, rtol=tolerance, atol=tolerance)
    found = torch.autograd.grad((out.to(dtype) * upstream).sum(), given)
    wanted = torch.autograd.grad((expected * upstream).sum(), given)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.dtype == dtype
        scale = theirs.abs().max()
        torch.testing.assert_close(ours / scale, theirs / scale, rtol=tolerance, atol=tolerance)


def test_an_input_in_the_type_of_the_product_gets_its_gradient_in_it() -> None:
    x = torch.randn(3, 6, dtype=torch.bfloat16, requires_grad=True)
    weight = torch.randn(4, 6, requires_grad=True)
    out = affine(x, weight, torch.zeros(4), torch.bfloat16)
    of_x, of_weight = torch.autograd.grad(out.float().sum(), (x, weight))
    assert (of_x.dtype, of_weight.dtype) == (torch.bfloat16, torch.float32)
