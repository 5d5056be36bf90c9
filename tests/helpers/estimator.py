"""Bias and variance of the estimators of the exact gradient: Eq. 15, and Eq. 13 on policy.

As K grows, the estimate from K candidates of a proposal q0 tends to the exact gradient over q0's
support: sequences that q0 never draws get no weight, however large K is.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from exact import REFERENCES, TAU, VOCAB, Exact, every_sequence, log_partition, normalised_weights
from torch import Tensor

from alpha_dimt.config import parse
from alpha_dimt.config.proposals import Proposal
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.objectives import Scored, alpha_divergence, on_policy_alpha
from alpha_dimt.proposals import Distribution, Words, build, frame, unframe

SOURCE = 0
"""The source under test; its reference has three words."""

BLOCK = 20_000
"""Repetitions computed at once."""

UNIFORM_EDIT = {"kind": "uniform_edit", "max_edit_fraction": 1.0}
HAMMING_PAYOFF = {"kind": "hamming_payoff", "tau": 1.0, "rescale": False}
EDIT_DISTANCE = {"kind": "edit_distance", "insert": 0.15, "delete": 0.15, "substitute": 0.3}
NGRAM = {"kind": "ngram", "max_n": 2}

PROPOSALS: dict[str, dict[str, Any]] = {
    "uniform_edit": UNIFORM_EDIT,
    "hamming_payoff": HAMMING_PAYOFF,
    "edit_distance": EDIT_DISTANCE,
    "ngram": NGRAM,
    "mixture": {
        "kind": "mixture",
        "parts": [
            {"weight": 1, "distribution": {**NGRAM, "substitutes": "unigram"}},
            {"weight": 1, "distribution": EDIT_DISTANCE},
        ],
    },
}
"""Every proposal offered, with settings that make large edits of three words likely."""


@dataclass(frozen=True)
class Q0:
    """A proposal for one source, with its probabilities and a way to draw from it.

    Attributes:
        log_q0: [N] log-probability of every sequence of the enumeration; -inf outside the support.
        distribution: None: drawn by these probabilities themselves.
    """

    log_q0: Tensor
    distribution: Distribution | None = None

    @property
    def support(self) -> Tensor:
        """[N] whether a sequence can be drawn."""
        return self.log_q0 > -torch.inf

    def draw(self, count: int, seed: int) -> Tensor:
        """Draw [count] sequences as numbers in the enumeration; longer ones are drawn again.

        This scales q0 by a constant, which self-normalised weights do not depend on.
        """
        if self.distribution is None:
            generator = torch.Generator().manual_seed(seed)
            return torch.multinomial(self.log_q0.exp(), count, True, generator=generator)
        rng = np.random.default_rng(seed)
        number = {y: n for n, y in enumerate(every_sequence())}
        drawn: list[int] = []
        while len(drawn) < count:
            references = _copies(count)
            rows = unframe(self.distribution.draw(references, rng).apply(references))
            ends = rows.offsets.tolist()
            values = rows.values.tolist()
            found = (
                number.get(tuple(values[ends[i] : ends[i + 1]])) for i in range(len(references))
            )
            drawn += [n for n in found if n is not None]
        return torch.tensor(drawn[:count])


def _copies(count: int) -> Ragged:
    return Ragged.from_rows([list(REFERENCES[SOURCE])] * count)


def every_q0(exact: Exact) -> dict[str, Q0]:
    """Return all proposals by name, first two that can draw any sequence."""
    log_p = exact.log_p().detach()[SOURCE]
    flat = torch.full_like(log_p, 1 / len(log_p)).log()
    return {
        "every sequence alike": Q0(flat),
        "the model": Q0(log_p),
        **{name: proposal(section) for name, section in PROPOSALS.items()},
    }


def proposal(section: dict[str, Any]) -> Q0:
    """Return a configured proposal for the source's reference."""
    values = {"distribution": section}
    parsed = parse(Proposal, values, "proposal").distribution
    words = Words(VOCAB, counts=np.array([0, 0, 0, 0, 5, 2, 1]))
    distribution = build(parsed, words)
    candidates = frame(Ragged.from_rows([list(y) for y in every_sequence()]))
    log_q0 = distribution.log_prob(_copies(len(candidates)), candidates)
    return Q0(torch.from_numpy(log_q0), distribution)


@dataclass(frozen=True)
class Moments:
    """The estimator's errors with K candidates, relative to the norm of the exact gradient.

    Attributes:
        bias: [P] mean error, measured.
        bias_noise: standard error of the measured bias' norm.
        bias_theory: [P] mean error to the first order in 1 / K.
        mean_square: mean squared error, measured: the variance, up to the square of the bias.
        mean_square_theory: the same to the first order in 1 / K.
    """

    bias: Tensor
    bias_noise: float
    bias_theory: Tensor
    mean_square: float
    mean_square_theory: float


def exact_weights(exact: Exact, q0: Q0, alpha: float) -> Tensor:
    """Return [N] p-tilde of Eq. 15 over the support of q0."""
    log_p = exact.log_p().detach()[[SOURCE]]
    reward = exact.reward[[SOURCE]]
    return normalised_weights(log_p, reward, alpha, TAU, support=q0.support[None])[0]


