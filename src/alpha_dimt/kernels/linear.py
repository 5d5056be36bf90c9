"""Matrix products: a bias as one more column, wide results, the output weight of a vocabulary.

Adding a bias afterwards costs one more pass over the result, and its gradient another; a column
costs less. Two columns are appended, because bf16 products work on pairs.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from alpha_dimt.kernels.workspace import Workspace, as_table

ROWS = 64
"""Products with the output weight have a multiple of this many rows."""


PACKED_ROWS = 128
"""Products over packed tokens have a multiple of this many rows: see `affine`."""


class _Affine(Function):
    """Conversions and padding are one copy; neither has a node in the graph of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
        low = _padded(x.reshape(-1, x.shape[-1]), dtype)
        of_inputs = weight.t().to(dtype, memory_format=torch.contiguous_format)
        out = torch.addmm(bias.to(dtype), low, of_inputs)
        ctx.save_for_backward(low, of_inputs)
        ctx.wide = x.dtype, weight.dtype
        return out[: x.numel() // x.shape[-1]].view(*x.shape[:-1], len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        low, of_inputs = ctx.saved_tensors
        of_x, of_weight = ctx.wide
        flat = grad.reshape(-1, grad.shape[-1])
        padded = _padded(flat, low.dtype)
        grad_x = torch.mm(padded, of_inputs.t())[: len(flat)].view(*grad.shape[:-1], -1)
        grad_weight = torch.mm(padded.t(), low)
        grad_bias = padded.sum(dim=0).to(of_weight)
        return grad_x.to(of_x), grad_weight.to(of_weight), grad_bias, None


def _padded(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return rows [N, M] in another type, and zeros up to a multiple of PACKED_ROWS."""
    if x.dtype == dtype and (dtype != torch.bfloat16 or not len(x) % PACKED_ROWS):
        return x
    rows = -(-len(x) // PACKED_ROWS) * PACKED_ROWS
    wide = x.new_empty(rows, x.shape[1], dtype=dtype)
    wide[: len(x)] = x
    wide[len(x) :] = 0
    return wide


def affine(x: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    """Return x weight^T + bias in the type of the product, with gradient.

    On a CPU, a bf16 product has a multiple of `PACKED_ROWS` rows: the library compiles a kernel for
    each new shape, and every batch of tokens has its own.

    Args:
        x: [.., M], in any type.
        weight: [N, M].
        bias: [N].
        dtype: of the product.

    Returns:
        [.., N].
    """
    if x.is_cuda:
        return F.linear(x.to(dtype), weight.to(dtype), bias.to(dtype))
    found: Tensor = _Affine.apply(x, weight, bias, dtype)  # type: ignore[no-untyped-call]
    return found


def with_bias(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    """Return [..., N, M + 2], weight [..., N, M] followed by bias [..., N] and 0."""
    wide = weight.new_empty(*weight.shape[:-1], weight.shape[-1] + 2, dtype=dtype)
    wide[..., :-2] = weight
    wide[..., -2] = bias
    wide[..., -1] = 0
    return wide


def with_one(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return [..., M + 2], x [..., M] followed by 1 and 0."""
    wide = x.new_empty(*x.shape[:-1], x.shape[-1] + 2, dtype=dtype)
    wide[..., :-2] = x
    wide[..., -2] = 1
    wide[..., -1] = 0
    return wide


def wide_product(a: Tensor, b: Tensor, wide: torch.dtype) -> Tensor:
    """Return the (batched) product of two matrices in another type, unrounded by their own.

    A CUDA device sums products of bf16 in float32 anyway; a CPU would need one more pass.
    """
    multiply = torch.mm if a.dim() == 2 else torch.bmm
    return multiply(a, b) if a.dtype == wide else multiply(a, b, out_dtype=wide)


def pack_output_weight(
    weight: Tensor, bias: Tensor, dtype: torch.dtype, *, last: float = 0.0
) -> Tensor:
    """Return [M, V], weight [V, H] transposed, followed by bias [V], a constant, and zeros.

    M is a multiple of 32, which makes products over the vocabulary up to a sixth faster than H + 2.
    """
    words, units = weight.shape
    wide = weight.new_empty(-(-(units + 2) // 32) * 32, words, dtype=dtype)
    wide[:units] = weight.t()
    wide[units] = bias
    wide[units + 1] = last
    wide[units + 2 :] = 0
    return wide


def pad_rows(x: Tensor, weights: Tensor, *, rows: int) -> Tensor:
    """Return [rows, M], the left operand of packed output weights [M, V]: x [N, H], 1, zeros."""
    wide = x.new_zeros(rows, len(weights), dtype=weights.dtype)
    wide[: len(x), : x.shape[1]] = x
    wide[: len(x), x.shape[1]] = 1
    return wide


def vocabulary_logits(x: Tensor, weights: Tensor, workspace: Workspace) -> Tensor:
    """Return x weight^T + bias, [N, V], without gradient.

    With AMX-bf16 the library takes up to five times as long for a weight [V, M], or for a number of
    rows that is not a multiple of ROWS.

    Args:
        x: [N, H].
        weights: [M, V] from `pack_output_weight`.
        workspace: holds the result, which the next use of the workspace overwrites.
    """
    rows, words = len(x), weights.shape[1]
    operand = pad_rows(x, weights, rows=-(-rows // ROWS) * ROWS)
    array = workspace.acquire(len(operand), words, weights.dtype, weights.device)
    products = as_table(array, len(operand), words)
    torch.mm(operand, weights, out=products)
    workspace.release(array)
    return products[:rows]
