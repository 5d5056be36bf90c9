"""Our objectives against the paper's equations, by exact enumeration in float64.

With all sequences as candidates, an objective must give the exact gradient. With K samples it must
give it in expectation: all K-tuples of sequences are enumerated, each with the probability of being
drawn.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from exact import (
    TAU,
    Exact,
    entropy_regularised,
    expected_reward,
    kl,
    log_partition,
    log_q,
    mixed_weights,
    ml,
    normalised_weights,
    raml,
    relative,
)
from torch import Tensor

from alpha_dimt.objectives import (
    Loss,
    Scored,
    alpha_divergence,
    maximum_likelihood,
    minimum_risk,
    on_policy_alpha,
    policy_gradient,
    with_likelihood,
)

EXACT = 1e-10
"""Largest relative error where equality is exact; about 1e-14 is measured."""

WITHOUT_Z = torch.zeros(())

ALPHAS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)


def enumerated(exact: Exact, log_q0: Tensor | None = None) -> Scored:
    """Return all sequences of both sources as candidates, with a graph."""
    return Scored(
        log_p=exact.log_p(),
        lengths=exact.lengths,
        reward=exact.reward,
        log_q0=torch.zeros_like(exact.reward) if log_q0 is None else log_q0,
        reference=exact.reference,
        distinct=torch.ones_like(exact.reference),
    )


def expected_gradient(
    exact: Exact, log_p: Tensor, loss: Callable[[Scored], Loss], log_draw: Tensor, k: int
) -> Tensor:
    """Return the expected gradient of an objective over K independent draws per source, [P].

    Args:
        exact: the enumeration.
        log_p: [B, N] log-probabilities of the model, without graph.
        loss: the objective.
        log_draw: [B, N] log-probability that one draw is this sequence.
        k: number of candidates drawn per source.
    """
    coefficients = torch.stack(
        [
            expected_coefficients(exact, row, log_p, loss, draw, k)
            for row, draw in enumerate(log_draw)
        ]
    )
    return exact.weighted_gradient(coefficients) / len(log_draw)


def expected_coefficients(
    exact: Exact,
    source: int,
    log_p: Tensor,
    loss: Callable[[Scored], Loss],
    log_draw: Tensor,
    k: int,
) -> Tensor:
    """Return the average factor of each log p's gradient, [N]."""
    tuples, coefficients = tuple_coefficients(exact, source, log_p, loss, k)
    weights = log_draw[tuples].sum(dim=1, keepdim=True).exp() * coefficients
    return torch.zeros_like(log_draw).index_add(0, tuples.flatten(), weights.flatten())


def tuple_coefficients(
    exact: Exact, source: int, log_p: Tensor, loss: Callable[[Scored], Loss], k: int
) -> tuple[Tensor, Tensor]:
    """Return all K-tuples of sequences and d loss / d log p of each, [N ** K, K] both."""
    n = torch.arange(log_p.shape[1])
    tuples = torch.cartesian_prod(*[n] * k).view(-1, k)
    leaf = log_p[source][tuples].requires_grad_()
    scored = Scored(
        log_p=leaf,
        lengths=exact.lengths[source][tuples],
        reward=exact.reward[source][tuples],
        log_q0=torch.zeros(tuples.shape, dtype=torch.float64),
        reference=exact.reference[source][tuples],
        distinct=torch.ones(tuples.shape, dtype=torch.bool),
    )
    (gradient,) = torch.autograd.grad(loss(scored).value, leaf)
    # The loss is a mean over sources, and here every tuple is a source.
    return tuples, gradient * len(tuples)


# ------------------------------------------------------------------------------ off policy


@pytest.mark.parametrize("tau", [TAU, 3.0])
@pytest.mark.parametrize("alpha", ALPHAS)
def test_alpha_divergence_on_all_sequences_is_eq_13_normalised(
    exact: Exact, log_p: Tensor, alpha: float, tau: float
) -> None:
    scored = enumerated(exact, log_q0=torch.full_like(exact.reward, -5.6))
    loss = alpha_divergence(
        scored, alpha=alpha, tau=tau, normaliser="source", log_p="sum", log_q0=True
    )
    by_code = exact.gradient(loss.value)
    # Eq. 14 of each source divided by its sum, and the mean over the sources.
    printed = mixed_weights(log_p, exact.reward, alpha, tau)
    expected = -exact.weighted_gradient(printed / printed.sum(dim=1, keepdim=True)) / 2
    assert relative(by_code, expected) < EXACT


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_batch_normaliser_weights_sources_against_each_other(
    exact: Exact, log_p: Tensor, alpha: float
) -> None:
    loss = alpha_divergence(
        enumerated(exact), alpha=alpha, tau=TAU, normaliser="batch", log_p="sum", log_q0=False
    )
    weights = (alpha * log_p + (1 - alpha) * exact.reward / TAU).exp()
    expected = -exact.weighted_gradient(weights / weights.sum())
    assert relative(exact.gradient(loss.value), expected) < EXACT


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_dividing_by_q0_corrects_how_often_each_candidate_is_drawn(
    exact: Exact, log_p: Tensor, alpha: float
) -> None:
    """Each sequence is among the candidates in proportion to q0."""
    copies = 1 + exact.reward[0].long() - exact.reward[0].long().min()
    rows = torch.arange(len(copies)).repeat_interleave(copies)
    log_q0 = (copies.double() / copies.sum()).log()
    everything = enumerated(exact, log_q0=log_q0.expand(2, -1))
    scored = everything.columns(rows)
    loss = alpha_divergence(
        scored, alpha=alpha, tau=TAU, normaliser="source", log_p="sum", log_q0=True
    )
    expected = -exact.weighted_gradient(normalised_weights(log_p, exact.reward, alpha, TAU)) / 2
    assert relative(exact.gradient(loss.value), expected) < EXACT


