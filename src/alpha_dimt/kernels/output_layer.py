"""The output layer fused with the softmax: log-probabilities of given tokens."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from alpha_dimt.kernels.products import with_bias, with_one
from alpha_dimt.kernels.spare import Spare, as_table

PIECE = 3072
"""Words computed at once: the library brings their weights into the order of the processor's matrix
unit once only, and their logits are still in the cache when the exponential reads them."""

ROOM = 23.0
"""Of the range of the exponential, what is kept for products with weights and sums over words."""

LOOK = {"cpu": True, "cuda": False}
"""Whether odds beyond the range are looked for: only a model gone astray has them, and a look is
cheaper than to cut them always; but a GPU would have to wait for it."""


_SPARE = Spare()
"""A forward pass takes the array, and its backward pass gives it back."""


def _fill(odds: Tensor, low: Tensor, w: Tensor, targets: Tensor, ceiling: float | None) -> Tensor:
    """Fill in odds [N, V], 0 at the targets, and return their sums [N].

    Args:
        odds: of every word against the target, on return.
        low: [N, H + 2].
        w: [V, H + 2], so that low w^T are the logits less those of the targets.
        targets: [N].
        ceiling: higher differences of logits are cut, if not None.
    """
    for start in range(0, len(w), PIECE):
        words = slice(start, start + PIECE)
        piece = odds[:, words]
        torch.mm(low, w[words].t(), out=piece)
        if ceiling is not None:
            piece.clamp_(max=ceiling)
        piece.exp_()
    odds[torch.arange(len(odds), device=odds.device), targets] = 0
    return odds.sum(dim=1)


class _TokenLogProbs(Function):
    """Odds against the target: exp(logit - target's logit) of every word, computed in place.

    With their sum over all other words, log p = -log(1 + sum) is precise at both ends, and the
    normaliser is applied on the [N, H] side of the backward products, so that the [N, V] array is
    written once and read three times.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, dtype: torch.dtype
    ) -> Tensor:
        rows, words = len(x), len(weight)
        # The shift is a column too: x' = [x, 1, -shift], W' = [W, b, 1].
        w = with_bias(weight, bias, dtype, last=1.0)
        low = with_one(x, dtype)
        target_logit = (low[:, :-1].to(x.dtype) * w[targets, :-1]).sum(dim=1)
        shift = target_logit.to(dtype)
        low[:, -1] = -shift
        ctx.array = _SPARE.take(rows, words, dtype, x.device)
        odds = as_table(ctx.array, rows, words)
        ceiling = math.log(torch.finfo(dtype).max / words) - ROOM
        look = LOOK[x.device.type]
        others = _fill(odds, low, w, targets, None if look else ceiling)
        if look and not others.max() < math.exp(ceiling):
            others = _fill(odds, low, w, targets, ceiling)
        others = others.to(x.dtype)
        # The shift is the target's logit as rounded; this is what the rounding took away.
        at_target = (target_logit - shift).exp()
        ctx.save_for_backward(low, w, targets, others, at_target)
        return -torch.log1p(others / at_target)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        low, w, targets, others, at_target = ctx.saved_tensors
        if ctx.array is None:
            raise RuntimeError("token_log_probs can be differentiated once only")
        odds = as_table(ctx.array, len(low), len(w))
        # d log p / d logits = onehot - p: (1 - p) at the target, -odds / total elsewhere.
        total = others + at_target
        scale = -grad / total
        at_target = grad * others / total
        grad_x = torch.mm(odds, w[:, :-2]) * scale[:, None]
        grad_x += w[targets, :-2] * at_target[:, None]
        grad_w = torch.mm(odds.t(), low * scale.to(low.dtype)[:, None])
        grad_weight, grad_bias = grad_w[:, :-2].to(grad.dtype), grad_w[:, -2].to(grad.dtype)
        grad_weight.index_add_(0, targets, low[:, :-2] * at_target[:, None])
        grad_bias.index_add_(0, targets, at_target)
        _SPARE.give(ctx.array)
        ctx.array = None
        return grad_x, grad_weight, grad_bias, None, None


def token_log_probs(
    x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, *, dtype: torch.dtype
) -> Tensor:
    """Return log softmax(x weight^T + bias) at the targets.

    Only one [N, V] array is kept, in `dtype`. No word counts as more than e^55 times as probable as
    the target (in float32 and bf16, at 22,826 words), so that a log-probability is never far below
    -55; its gradient still is that of an improbable word.

    Args:
        x: [N, H].
        weight: [V, H].
        bias: [V].
        targets: [N] int64.
        dtype: of the matrix products.

    Returns:
        [N], in the type of `x`. Its gradient may be anything (weights of sentences, for one).
    """
    return _TokenLogProbs.apply(x, weight, bias, targets, dtype)  # type: ignore[no-any-return, no-untyped-call]