def moments(exact: Exact, q0: Q0, drawn: Tensor, *, alpha: float = 0.5) -> Moments:
    """Measure `alpha_divergence` on K candidates from q0, many times.

    With u = w / E[w], f the score of a sequence and g the exact gradient E[u f], the first order
    is: bias = -E[u^2 (f - g)] / K and mean squared error = E[u^2 |f - g|^2] / K.

    Args:
        exact: the enumeration.
        q0: proposal that was drawn from.
        drawn: [repetitions, K] drawn sequences.
        alpha: alpha of the divergence.
    """
    repetitions, k = drawn.shape
    log_p = exact.log_p().detach()[SOURCE]
    reward, scores = exact.reward[SOURCE], exact.scores[SOURCE]
    target = exact_weights(exact, q0, alpha)
    gradient = target @ scores
    away = (scores - gradient) / gradient.norm()
    # u = target / q0, where q0 is conditioned on at most LONGEST tokens.
    chance = q0.log_q0.softmax(dim=0)
    u = torch.where(q0.support, target / chance, 0.0)

    leaf = log_p[drawn].requires_grad_()
    unused = torch.ones_like(drawn, dtype=torch.bool)
    scored = Scored(leaf, drawn, reward[drawn], q0.log_q0[drawn], unused, unused)
    loss = alpha_divergence(
        scored, alpha=alpha, tau=TAU, normaliser="source", log_p="sum", log_q0=True
    )
    (by_leaf,) = torch.autograd.grad(loss.value, leaf)
    weights = -by_leaf * repetitions

    def errors(weights: Tensor) -> Tensor:
        """Return [repetitions, P] errors of weighted sums of scores."""
        coefficients = torch.zeros(repetitions, len(log_p), dtype=weights.dtype)
        return coefficients.scatter_add(1, drawn, weights) @ away

    # The unnormalised estimator's error has mean zero; subtracting it leaves the bias, with noise
    # that falls as fast as the bias itself.
    centred = errors(weights - u[drawn] / k)
    return Moments(
        bias=centred.mean(dim=0),
        bias_noise=(centred.var(dim=0).sum() / repetitions).sqrt().item(),
        bias_theory=-((chance * u.square()) @ away) / k,
        mean_square=errors(weights).square().sum(dim=1).mean().item(),
        mean_square_theory=((chance * u.square()) @ away.square().sum(dim=1)).item() / k,
    )


@dataclass(frozen=True)
class OnPolicyBias:
    """The bias of Eq. 13 on K samples of the model, relative to the norm of the exact gradient.

    Attributes:
        size: norm of the mean error.
        noise: standard error of the measured norm.
        turned: its part orthogonal to the exact gradient, which no factor can correct.
    """

    size: float
    noise: float
    turned: float


def on_policy_bias(exact: Exact, drawn: Tensor, *, alpha: float) -> OnPolicyBias:
    """Measure `on_policy_alpha` with its estimated Z on K samples of the model, many times.

    Args:
        exact: the enumeration.
        drawn: [repetitions, K] samples of the model.
        alpha: 0 to 1.
    """
    log_p, scores = exact.log_p().detach()[SOURCE], exact.scores[SOURCE]
    log_ratio = exact.reward[SOURCE] / TAU - log_p - log_partition(exact.reward, TAU)[SOURCE]
    advantage = log_ratio if alpha == 1 else torch.expm1((1 - alpha) * log_ratio) / (1 - alpha)
    gradient = (log_p.exp() * TAU * advantage) @ scores
    norm = gradient.norm()

    total = torch.zeros(len(log_p), dtype=torch.float64)
    square = torch.zeros(len(log_p), len(log_p), dtype=torch.float64)
    for rows in drawn.split(BLOCK):
        weights = _on_policy_weights(exact, log_p, rows, alpha)
        total += weights.sum(dim=0)
        square += weights.T @ weights
    average = total / len(drawn)
    covariance = square / len(drawn) - torch.outer(average, average)
    bias = (average @ scores - gradient) / norm
    along = bias @ gradient / norm
    return OnPolicyBias(
        size=bias.norm().item(),
        noise=((covariance * (scores @ scores.T)).sum() / len(drawn)).sqrt().item() / norm.item(),
        turned=(bias.square().sum() - along.square()).clamp(min=0).sqrt().item(),
    )


def _on_policy_weights(exact: Exact, log_p: Tensor, drawn: Tensor, alpha: float) -> Tensor:
    """Return [repetitions, N] factors of the sequences' scores."""
    leaf = log_p[drawn].requires_grad_()
    unused = torch.ones_like(drawn, dtype=torch.bool)
    scored = Scored(leaf, drawn, exact.reward[SOURCE][drawn], log_p[drawn], unused, unused)
    loss = on_policy_alpha(scored, alpha=alpha, tau=TAU)
    (by_leaf,) = torch.autograd.grad(loss.value, leaf)
    weights = torch.zeros(len(drawn), len(log_p), dtype=torch.float64)
    return weights.scatter_add_(1, drawn, -by_leaf * len(drawn))
