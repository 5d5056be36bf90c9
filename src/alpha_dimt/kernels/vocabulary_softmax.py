"""The output layer fused with the softmax: log-probabilities of given tokens."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from alpha_dimt.kernels.linear import pack_output_weight, pad_rows, wide_product
from alpha_dimt.kernels.workspace import Workspace, as_table

PIECE = 3072
"""Words a pass of exponentials: on a CPU, whole rows take almost twice as long."""

ROOM = 23.0
"""The part of the exponential's range left for products with weights and sums over words."""


KEPT = 600_000_000
"""Bytes of odds that a CPU keeps from the forward to the backward pass; the rest is computed twice.

A batch of the paper's fits with one candidate a source. With four, in fp32, training takes half the
memory, and an eighth more time.
"""


ROWS = 128
"""Parts have a multiple of this many rows; see `FusedAttentionRnn.rows_multiple`."""


def highest_difference(dtype: torch.dtype, words: int) -> float:
    """Return to what differences of logits are clamped, so that sums over all words are finite."""
    return math.log(torch.finfo(dtype).max / words) - ROOM


def fill_odds(odds: Tensor, low: Tensor, w: Tensor, ceiling: float | None) -> None:
    """Fill in odds [N, V], exp(low w).

    Args:
        odds: on return, odds of every word.
        low: [N, M].
        w: [M, V], so that low w are the logits less one of each token.
        ceiling: differences of logits are clamped to it, if not None.
    """
    torch.mm(low, w, out=odds)
    width = odds.shape[1] if odds.is_cuda else PIECE
    for start in range(0, odds.shape[1], width):
        piece = odds[:, start : start + width]
        if ceiling is not None:
            piece.clamp_(max=ceiling)
        piece.exp_()


def _fill(odds: Tensor, low: Tensor, w: Tensor, targets: Tensor, ceiling: float | None) -> None:
    """Fill in odds [N, V] against the targets [N], 0 at the targets; see `fill_odds`."""
    fill_odds(odds, low, w, ceiling)
    _put(odds, targets, 0.0)


def _put(odds: Tensor, targets: Tensor, values: Any) -> None:
    """Overwrite the odds [N, V] of the targets [N]."""
    if odds.is_cuda:
        odds.scatter_(1, targets[:, None], values)
    else:
        # `scatter_` converts a whole array of bf16 to float32 and back.
        odds[torch.arange(len(odds))[:, None], targets[:, None]] = values


def _product(a: Tensor, b: Tensor, wide: torch.dtype) -> Tensor:
    """Return the product of two matrices; on a CUDA device in the type `wide`."""
    return wide_product(a, b, wide) if a.is_cuda else torch.mm(a, b)


