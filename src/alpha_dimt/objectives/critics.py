"""Objectives that weight words one by one by the values of a critic, as pure functions.

A critic estimates a value Q(a | y_<t, y*) for every word a at every step: the sum of the reward of
a and of all later rewards, if the model continues after a. Bahdanau et al. (2017) use it as a
baseline (RF-C) or for all words at once (AC). Losses are means over the R samples of sums over
their tokens.

Shapes: R samples, T steps (</s> included), N tokens of all samples, V words.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from alpha_dimt.objectives.contract import Loss

Weigh = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, dict[str, Tensor]]]
"""From log p, p and the critic's values [n, V] of some tokens to weights [n, V] and figures [n]."""


@dataclass(frozen=True)
class Steps:
    """The tokens of samples, as model and critic see them.

    Attributes:
        log_p: returns log p of the words drawn [N], with gradient.
        weighted: returns the sum over tokens and words of weight times log p, with gradient, for
            weights that do not have one, and the means of their figures.
        returns: [N] rewards of this word and of all after it.
        baseline: [N] the critic's estimate of these returns before the word was drawn.
        rows: R.
    """

    log_p: Callable[[], Tensor]
    weighted: Callable[[Weigh], tuple[Tensor, dict[str, Tensor]]]
    returns: Tensor
    baseline: Tensor
    rows: int


CriticObjective = Callable[[Steps], Loss]


def reinforce_critic(steps: Steps) -> Loss:
    """REINFORCE with the critic as baseline (RF-C); unbiased for any critic."""
    advantage = steps.returns - steps.baseline
    return Loss(-(advantage * steps.log_p()).sum() / steps.rows, {})


def actor_critic(steps: Steps) -> Loss:
    """The gradient of the expected value, word by word (AC): sum_a Q(a) grad p(a).

    It is that of a weighted likelihood with weights p(a) (Q(a) - V), for any V; V here is the
    expected value, so that the weights of a token sum to 0.
    """
    total, figures = steps.weighted(_advantages)
    return Loss(-total / steps.rows, figures)


def _advantages(_: Tensor, p: Tensor, values: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    expected = (p * values).sum(dim=1, keepdim=True)
    return p * (values - expected), {}


def token_alpha(steps: Steps, *, alpha: float, tau: float) -> Loss:
    """alpha-DiMT over the next word, with q(a) proportional to exp(Q(a) / tau).

    The gradient is that of tau log sum_a p(a)^alpha q(a)^(1 - alpha) / (alpha (alpha - 1)), a
    multiple of Renyi's divergence: - tau sum_a w(a) grad log p(a) / (1 - alpha), where w is
    proportional to p^alpha q^(1 - alpha). Since p has no gradient of its own there, w - p may stand
    for w, which tends to p (log q - log p - mean) as alpha tends to 1. alpha = 0 is VAML times tau,
    alpha = 1 the actor of ERAC (Dai et al., 2018): `actor_critic` with the entropy of p times tau.
    Nothing is sampled: w is exact.

    Args:
        steps: the tokens.
        alpha: 0 to 1.
        tau: temperature of q.
    """
    total, figures = steps.weighted(partial(_tilted, alpha=alpha, tau=tau))
    return Loss(-tau * total / steps.rows, figures)


def _tilted(
    log_p: Tensor, p: Tensor, values: Tensor, *, alpha: float, tau: float
) -> tuple[Tensor, dict[str, Tensor]]:
    log_q = (values / tau).log_softmax(dim=1)
    divergence = (p * (log_p - log_q)).sum(dim=1)
    if alpha == 1:
        tilted, weights = p, p * (log_q - log_p + divergence[:, None])
    else:
        mixed = (1 - alpha) * log_q if alpha == 0 else alpha * log_p + (1 - alpha) * log_q
        tilted = mixed.softmax(dim=1)
        weights = (tilted - p) / (1 - alpha)
    return weights, {
        "effective_words": 1 / tilted.square().sum(dim=1),
        "word_weight_entropy": torch.special.entr(tilted).sum(dim=1),
        "word_kl_p_q": divergence,
    }


def mixer(
    log_p: Tensor, gold: Tensor, scores: Tensor, baseline: Tensor, *, rows: int, ml_weight: float
) -> Tensor:
    """Likelihood of the words that are the reference's, REINFORCE for those drawn after them.

    Args:
        log_p: [N] log-probabilities of the words, with gradient.
        gold: [N] whether a word is the reference's.
        scores: [N] score of the whole sentence that the word is in.
        baseline: [N] the expected score before the word was drawn; without gradient.
        rows: R.
        ml_weight: of the likelihood; REINFORCE has the rest.
    """
    weights = torch.where(gold, ml_weight, (1 - ml_weight) * (scores - baseline))
    return -(weights * log_p).sum() / rows


def critic_loss(values: Tensor, targets: Tensor, spread: Tensor, *, penalty: float) -> Tensor:
    """Return the sum of squared errors plus the penalty, which holds back values of unseen words.

    Args:
        values: [N] the critic's values of the words drawn, with gradient.
        targets: [N] what they should be, see `td_targets`; without gradient.
        spread: sum over tokens and words of (Q(a) - mean Q)^2, with gradient.
        penalty: its weight.
    """
    return (values - targets).square().sum() + penalty * spread


def td_targets(rewards: Tensor, state_values: Tensor, lengths: Tensor) -> Tensor:
    """Return r_t + V_{t+1} [R, T], and r_t alone for the last word of a sample.

    Args:
        rewards: [R, T].
        state_values: [R, T] V_t, sum_a p(a) Q(a) before the word t, of the delayed networks.
        lengths: [R] tokens of each sample.
    """
    after = torch.zeros_like(rewards)
    after[:, :-1] = state_values[:, 1:]
    last = torch.arange(rewards.shape[1], device=rewards.device) >= lengths[:, None] - 1
    return rewards + after.masked_fill(last, 0.0)


def returns(rewards: Tensor) -> Tensor:
    """Return the rewards of each word and of all after it [R, T]; padding has 0."""
    steps = rewards.new_ones(rewards.shape[1], rewards.shape[1])
    # A product: on a GPU, running sums have no fixed order.
    return rewards @ steps.tril()


def baselines(values: Tensor, rewards: Tensor, first: Tensor) -> Tensor:
    """Return what the critic expects before each word [R, T].

    The value of a word is its reward and what comes after it; so the value of the word before,
    without its reward, is that of the state that it led to. Before the first word there is none.

    Args:
        values: [R, T] Q of the words drawn.
        rewards: [R, T].
        first: [R] V_1, sum_a p(a) Q(a) before the first word.
    """
    return torch.cat((first[:, None], (values - rewards)[:, :-1]), dim=1)


def explained_variance(found: Tensor, expected: Tensor) -> Tensor:
    """Return the share of the variance of [N] values that expectations take away; at most 1."""
    floor = math.sqrt(torch.finfo(found.dtype).tiny)
    return 1 - (found - expected).var(correction=0) / found.var(correction=0).clamp(min=floor)