def test_importance_weighted_raml_on_all_sequences_is_the_gradient_of_eq_4(exact: Exact) -> None:
    loss = alpha_divergence(
        enumerated(exact), alpha=0.0, tau=TAU, normaliser="source", log_p="sum", log_q0=True
    )
    expected = exact.gradient(raml(exact.log_p(), exact.reward, TAU)) / 2
    assert relative(exact.gradient(loss.value), expected) < EXACT
    assert loss.value.item() == pytest.approx(
        raml(exact.log_p(), exact.reward, TAU).item() / 2, rel=EXACT
    )


def test_the_logged_divergences_are_those_of_p_and_q(exact: Exact, log_p: Tensor) -> None:
    """Over all sequences p and q need no normalising: the estimates are exact."""
    q = log_q(exact.reward, TAU)
    logged = alpha_divergence(
        enumerated(exact), alpha=0.5, tau=TAU, normaliser="source", log_p="sum", log_q0=True
    ).diagnostics
    assert logged["kl_p_q"].item() == pytest.approx(kl(log_p, q).mean().item(), rel=EXACT)
    assert logged["kl_q_p"].item() == pytest.approx(kl(q, log_p).mean().item(), rel=EXACT)


@pytest.mark.parametrize("k", [1, 2])
def test_maximum_likelihood_of_samples_from_q_is_eq_4_on_average(
    exact: Exact, log_p: Tensor, k: int
) -> None:
    """RAML as Norouzi et al. train it."""
    q = log_q(exact.reward, TAU)
    actual = expected_gradient(exact, log_p, maximum_likelihood, q, k)
    expected = exact.gradient(raml(exact.log_p(), exact.reward, TAU)) / 2
    assert relative(actual, expected) < EXACT


def test_maximum_likelihood_of_the_reference_is_eq_1(exact: Exact) -> None:
    everything = enumerated(exact)
    given = (value for value in vars(everything).values() if value is not None)
    only = Scored(*(value[exact.reference][:, None] for value in given))
    expected = exact.gradient(ml(exact.log_p(), exact.reference)) / 2
    assert relative(exact.gradient(maximum_likelihood(only).value), expected) < EXACT


# ------------------------------------------------------------------------------- on policy


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 0.9])
def test_on_policy_alpha_is_eq_13_on_average(
    exact: Exact, log_p: Tensor, alpha: float, k: int
) -> None:
    """Without Z, each source has a factor: q's normaliser to the power of 1 - alpha.

    With K = 1 there is no baseline and with K = 2 there is: both have the same expectation.
    """
    actual = expected_gradient(
        exact, log_p, lambda s: on_policy_alpha(s, alpha=alpha, tau=TAU, log_z=WITHOUT_Z), log_p, k
    )
    factor = ((1 - alpha) * log_partition(exact.reward, TAU)).exp()[:, None]
    printed = mixed_weights(log_p, exact.reward, alpha, TAU)
    expected = -exact.weighted_gradient(factor * printed) / 2
    assert relative(actual, expected) < EXACT


@pytest.mark.parametrize("k", [1, 2])
def test_on_policy_alpha_is_continuous_up_to_1(exact: Exact, log_p: Tensor, k: int) -> None:
    def gradient(alpha: float) -> Tensor:
        return expected_gradient(
            exact,
            log_p,
            lambda s: on_policy_alpha(s, alpha=alpha, tau=TAU, log_z=WITHOUT_Z),
            log_p,
            k,
        )

    limit = exact.gradient(entropy_regularised(exact.log_p(), exact.reward, TAU)) / 2
    assert relative(gradient(1.0), limit) < EXACT
    assert relative(gradient(1 - 1e-6), limit) < 1e-4
    ratios = [
        relative(gradient(1 - 2 * d), limit) / relative(gradient(1 - d), limit)
        for d in (1e-3, 1e-4, 1e-5)
    ]
    assert ratios == pytest.approx([2, 2, 2], rel=0.05)


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("tau", [0.0, TAU])
def test_policy_gradient_is_the_gradient_of_eq_3_on_average(
    exact: Exact, log_p: Tensor, tau: float, k: int
) -> None:
    """With tau = 0 of Eq. 2."""
    actual = expected_gradient(exact, log_p, lambda s: policy_gradient(s, tau=tau), log_p, k)
    expected = exact.gradient(entropy_regularised(exact.log_p(), exact.reward, tau)) / 2
    assert relative(actual, expected) < EXACT


