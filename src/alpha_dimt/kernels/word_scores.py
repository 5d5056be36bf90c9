"""Sums over all words of a vocabulary, without keeping an array of all words in full precision.

Shapes: N tokens, H and H' units, V words, M columns of a packed output weight.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from alpha_dimt.kernels.linear import pack_output_weight, pad_rows, wide_product
from alpha_dimt.kernels.vocabulary_softmax import fill_odds, highest_difference, token_log_probs
from alpha_dimt.kernels.workspace import Workspace, as_table

TOKENS = 128
"""Tokens of a piece: its arrays [TOKENS, V] are computed while they are in the cache."""

NEVER_PREDICTED = -1e4
"""Bias of a word that is never predicted. It is finite, since 0 times infinity is not a number."""

Weigh = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, dict[str, Tensor]]]
"""From log p, p and values [n, V] of some tokens to their weights [n, V] and figures [n]."""


@dataclass(frozen=True)
class WordScores:
    """The scores of all words at N tokens, x W^T + b, computed as far as needed.

    They are the logits of a model or the values of a critic.

    Attributes:
        x: [N, H].
        weight: [V, H] W.
        bias: [V] b.
        dtype: of large matrix products.
        workspace: holds arrays of all words.
    """

    x: Tensor
    weight: Tensor
    bias: Tensor
    dtype: torch.dtype
    workspace: Workspace = field(default_factory=Workspace)

    def detach(self) -> "WordScores":
        """Return the same without gradient."""
        return self._with(self.x.detach(), self.weight.detach(), self.bias.detach())

    def at(self, tokens: Tensor) -> "WordScores":
        """Return the scores at some tokens, given by their numbers."""
        return self._with(self.x.index_select(0, tokens), self.weight, self.bias)

    def _with(self, x: Tensor, weight: Tensor, bias: Tensor) -> "WordScores":
        return WordScores(x, weight, bias, self.dtype, self.workspace)

    @cached_property
    def packed(self) -> Tensor:
        """The weight as products take it [M, V], without gradient: W, b, 1, 0."""
        with torch.no_grad():
            return pack_output_weight(self.weight, self.bias, self.dtype, last=1.0)

    def of(self, words: Tensor) -> Tensor:
        """Return the scores of one word a token [N]."""
        # As embeddings: on a GPU, the gradient of indexing is summed in no fixed order.
        rows = F.embedding(words, self.weight)
        return (self.x * rows).sum(dim=1) + F.embedding(words, self.bias[:, None])[:, 0]

    def spread(self) -> Tensor:
        """Return the sum over tokens and words of (score - mean score)^2, a scalar.

        With C the weights less their mean row, that is the sum of x^T (C^T C) x.
        """
        wide = torch.cat((self.weight, self.bias[:, None]), dim=1)
        centred = (wide - wide.mean(dim=0)).to(self.dtype)
        gram = (centred.t() @ centred).to(self.x.dtype)
        x = torch.cat((self.x, torch.ones_like(self.x[:, :1])), dim=1)
        return ((x @ gram) * x).sum()

    def log_softmax_of(self, words: Tensor) -> Tensor:
        """Return the log softmax of one word a token [N]."""
        count = len(words)
        beyond = -count % TOKENS
        found = token_log_probs(
            F.pad(self.x, (0, 0, 0, beyond)),
            self.weight,
            self.bias,
            F.pad(words, (0, beyond)),
            dtype=self.dtype,
            workspace=self.workspace,
        )
        return found[:count]


@torch.no_grad()
def expectations(logits: WordScores, values: WordScores, words: Tensor) -> tuple[Tensor, Tensor]:
    """Return the expected value of the next word, and log p of a given one.

    p is the softmax of the logits. The expectation is a product of p with the weight of the values,
    so their array of all words is not computed.

    Args:
        logits: at N tokens.
        values: at the same tokens.
        words: [N], as a rule likely ones; see `token_log_probs` on log p of others.

    Returns:
        [N] and [N], without gradient.
    """
    x, w, columns = logits.x, logits.packed, values.packed.t()
    rows, units = x.shape
    low = pad_rows(x, w, rows=-(-rows // TOKENS) * TOKENS)
    at_word = (low[:rows, : units + 1].to(x.dtype) * w[: units + 1].t()[words]).sum(dim=1)
    shift = at_word.to(w.dtype)
    low[:rows, units + 1] = -shift
    ceiling, sums = highest_difference(w.dtype, w.shape[1]), []
    for part in _pieces(low):
        array = logits.workspace.acquire(len(low[part]), w.shape[1], w.dtype, w.device)
        odds = as_table(array, len(low[part]), w.shape[1])
        fill_odds(odds, low[part], w, ceiling)
        sums.append(_product(odds, columns, x.dtype))
        logits.workspace.release(array)
    found, inner = torch.cat(sums)[:rows], values.x.shape[1]
    total = found[:, inner + 1]
    expected = (values.x * found[:, :inner]).sum(dim=1) + found[:, inner]
    # The shift is the logit as rounded.
    return expected / total, at_word - shift - total.log()


class _WeightedLogP(Function):
    """The gradient of the logits, -(w - p sum w), is written once, in the type of the products."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        w: Tensor,
        values: WordScores,
        weigh: Weigh,
        figures: list[dict[str, Tensor]],
    ) -> Tensor:
        rows, words = len(x), w.shape[1]
        low, others = (
            pad_rows(each, packed, rows=-(-rows // TOKENS) * TOKENS)
            for each, packed in ((x, w), (values.x, values.packed))
        )
        ctx.array = values.workspace.acquire(len(low), words, w.dtype, w.device)
        grads = as_table(ctx.array, len(low), words)
        total = x.new_zeros(())
        for part in _pieces(low):
            real = min(part.stop, rows) - part.start
            log_p = _product(low[part], w, x.dtype)[:real].log_softmax(dim=1)
            p = log_p.exp()
            found = _product(others[part], values.packed, x.dtype)[:real]
            weights, about = weigh(log_p, p, found)
            total += (weights * log_p).sum()
            figures.append(about)
            grads[part][:real] = weights.sub_(p.mul_(weights.sum(dim=1, keepdim=True)))
            grads[part][real:] = 0
        ctx.workspace, ctx.units = values.workspace, x.shape[1]
        ctx.save_for_backward(low, w)
        ctx.rows = rows
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        low, w = ctx.saved_tensors
        units = ctx.units
        grads = as_table(ctx.array, len(low), w.shape[1])
        scaled = low[:, : units + 1] * grad.to(low.dtype)
        grad_w = _product(scaled.t().contiguous(), grads, grad.dtype).to(grad.dtype)
        grad_x = _product(grads, w.t(), grad.dtype)[: ctx.rows, :units].to(grad.dtype) * grad
        ctx.workspace.release(ctx.array)
        ctx.array = None
        return grad_x, grad_w[:units].t(), grad_w[units], *(None,) * 4


def weighted_log_p(
    logits: WordScores, values: WordScores, weigh: Weigh
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the sum over tokens and words of weight times log p, and the means of the figures.

    p is the softmax of the logits, and the weights are functions of p and of the values; no
    gradient goes through them. Both arrays of all words are computed in pieces of a few tokens.

    Args:
        logits: at N tokens, with gradient.
        values: at the same tokens; their workspace holds the gradient of the logits until the
            backward pass.
        weigh: returns the weights; it may not keep its arguments, which are overwritten.

    Returns:
        A scalar, with gradient, and scalars.
    """
    figures: list[dict[str, Tensor]] = []
    total: Tensor = _WeightedLogP.apply(  # type: ignore[no-untyped-call]
        logits.x, logits.weight, logits.bias, logits.packed, values.detach(), weigh, figures
    )
    names = figures[0]
    return total, {name: torch.cat([each[name] for each in figures]).mean() for name in names}


def _pieces(rows: Tensor) -> list[slice]:
    """Return the pieces of an array [N, ..]; on a GPU it is one."""
    size = len(rows) if rows.is_cuda else TOKENS
    return [slice(start, start + size) for start in range(0, len(rows), size)]


def _product(a: Tensor, b: Tensor, wide: torch.dtype) -> Tensor:
    """Return the product of two matrices in the type `wide`."""
    return wide_product(a, b, wide) if a.is_cuda else torch.mm(a, b).to(wide)
