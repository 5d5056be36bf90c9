"""Objectives as pure functions: log-probabilities and weights in, loss and diagnostics out.

No model and no I/O in here. Every objective has the form

    log w = alpha log p + (1 - alpha) r / tau - log q0         (weights carry no gradient)
    loss  = - sum of softmax(log w) log p

and differs in alpha, in which terms of log w are kept, and in the group that the softmax runs
over. All losses are means over the B sources of a mini-batch of a sum over tokens, so learning
rates mean the same for all of them. Shapes: B sources, K candidates of each.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True)
class Scored:
    """Candidates of a mini-batch, as the model and the proposal see them.

    Attributes:
        log_p: [B, K] log-probability of each candidate, summed over its tokens; with gradient.
        lengths: [B, K] predicted tokens of each candidate (its </s> included).
        reward: [B, K] r(y, y*).
        log_q0: [B, K] log-probability under the proposal.
    """

    log_p: Tensor
    lengths: Tensor
    reward: Tensor
    log_q0: Tensor


@dataclass(frozen=True)
class Loss:
    """A scalar to minimise, and figures to log (scalars without gradient)."""

    value: Tensor
    diagnostics: dict[str, Tensor]


def maximum_likelihood(scored: Scored) -> Loss:
    """Negative log-likelihood of the references (Eq. 1); K is 1."""
    return Loss(-scored.log_p.sum() / len(scored.log_p), {})


def log_weights(
    scored: Scored, *, alpha: float, tau: float, log_p: Literal["sum", "mean"], log_q0: bool
) -> Tensor:
    """Return [B, K] unnormalised log importance weights, without gradient (Eq. 14 over q0, Eq. 15).

    Args:
        scored: the candidates.
        alpha: 0 is RAML, 1 is on the side of reinforcement learning.
        tau: temperature of q, proportional to exp(r / tau).
        log_p: "sum" is Eq. 14; "mean" divides log p by the length, as the authors' code does.
        log_q0: whether to divide by q0 (Eq. 15); the authors' code does not.
    """
    log_model = scored.log_p.detach()
    if log_p == "mean":
        log_model = log_model / scored.lengths
    weights = alpha * log_model + (1 - alpha) * scored.reward / tau
    return weights - scored.log_q0 if log_q0 else weights


def normalise(log_w: Tensor, group: Literal["source", "batch"]) -> Tensor:
    """Return weights that sum to 1 over each group.

    Args:
        log_w: [B, K] log-weights.
        group: "source" is the sum over the candidates of one source (Eq. 15); "batch" the sum over
            all candidates of the mini-batch, as the authors' code does.
    """
    if group == "source":
        return log_w.softmax(dim=1)
    return log_w.flatten().softmax(dim=0).view_as(log_w)


def alpha_divergence(
    scored: Scored,
    *,
    alpha: float,
    tau: float,
    normaliser: Literal["source", "batch"],
    log_p: Literal["sum", "mean"],
    log_q0: bool,
) -> Loss:
    """Off-policy alpha-DiMT (Eq. 15); RAML by importance weights (Eq. 4) at alpha = 0.

    The gradient of the loss is Eq. 15, averaged over sources for the normaliser "source" and
    weighted over the mini-batch for "batch".
    """
    log_w = log_weights(scored, alpha=alpha, tau=tau, log_p=log_p, log_q0=log_q0)
    weights = normalise(log_w, normaliser)
    groups, size = (
        (len(weights), weights.shape[1]) if normaliser == "source" else (1, weights.numel())
    )
    loss = -(weights * scored.log_p).sum() / groups
    grouped = weights.view(groups, size)
    return Loss(
        loss,
        {
            # 1 / sum of squares: how many equally weighted candidates the group is worth.
            "ess_fraction": (1 / grouped.square().sum(dim=1)).mean() / size,
            "mean_reward": scored.reward.mean(),
        },
    )
