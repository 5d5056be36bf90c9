"""Objectives that weight words one by one by the values of a critic, as pure functions.

A critic estimates a value Q(a | y_<t, y*) for every word a at every step: the sum of the reward of
a and of all later rewards, if the model continues after a. Bahdanau et al. (2017) use it as a
baseline (RF-C) or for all words at once (AC). Losses are means over the R samples of sums over
their tokens.

Shapes: R samples, T steps (</s> included), N tokens of all samples, V words, A actions.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from alpha_dimt.objectives.contract import Loss


@dataclass(frozen=True)
class Steps:
    """The tokens of samples, as model and critic see them.

    Attributes:
        log_p: [N, V] log-probabilities of all words, with gradient.
        words: [N] the word drawn.
        returns: [N] rewards of this word and of all after it.
        baseline: [N] the critic's estimate of these returns before the word was drawn.
        values_of: returns the critic's values [N, A] of some words [N, A], without gradient.
        all_values: returns its values of all words [N, V], without gradient.
        mean_value: [N] the mean of its values of all words.
        rows: R.
    """

    log_p: Tensor
    words: Tensor
    returns: Tensor
    baseline: Tensor
    values_of: Callable[[Tensor], Tensor]
    all_values: Callable[[], Tensor]
    mean_value: Tensor
    rows: int


CriticObjective = Callable[[Steps], Loss]


def reinforce_critic(steps: Steps) -> Loss:
    """REINFORCE with the critic as baseline (RF-C); unbiased for any critic."""
    log_p = steps.log_p.gather(1, steps.words[:, None])[:, 0]
    advantage = steps.returns - steps.baseline
    return Loss(-(advantage * log_p).sum() / steps.rows, {})


def actor_critic(steps: Steps, *, actions: int | Literal["all"]) -> Loss:
    """The gradient of the expected value, word by word (AC): - sum_t sum_a p(a) Q(a).

    Its gradient is that of a weighted likelihood with weights p(a) (Q(a) - m), for any m; with m
    the mean value, words that have it contribute nothing. So with `actions` a number, only the
    likeliest words take part, and the one that was drawn.

    Args:
        steps: the tokens.
        actions: A, how many words have their own value; "all" for every word.
    """
    if actions == "all" or actions >= steps.log_p.shape[1]:
        log_p, values = steps.log_p, steps.all_values()
    else:
        likeliest = steps.log_p.detach().topk(actions, dim=1).indices
        # The last of them makes room for the word that was drawn, if it is not among them.
        drawn = (likeliest == steps.words[:, None]).any(dim=1, keepdim=True)
        last = torch.where(drawn, likeliest[:, -1:], steps.words[:, None])
        chosen = torch.cat((likeliest[:, :-1], last), dim=1)
        log_p, values = steps.log_p.gather(1, chosen), steps.values_of(chosen)
    p = log_p.detach().exp()
    weights = p * (values - steps.mean_value[:, None])
    outside = (1 - p.sum(dim=1)).clamp(min=0).mean()
    return Loss(-(weights * log_p).sum() / steps.rows, {"mass_outside": outside})


def token_alpha(steps: Steps, *, alpha: float, tau: float) -> Loss:
    """alpha-DiMT over the next word, with q(a) proportional to exp(Q(a) / tau).

    The gradient is that of log sum_a p(a)^alpha q(a)^(1 - alpha) / (alpha (alpha - 1)), a multiple
    of Renyi's divergence: - sum_a w(a) grad log p(a) / (1 - alpha), where w is proportional to
    p^alpha q^(1 - alpha). Since p has no gradient of its own there, w - p may stand for w, which
    tends to p (log q - log p - mean) as alpha tends to 1. alpha = 0 is VAML, alpha = 1 the actor of
    ERAC (Dai et al., 2018). Nothing is sampled: w is exact.

    Args:
        steps: the tokens.
        alpha: 0 to 1.
        tau: temperature of q.
    """
    log_p = steps.log_p.detach()
    p, log_q = log_p.exp(), (steps.all_values() / tau).log_softmax(dim=1)
    if alpha == 1:
        # A word that cannot be predicted has p = 0 and a log p of -inf.
        ratio = torch.where(p > 0, log_q - log_p, 0.0)
        weights = p * (ratio - (p * ratio).sum(dim=1, keepdim=True))
        tilted = p
    else:
        mixed = (1 - alpha) * log_q if alpha == 0 else alpha * log_p + (1 - alpha) * log_q
        tilted = mixed.softmax(dim=1)
        weights = (tilted - p) / (1 - alpha)
    kept = torch.where(weights != 0, steps.log_p, 0.0)
    effective = 1 / tilted.square().sum(dim=1)
    return Loss(
        -(weights * kept).sum() / steps.rows,
        {
            "effective_words": effective.mean(),
            "word_weight_entropy": torch.special.entr(tilted).sum(dim=1).mean(),
            "word_kl_p_q": torch.where(p > 0, p * (log_p - log_q), 0.0).sum(dim=1).mean(),
        },
    )


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