class _TokenLogProbs(Function):
    """Odds against the target: exp(logit - target's logit) of every word, computed in place.

    With their sum over all other words, log p = -log(1 + sum) is precise at both ends, and the
    normaliser is applied on the [N, H] side of the backward products, so that the [N, V] array is
    written once and read three times. The product of the gradient of x gives that sum as well.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        dtype: torch.dtype,
        workspace: Workspace,
        check_overflow: bool,
        keep: bool,
    ) -> Tensor:
        rows, units, words = *x.shape, len(weight)
        # The shift is a column too: x' = [x, 1, -shift, 0], W' = [W, b, 1, 0].
        w = pack_output_weight(weight, bias, dtype, last=1.0)
        low = pad_rows(x, w, rows=rows)
        at_target = w[: units + 1].t()[targets]
        target_logit = (low[:, : units + 1].to(x.dtype) * at_target).sum(dim=1)
        shift = target_logit.to(dtype)
        low[:, units + 1] = -shift
        ctx.workspace = workspace
        ctx.array = workspace.acquire(rows, words, dtype, x.device)
        odds = as_table(ctx.array, rows, words)
        highest = highest_difference(dtype, words)
        ceiling = None if check_overflow else highest
        _fill(odds, low, w, targets, ceiling)
        sums = _product(odds, w.t(), x.dtype)
        if check_overflow and not sums[:, units + 1].max() < math.exp(highest):
            ceiling = highest
            _fill(odds, low, w, targets, ceiling)
            sums = _product(odds, w.t(), x.dtype)
        others = sums[:, units + 1]
        # d log p / d logits = onehot - p: over `total`, others at the target and -odds elsewhere.
        at_targets = -others[:, None].to(dtype)
        ctx.again = None
        if keep:
            _put(odds, targets, at_targets)
        else:
            workspace.release(ctx.array)
            ctx.array, ctx.again = None, (w, targets, ceiling, at_targets)
        others = others.to(x.dtype)
        weighted = sums[:, :units] - at_target[:, :units] * others[:, None]
        # The shift is the target's logit as rounded; this is what the rounding took away.
        rest = (target_logit - shift).exp()
        ctx.words = words
        ctx.save_for_backward(low, weighted, others + rest)
        return -torch.log1p(others / rest)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        low, weighted, total = ctx.saved_tensors
        if ctx.array is None and ctx.again is None:
            raise RuntimeError("token_log_probs can be differentiated once only")
        if ctx.again is not None:
            w, targets, ceiling, at_targets = ctx.again
            ctx.array = ctx.workspace.acquire(len(low), ctx.words, low.dtype, low.device)
            odds = as_table(ctx.array, len(low), ctx.words)
            _fill(odds, low, w, targets, ceiling)
            _put(odds, targets, at_targets)
        odds = as_table(ctx.array, len(low), ctx.words)
        scale = -grad / total
        units = weighted.shape[1]
        scaled = low[:, : units + 1] * scale.to(low.dtype)[:, None]
        # Of [W, b], [H + 1, V]: the array of odds is read twice as fast in the order it has.
        grad_w = _product(scaled.t().contiguous(), odds, grad.dtype).to(grad.dtype)
        ctx.workspace.release(ctx.array)
        ctx.array = ctx.again = None
        return weighted * scale[:, None], grad_w[:units].t(), grad_w[units], *(None,) * 5


def token_log_probs(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    *,
    dtype: torch.dtype,
    workspace: Workspace,
    check_overflow: bool | None = None,
) -> Tensor:
    """Return log softmax(x weight^T + bias) at the targets.

    Only one [N, V] array is kept, in `dtype`; on a CPU, it has at most `KEPT` bytes. No word counts
    as more than e^55 times as probable as the target (in float32 and bf16, at 22,826 words), so a
    log-probability is never far below -55; its gradient is still that of an improbable word.

    Args:
        x: [N, H].
        weight: [V, H]; faster as a transposed [H, V].
        bias: [V].
        targets: [N] int64.
        dtype: of the matrix products.
        workspace: holds the array from the forward pass to the backward pass.
        check_overflow: check for overflow instead of always clamping. Only a diverged model
            overflows, and on a CPU the check is cheaper; on a GPU it would force a synchronisation.
            None: on a CPU only.

    Returns:
        [N], in the type of `x`, with gradient.
    """
    if check_overflow is None:
        check_overflow = x.device.type == "cpu"
    common = (weight, bias, dtype, workspace, check_overflow)
    most = max(1, KEPT // (len(weight) * dtype.itemsize) // ROWS) * ROWS
    if len(x) <= most or x.device.type != "cpu":
        return _apply(x, targets, *common, keep=True)
    # The last part keeps its odds, so it is the largest; the backward pass begins with it.
    sizes = [(len(x) - 1) % most + 1] + [most] * ((len(x) - 1) // most)
    parts = zip(torch.split(x, sizes), torch.split(targets, sizes), strict=True)
    return torch.cat(
        [
            _apply(rows, wanted, *common, keep=number == len(sizes))
            for number, (rows, wanted) in enumerate(parts, start=1)
        ]
    )


def mean_log_probs(
    log_p: Tensor, x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, *, dtype: torch.dtype
) -> Tensor:
    """Return the mean over the vocabulary of log softmax(x weight^T + bias).

    It is log p of the target, less the target's logit, plus the mean logit, which is a product with
    the mean weight: no [N, V] array is needed.

    Args:
        log_p: [N] what `token_log_probs` returned.
        x: [N, H].
        weight: [V, H].
        bias: [V].
        targets: [N] int64.
        dtype: of the matrix products.

    Returns:
        [N], in the type of `x`, with gradient.
    """
    # The target's logit is rounded as in `token_log_probs`, so that it cancels.
    # The gradient of an embedding is summed in a fixed order on a GPU, that of indexing is not.
    at_target = (F.embedding(targets, weight), F.embedding(targets, bias[:, None])[:, 0])
    low, weight_there, bias_there = (part.to(dtype).to(x.dtype) for part in (x, *at_target))
    mean = x @ weight.mean(dim=0) + bias.mean()
    return log_p + mean - (low * weight_there).sum(dim=1) - bias_there


def _apply(
    x: Tensor,
    targets: Tensor,
    weight: Tensor,
    bias: Tensor,
    dtype: torch.dtype,
    workspace: Workspace,
    check_overflow: bool,
    *,
    keep: bool,
) -> Tensor:
    given = (x, weight, bias, targets, dtype, workspace, check_overflow, keep)
    return _TokenLogProbs.apply(*given)  # type: ignore[no-any-return, no-untyped-call]
