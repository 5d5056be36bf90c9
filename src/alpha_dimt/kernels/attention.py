"""Multi-head attention for many short sequences on a CPU."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

LOWEST = -40.0
"""Logarithm of the lowest odds of a state against the likeliest. Smaller odds change no sum, but
their products with gradients are subnormal numbers, which take ten times as long."""


class _Attention(Function):
    """Products of small matrices, with passes over scores that are cheap for short rows.

    PyTorch's softmax and its fused attention take most of their time at the start of each row, and
    rows of a sentence have some 15 entries. Scores are computed in the type of the mask.
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, heads: int
    ) -> Tensor:
        q, k, v = (_split(part, heads, mask.dtype) for part in (query, key, value))
        ctx.scale = 1 / math.sqrt(q.shape[2])
        scores = torch.bmm(q, k.transpose(1, 2)).mul_(ctx.scale)
        apart = scores.view(len(query), heads, *scores.shape[1:])
        apart.add_(mask)
        scores.sub_(scores.amax(dim=2, keepdim=True)).clamp_(min=LOWEST).exp_()
        apart.mul_(mask == 0)
        attention = scores.div_(scores.sum(dim=2, keepdim=True))
        out = torch.bmm(attention, v)
        ctx.save_for_backward(q, k, v, attention, out)
        return _join(out, query)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, attention, out = ctx.saved_tensors
        of_out = _split(grad, len(q) // len(grad), q.dtype)
        of_value = torch.bmm(attention.transpose(1, 2), of_out)
        of_scores = torch.bmm(of_out, v.transpose(1, 2))
        of_scores.sub_((of_out * out).sum(dim=2, keepdim=True)).mul_(attention).mul_(ctx.scale)
        of_query = torch.bmm(of_scores, k)
        of_key = torch.bmm(of_scores.transpose(1, 2), q)
        return *(_join(part, grad) for part in (of_query, of_key, of_value)), None, None


def _split(x: Tensor, heads: int, dtype: torch.dtype) -> Tensor:
    """Return [B, T, h d] as [B h, T, d] in a type, with one copy."""
    apart = x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)
    return apart.to(dtype, memory_format=torch.contiguous_format).flatten(0, 1)


def _join(x: Tensor, like: Tensor) -> Tensor:
    """Return [B h, T, d] as [B, T, h d], in the type of `like` [B, ..], with one copy."""
    together = x.view(len(like), -1, *x.shape[1:]).transpose(1, 2)
    return together.to(like.dtype, memory_format=torch.contiguous_format).flatten(2)


def attend(query: Tensor, key: Tensor, value: Tensor, *, mask: Tensor, heads: int) -> Tensor:
    """Return what h heads of softmax(query key^T / sqrt(d) + mask) value find, with gradient.

    On a CUDA device it is PyTorch's own kernel.

    Args:
        query: [B, T, h d].
        key: [B, S, h d].
        value: [B, S, h d].
        mask: 0 where a state attends to another and -inf elsewhere, broadcast to [B, h, T, S];
            without gradient. On a CPU, scores are computed in its type.
        heads: h.

    Returns:
        [B, T, h d], in the type of the query.
    """
    if not query.is_cuda:
        found: Tensor = _Attention.apply(query, key, value, mask, heads)  # type: ignore[no-untyped-call]
        return found
    q, k, v = (_split(part, heads, query.dtype) for part in (query, key, value))
    q, k, v = (part.view(len(query), heads, *part.shape[1:]) for part in (q, k, v))
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask.to(q.dtype))
    return out.transpose(1, 2).flatten(2)
