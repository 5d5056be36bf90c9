"""Matrix products: a bias as one more column, and a weight of many words.

Adding a bias afterwards is one more pass over the result, and its gradient another, which costs
more than the column. Two columns are appended, since bf16 products work on pairs.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from alpha_dimt.kernels.spare import Spare, as_table

ROWS = 64
"""Products with a weight of many words have a multiple of so many rows."""


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


def word_weights(weight: Tensor, bias: Tensor, dtype: torch.dtype, *, last: float) -> Tensor:
    """Return [H + 2, V], the transpose of weight [V, H] followed by bias [V] and a constant."""
    words, units = weight.shape
    wide = weight.new_empty(units + 2, words, dtype=dtype)
    wide[:-2] = weight.t()
    wide[-2] = bias
    wide[-1] = last
    return wide


def word_products(x: Tensor, weight: Tensor, spare: Spare) -> Tensor:
    """Return x weight, [N, V], without gradient.

    With AMX-bf16 the library takes up to five times as long for a weight [V, M], or for a number of
    rows that is no multiple of ROWS.

    Args:
        x: [N, M].
        weight: [M, V].
        spare: where the products are; whoever takes from it next overwrites them.
    """
    rows, words = len(x), weight.shape[1]
    x = F.pad(x, (0, 0, 0, -rows % ROWS))
    array = spare.take(len(x), words, weight.dtype, weight.device)
    products = as_table(array, len(x), words)
    torch.mm(x, weight, out=products)
    spare.give(array)
    return products[:rows]
