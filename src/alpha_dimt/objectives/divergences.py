"""Divergences D_f(p || q) beside the alpha family, on samples of the model.

With t = p / q and a convex f, D_f = E_q[f(t)] has the gradient E_p[f'(t) grad log p], so a sample
has the weight - f'(t) (Go et al., 2023, who write it for any proposal). All of them share one form
and differ in one function of log t; alpha-DiMT is the family f'(t) = - expm1(-(1 - alpha) log t) /
(1 - alpha). Rank-based weights (Wang et al., 2018) use the order of the ratios alone.

Shapes: B sources, K samples of each.
"""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from alpha_dimt.objectives.contract import Loss, Scored
from alpha_dimt.objectives.losses import reinforce, weight_figures

Divergence = Literal[
    "chi_square", "reverse_chi_square", "jensen_shannon", "total_variation", "tail_adaptive"
]


def alpha_weight(log_t: Tensor, alpha: float) -> Tensor:
    """Return - f'(t) of the alpha family for any alpha; `on_policy_alpha` has tau times it."""
    if alpha == 1:
        return -log_t
    return torch.expm1(-(1 - alpha) * log_t) / (1 - alpha)


def weight(log_t: Tensor, divergence: Divergence) -> Tensor:
    """Return - f'(t) [B, K] from log t, without gradient.

    Args:
        log_t: [B, K] log p - log q of each sample.
        divergence: `chi_square` is the sum of q^2 / p (alpha = -1), `reverse_chi_square` that of
            p^2 / q (alpha = 2), both halved; `jensen_shannon` is twice that divergence;
            `tail_adaptive` ranks the samples of a source by q / p, the largest first, and gives the
            k-th a weight proportional to 1 / k.
    """
    match divergence:
        case "chi_square":
            return alpha_weight(log_t, -1.0)
        case "reverse_chi_square":
            return alpha_weight(log_t, 2.0)
        case "jensen_shannon":
            # f = t log t - (1 + t) log((1 + t) / 2)
            return F.softplus(log_t) - log_t - math.log(2)
        case "total_variation":
            # f = |t - 1| / 2
            return -log_t.sign() / 2
        case "tail_adaptive":
            # The share of samples whose q / p is at least as large; ties share it.
            at_least = (log_t[:, None, :] <= log_t[:, :, None]).double().mean(dim=2)
            inverse = (1 / at_least).to(log_t.dtype)
            return inverse / inverse.sum(dim=1, keepdim=True) * log_t.shape[1]


def f_divergence(
    scored: Scored, *, divergence: Divergence, tau: float, log_z: Tensor | None = None
) -> Loss:
    """Minimise a divergence from q, proportional to exp(r / tau), on samples of the model.

    Args:
        scored: the candidates, drawn from the model; at least 2 a source.
        divergence: see `weight`.
        tau: temperature of q.
        log_z: [B], or a scalar for all, logarithm of q's normaliser where it is known; None: the
            mean of exp(r / tau) / p over the samples of a source.
    """
    log_ratio = scored.reward / tau - scored.log_p.detach()
    if log_z is None:
        log_z = log_ratio.logsumexp(dim=1) - math.log(log_ratio.shape[1])
    log_t = log_z[..., None] - log_ratio
    loss = reinforce(scored, weight(log_t, divergence))
    figures = weight_figures((-log_t).softmax(dim=1), scored.reference)
    return Loss(loss.value, {**loss.diagnostics, **figures, "kl_p_q": log_t.mean()})