@pytest.mark.parametrize("tau", [1e-3, TAU])
def test_policy_gradient_and_alpha_1_are_one_objective(
    exact: Exact, log_p: Tensor, tau: float
) -> None:
    pairs = [
        tuple_coefficients(exact, 0, log_p, loss, 2)[1]
        for loss in (
            lambda s: policy_gradient(s, tau=tau),
            lambda s: on_policy_alpha(s, alpha=1.0, tau=tau),
        )
    ]
    torch.testing.assert_close(pairs[0], pairs[1], rtol=EXACT, atol=EXACT)


def test_the_baseline_lowers_the_variance(exact: Exact, log_p: Tensor) -> None:
    """Compare two samples with leave-one-out baseline to two without baseline, over all pairs."""
    inner = exact.scores[0] @ exact.scores[0].T

    def second_moment(k: int) -> float:
        tuples, c = tuple_coefficients(exact, 0, log_p, lambda s: policy_gradient(s, tau=0.0), k)
        chance = log_p[0][tuples].sum(dim=1).exp()
        squares = sum(
            c[:, i] * c[:, j] * inner[tuples[:, i], tuples[:, j]]
            for i, j in itertools.product(range(k), repeat=2)
        )
        return (chance * squares).sum().item()

    mean = exact.gradient(expected_reward(exact.log_p()[:1], exact.reward[:1])).square().sum()
    without = (second_moment(1) - mean.item()) / 2
    with_baseline = second_moment(2) - mean.item()
    assert 0 < with_baseline < 0.5 * without


# ------------------------------------------------------------------------------ other kinds


def test_minimum_risk_on_all_sequences_with_sharpness_1_is_eq_2(exact: Exact) -> None:
    loss = minimum_risk(enumerated(exact), sharpness=1.0).value
    expected = expected_reward(exact.log_p(), exact.reward) / 2
    assert loss.item() == pytest.approx(expected.item(), rel=EXACT)
    assert relative(exact.gradient(loss), exact.gradient(expected)) < EXACT


@pytest.mark.parametrize("sharpness", [0.005, 0.5])
def test_minimum_risk_is_its_definition_over_distinct_candidates(
    exact: Exact, log_p: Tensor, sharpness: float
) -> None:
    """Shen et al.: the risk under p^a, normalised over the candidates; repeats count once."""
    rows = torch.tensor([3, 77, 3, 200, 77, 0])
    everything = enumerated(exact)
    scored = everything.columns(rows)
    distinct = torch.tensor([True, True, False, True, False, True]).expand(2, -1)
    scored = replace(scored, distinct=distinct)
    actual = exact.gradient(minimum_risk(scored, sharpness=sharpness).value)

    once = [3, 77, 200, 0]
    power = exact.log_p()[:, once].exp() ** sharpness
    risk = -(power / power.sum(dim=1, keepdim=True) * exact.reward[:, once]).sum(dim=1).mean()
    assert relative(actual, exact.gradient(risk)) < EXACT
    # By hand: d risk / d log p = -a Q (r - mean of r under Q).
    q = (sharpness * log_p[:, once]).softmax(dim=1)
    centred = exact.reward[:, once] - (q * exact.reward[:, once]).sum(dim=1, keepdim=True)
    coefficients = torch.zeros_like(log_p)
    coefficients[:, once] = -sharpness * q * centred / 2
    assert relative(actual, exact.weighted_gradient(coefficients)) < EXACT


@pytest.mark.parametrize("ml_weight", [0.017, 0.3])
def test_a_mixture_is_the_sum_of_its_parts(exact: Exact, log_p: Tensor, ml_weight: float) -> None:
    """GNMT's mixture with the plain policy gradient: a weighted sum of Eq. 1 and Eq. 2."""
    expected = ml_weight * exact.gradient(ml(exact.log_p(), exact.reference)) + exact.gradient(
        expected_reward(exact.log_p(), exact.reward)
    )
    coefficients = []
    for source in range(2):
        best = int(exact.reference[source].long().argmax())
        leaf = log_p[source][:, None].repeat(1, 2)
        leaf[:, 0] = log_p[source, best]
        leaf.requires_grad_()
        reward = exact.reward[source][:, None].repeat(1, 2)
        reward[:, 0] = 0
        flags = torch.ones(leaf.shape, dtype=torch.bool)
        scored = Scored(leaf, flags.long(), reward, torch.zeros_like(reward), flags, flags)
        value = with_likelihood(
            scored,
            other=lambda s: policy_gradient(s, tau=0.0),
            ml_weight=ml_weight,
            other_weight=1.0,
        ).value
        (gradient,) = torch.autograd.grad(value, leaf)
        chance = log_p[source].exp() * len(leaf)
        row = chance * gradient[:, 1]
        row[best] += (chance * gradient[:, 0]).sum()
        coefficients.append(row)
    assert relative(exact.weighted_gradient(torch.stack(coefficients)), expected) < EXACT
