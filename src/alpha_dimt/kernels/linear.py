"""Matrix products: a bias as one more column, wide results, the output weight of a vocabulary.

Adding a bias afterwards costs one more pass over the result, and its gradient another; a column
costs less. Two columns are appended, because bf16 products work on pairs.
"""

import torch
from torch import Tensor

from alpha_dimt.kernels.workspace import Workspace, as_table

ROWS = 64
"""Products with the output weight have a multiple of this many rows."""


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
