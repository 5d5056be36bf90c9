"""Objectives as pure functions: scored candidates in, loss and diagnostics out.

No model and no I/O in here. Every objective has the form

    loss = - mean over sources of  sum over candidates of  weight * log p

and they differ in where candidates come from and in the weight, which carries no gradient (but for
minimum risk). Off policy, with a group that the softmax runs over:

    log weight = alpha log p + (1 - alpha) r / tau - log q0, softmax over the group

All losses are means over the B sources of a mini-batch of a sum over tokens, so learning rates
mean the same for all of them. Shapes: B sources, K candidates of each.
`docs/explanation/objectives.md` puts each equation of the paper beside its function.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from alpha_dimt.objectives.contract import Loss, Objective, Scored

LogP = Literal["sum", "mean", "padded_mean"]
"""How log p of a sentence enters a weight: see `alpha_divergence`."""
Group = Literal["source", "batch"]
"""Which candidates are normalised together: those of a source, or of the mini-batch."""


# ------------------------------------------------------------------------------- likelihood


def maximum_likelihood(scored: Scored, *, label_smoothing: float = 0.0) -> Loss:
    """Return the mean negative log-likelihood of the candidates.

    With the reference as the only candidate this is maximum likelihood (Eq. 1); with candidates
    drawn from q itself it is RAML as Norouzi et al. (2016) train it (Eq. 4).

    Args:
        scored: the candidates.
        label_smoothing: share of the target that is spread evenly over the vocabulary (Szegedy et
            al., 2016); above 0, `scored` needs `mean_log_p`.
    """
    log_p = scored.log_p
    if label_smoothing:
        if scored.mean_log_p is None:
            raise ValueError("label smoothing needs Scored.mean_log_p")
        log_p = (1 - label_smoothing) * log_p + label_smoothing * scored.mean_log_p
    return Loss(-log_p.mean(), {"mean_reward": scored.reward.mean()})


# ------------------------------------------------------------------------------- off policy


def model_term(scored: Scored, log_p: LogP) -> Tensor:
    """Return [B, K] log p as it stands in the weight, without gradient.

    "sum" is Eq. 14; "mean" divides by the candidate's length; "padded_mean" by the longest in the
    mini-batch, as the authors' code does.
    """
    value = scored.log_p.detach()
    if log_p == "mean":
        # A chunk may begin after the end of a candidate, which then has no tokens in it.
        return value / scored.lengths.clamp(min=1)
    return value / scored.lengths.max() if log_p == "padded_mean" else value


def log_weights(scored: Scored, *, alpha: float, tau: float, log_p: LogP, log_q0: bool) -> Tensor:
    """Return [B, K] unnormalised log importance weights, without gradient (Eq. 14 over q0, Eq. 15).

    Args:
        scored: the candidates.
        alpha: 0 is RAML; the larger, the more the model's own probability decides.
        tau: temperature of q, proportional to exp(r / tau).
        log_p: see `model_term`.
        log_q0: whether to divide by q0 (Eq. 15); the authors' code does not.
    """
    weights = alpha * model_term(scored, log_p) + (1 - alpha) * scored.reward / tau
    return weights - scored.log_q0 if log_q0 else weights


def normalise(log_w: Tensor, group: Group) -> Tensor:
    """Return weights that sum to 1 over each group, one group a row.

    Args:
        log_w: [B, K] log-weights.
        group: "source" is the sum over the candidates of one source (Eq. 15): [B, K]; "batch" the
            sum over all candidates of the mini-batch, as the authors' code does: [1, B * K].
    """
    return _groups(log_w, group).softmax(dim=1)


def log_normalise(log_w: Tensor, group: Group) -> Tensor:
    """Return the logarithm of what `normalise` returns, finite also where a weight is 0."""
    return _groups(log_w, group).log_softmax(dim=1)


def _groups(log_w: Tensor, group: Group) -> Tensor:
    return log_w if group == "source" else log_w.reshape(1, -1)


def alpha_divergence(
    scored: Scored, *, alpha: float, tau: float, normaliser: Group, log_p: LogP, log_q0: bool
) -> Loss:
    """Off-policy alpha-DiMT (Eq. 15); RAML by importance weights (Eq. 4) at alpha = 0.

    The gradient of the loss is Eq. 15, averaged over sources for the normaliser "source" and
    weighted over the mini-batch for "batch".
    """
    log_w = log_weights(scored, alpha=alpha, tau=tau, log_p=log_p, log_q0=log_q0)
    weights = normalise(log_w, normaliser)
    value = -(weights * scored.log_p.reshape_as(weights)).sum() / len(weights)
    log_model, log_target = (
        log_normalise(
            log_weights(scored, alpha=end, tau=tau, log_p=log_p, log_q0=log_q0), normaliser
        )
        for end in (1.0, 0.0)
    )
    reward = scored.reward.reshape_as(weights)
    return Loss(
        value,
        {
            **weight_figures(weights, scored.reference.reshape_as(weights)),
            "mean_reward": reward.mean(),
            "weighted_reward": (weights * reward).sum(dim=1).mean(),
            # Of the candidates at hand: p and q, each over q0 and normalised over the group.
            "kl_q_p": _kl(log_target, log_model),
            "kl_p_q": _kl(log_model, log_target),
        },
    )


def weight_figures(
    weights: Tensor, reference: Tensor, size: Tensor | None = None
) -> dict[str, Tensor]:
    """Return how even weights are, as means over groups.

    Args:
        weights: [G, N] weights that sum to 1 over each group, without gradient.
        reference: [G, N] whether the candidate equals the reference.
        size: [G] candidates of each group that can have a weight; None: all N.
    """
    # How many equally weighted candidates a group is worth.
    effective = 1 / weights.square().sum(dim=1)
    return {
        "ess": effective.mean(),
        "ess_fraction": (effective / (weights.shape[1] if size is None else size)).mean(),
        "weight_entropy": torch.special.entr(weights).sum(dim=1).mean(),
        "reference_share": (weights * reference).sum(dim=1).mean(),
    }


def _kl(log_a: Tensor, log_b: Tensor) -> Tensor:
    """Return the mean over rows of KL(a || b)."""
    return (log_a.exp() * (log_a - log_b)).sum(dim=1).mean()


# -------------------------------------------------------------------------------- on policy


def leave_one_out(values: Tensor) -> Tensor:
    """Return [B, K] values minus the mean of the source's other candidates (unbiased baseline).

    With one candidate there is nothing to compare with, and the values stay as they are.
    """
    k = values.shape[1]
    return values if k == 1 else (values - values.mean(dim=1, keepdim=True)) * (k / (k - 1))


def reinforce(scored: Scored, values: Tensor) -> Loss:
    """Return the surrogate whose gradient is minus the mean of advantage times grad log p."""
    log_p = scored.log_p.detach()
    return Loss(
        -(leave_one_out(values) * scored.log_p).mean(),
        {
            "mean_reward": scored.reward.mean(),
            "entropy": -log_p.mean(),
            "value_spread": values.std(dim=1).mean() if values.shape[1] > 1 else _spread(values),
        },
    )


def _spread(values: Tensor) -> Tensor:
    """Return the deviation of all values; 0 of one, which has none."""
    return values.std(correction=min(1, values.numel() - 1))


def on_policy_alpha(
    scored: Scored, *, alpha: float, tau: float, log_z: Tensor | None = None
) -> Loss:
    """alpha-DiMT on candidates drawn from the model itself, for alpha up to and including 1.

    Eq. 13 is an expectation under p of tau (q / p)^(1 - alpha) / (1 - alpha). Its constant part has
    no gradient; without it the weight is tau expm1(u) / (1 - alpha) with
    u = (1 - alpha) (r / tau - log p - log Z), which tends to r - tau log p, the entropy-regularised
    policy gradient (Eq. 9), as alpha tends to 1. Z, the normaliser of q, is the mean of
    exp(r / tau) / p over the samples of a source: u stays bounded, at the price of a bias below
    alpha = 1 (docs/explanation/objectives.md has its size).

    Args:
        scored: the candidates; at least 2 a source.
        alpha: 0 to 1.
        tau: temperature of q.
        log_z: [B], or a scalar for all, logarithm of Z where it is known.
    """
    log_ratio = scored.reward / tau - scored.log_p.detach()
    if log_z is None:
        log_z = log_ratio.logsumexp(dim=1) - math.log(log_ratio.shape[1])
    log_ratio = log_ratio - log_z[..., None]
    u = (1 - alpha) * log_ratio
    loss = reinforce(scored, tau * (log_ratio if alpha == 1 else torch.expm1(u) / (1 - alpha)))
    figures = weight_figures(u.softmax(dim=1), scored.reference)
    # Jensen's inequality keeps the estimate above 0 where Z is estimated too.
    return Loss(loss.value, {**loss.diagnostics, **figures, "kl_p_q": -log_ratio.mean()})


def policy_gradient(scored: Scored, *, tau: float) -> Loss:
    """REINFORCE on candidates drawn from the model: Eq. 2, or Eq. 3 with entropy where tau > 0."""
    return reinforce(scored, scored.reward - tau * scored.log_p.detach())


def minimum_risk(scored: Scored, *, sharpness: float) -> Loss:
    """Minimum risk training (Shen et al., 2016) over the distinct candidates of each source.

    Q is proportional to p ** sharpness over the candidates; the loss is minus the expected reward
    under Q, with gradient through Q.
    """
    scores = (sharpness * scored.log_p).masked_fill(~scored.distinct, -torch.inf)
    q = scores.softmax(dim=1)
    value = -(q * scored.reward).sum(dim=1).mean()
    figures = weight_figures(q.detach(), scored.reference, scored.distinct.sum(dim=1))
    return Loss(value, {**figures, "mean_reward": scored.reward.mean()})


# ----------------------------------------------------------------------------------- mixed


def with_likelihood(
    scored: Scored,
    *,
    other: Objective,
    ml_weight: float,
    other_weight: float,
    shared: bool = False,
) -> Loss:
    """Mix maximum likelihood of the reference (candidate 0) with another objective.

    With weights 0.017 and 1 and the policy gradient this is GNMT's mixture (Wu et al., 2016), the
    comparison that the paper names as future work.

    Args:
        scored: the candidates.
        other: the other objective.
        ml_weight: of maximum likelihood.
        other_weight: of the other objective.
        shared: whether the reference is a candidate of the other objective, too.
    """
    likelihood = maximum_likelihood(scored.columns(slice(0, 1)))
    rest = other(scored if shared else scored.columns(slice(1, None)))
    value = ml_weight * likelihood.value + other_weight * rest.value
    return Loss(value, {**rest.diagnostics, "likelihood_loss": likelihood.value.detach()})
