"""The paper's equations against each other, by exact enumeration in float64."""

import itertools

import pytest
import torch
from exact import (
    ATTENTION_RNN,
    REFERENCES,
    TAU,
    Exact,
    divergence,
    divergence_by_log,
    entropy_regularised,
    every_sequence,
    expected_reward,
    kl,
    log_partition,
    log_q,
    mixed_weights,
    ml,
    normalised_weights,
    objective,
    raml,
    rate,
    relative,
)
from torch import Tensor

EXACT = 1e-10
"""Largest relative error where equality is exact; about 1e-14 is measured."""

ALPHAS = (0.1, 0.3, 0.5, 0.7, 0.9)


def test_the_model_gives_all_sequences_a_probability_that_sums_to_one(
    exact: Exact, log_p: Tensor
) -> None:
    assert len(set(exact.sequences)) == 1 + 6 + 36 + 216
    torch.testing.assert_close(
        log_p.exp().sum(dim=1), torch.ones(2).double(), rtol=1e-12, atol=1e-12
    )
    # Far from uniform, and no sequence is certain: the tests below see all regimes.
    assert (log_p.amax(dim=1) - log_p.amin(dim=1) > 5).all()
    assert (log_p.exp() < 0.9).all()


def test_q_is_the_exponential_of_the_reward(exact: Exact) -> None:
    q = log_q(exact.reward, TAU)
    torch.testing.assert_close(q.exp().sum(dim=1), torch.ones(2).double())
    best = q.argmax(dim=1)
    assert [every_sequence()[i] for i in best] == list(REFERENCES)
    # Four edits cost what four times one edit costs.
    ratio = q.amax(dim=1) - q[torch.arange(2), exact.reward.argmin(dim=1)]
    torch.testing.assert_close(ratio, -exact.reward.amin(dim=1) / TAU)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_eq_5_equals_eq_6(exact: Exact, log_p: Tensor, alpha: float) -> None:
    q = log_q(exact.reward, TAU)
    torch.testing.assert_close(
        divergence(log_p, q, alpha), divergence_by_log(log_p, q, alpha), rtol=EXACT, atol=0
    )


@pytest.mark.parametrize("alpha", ALPHAS)
def test_eq_8_is_tau_times_eq_5_summed_over_sources(
    exact: Exact, log_p: Tensor, alpha: float
) -> None:
    """Eq. 7 equals Eq. 8."""
    by_eq_7 = TAU * divergence(log_p, log_q(exact.reward, TAU), alpha).sum()
    by_eq_8 = objective(log_p, exact.reward, alpha, TAU)
    torch.testing.assert_close(by_eq_8, by_eq_7, rtol=EXACT, atol=0)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_divergence_is_zero_at_p_equal_q_and_positive_elsewhere(
    exact: Exact, log_p: Tensor, alpha: float
) -> None:
    q = log_q(exact.reward, TAU)
    assert divergence(q, q, alpha).abs().max() < 1e-12
    assert (divergence(log_p, q, alpha) > 0.01).all()


@pytest.mark.parametrize("alpha", ALPHAS)
def test_eq_13_and_14_are_the_gradient_of_eq_8(exact: Exact, log_p: Tensor, alpha: float) -> None:
    by_autograd = exact.gradient(objective(exact.log_p(), exact.reward, alpha, TAU))
    by_eq_13 = -exact.weighted_gradient(mixed_weights(log_p, exact.reward, alpha, TAU))
    assert relative(by_eq_13, by_autograd) < EXACT
    assert by_autograd.norm() > 0.1


@pytest.mark.parametrize("alpha", ALPHAS)
def test_eq_13_is_the_slope_of_eq_8(exact: Exact, log_p: Tensor, alpha: float) -> None:
    """The same without autograd on either side: central differences of the values."""
    generator = torch.Generator().manual_seed(2)
    parameters = list(exact.model.parameters())
    direction = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]
    step = 1e-5
    values = []
    for sign in (1, -1):
        moved = Exact(exact.options)
        with torch.no_grad():
            for parameter, way in zip(moved.model.parameters(), direction, strict=True):
                parameter += sign * step * way
            values.append(objective(moved.log_p(), exact.reward, alpha, TAU).item())
    slope = (values[0] - values[1]) / (2 * step)
    gradient = -exact.weighted_gradient(mixed_weights(log_p, exact.reward, alpha, TAU))
    along = gradient @ torch.cat([way.flatten() for way in direction])
    assert along.item() == pytest.approx(slope, rel=1e-6)


def test_the_model_s_scores_have_mean_zero(exact: Exact, log_p: Tensor) -> None:
    """Sum over y of p times the gradient of log p is 0; every baseline relies on it."""
    assert exact.weighted_gradient(log_p.exp()).norm() < 1e-12


# ------------------------------------------------------------------------------- the limits


def test_alpha_to_0_is_raml(exact: Exact, log_p: Tensor) -> None:
    """Eq. 11 and 12: the value up to the constant tau * entropy of q, the gradient times tau."""
    q = log_q(exact.reward, TAU)
    entropy = -(q.exp() * q).sum()
    limit = TAU * raml(log_p, exact.reward, TAU) - TAU * entropy
    torch.testing.assert_close(TAU * kl(q, log_p).sum(), limit, rtol=EXACT, atol=0)

    def value_error(alpha: float) -> float:
        return abs((objective(log_p, exact.reward, alpha, TAU) - limit).item())

    assert rate(value_error, 0.01) == pytest.approx(1, abs=0.02)

    gradient = TAU * exact.gradient(raml(exact.log_p(), exact.reward, TAU))

    def gradient_error(alpha: float) -> float:
        loss = objective(exact.log_p(), exact.reward, alpha, TAU)
        return relative(exact.gradient(loss), gradient)

    assert rate(gradient_error, 0.01) == pytest.approx(1, abs=0.02)
    assert gradient_error(1e-6) < 1e-5


def test_alpha_to_1_is_the_entropy_regularised_policy_gradient(exact: Exact, log_p: Tensor) -> None:
    """Eq. 9 and 10: the value up to the constant tau * ln of q's normaliser, and the gradient."""
    q = log_q(exact.reward, TAU)
    constant = TAU * log_partition(exact.reward, TAU).sum()
    limit = entropy_regularised(log_p, exact.reward, TAU) + constant
    torch.testing.assert_close(TAU * kl(log_p, q).sum(), limit, rtol=EXACT, atol=0)

    def value_error(distance: float) -> float:
        return abs((objective(log_p, exact.reward, 1 - distance, TAU) - limit).item())

    assert rate(value_error, 0.01) == pytest.approx(1, abs=0.02)

    gradient = exact.gradient(entropy_regularised(exact.log_p(), exact.reward, TAU))

    def gradient_error(distance: float) -> float:
        loss = objective(exact.log_p(), exact.reward, 1 - distance, TAU)
        return relative(exact.gradient(loss), gradient)

    assert rate(gradient_error, 0.01) == pytest.approx(1, abs=0.02)
    assert gradient_error(1e-6) < 1e-5


def exponent(error: list[float], inverse_tau: list[float]) -> list[float]:
    """Return minus the slope of ln(error) over 1 / tau, between neighbours."""
    logs = torch.tensor(error, dtype=torch.float64).log().tolist()
    points = list(zip(inverse_tau, logs, strict=True))
    return [(y0 - y1) / (x1 - x0) for (x0, y0), (x1, y1) in itertools.pairwise(points)]


def test_tau_to_0_of_raml_is_maximum_likelihood(exact: Exact, log_p: Tensor) -> None:
    """The error falls as exp(-1 / tau): 1 is the reward lost by the smallest change."""
    limit = ml(log_p, exact.reference)
    gradient = exact.gradient(ml(exact.log_p(), exact.reference))
    inverse = [8.0, 12.0, 16.0]
    values = [abs((raml(log_p, exact.reward, 1 / x) - limit).item()) for x in inverse]
    gradients = [
        relative(exact.gradient(raml(exact.log_p(), exact.reward, 1 / x)), gradient)
        for x in inverse
    ]
    assert exponent(values, inverse) == pytest.approx([1, 1], abs=0.01)
    assert exponent(gradients, inverse) == pytest.approx([1, 1], abs=0.01)
    assert gradients[-1] < 1e-4


def test_tau_to_0_of_eq_3_is_the_plain_policy_gradient(exact: Exact, log_p: Tensor) -> None:
    """The error is tau times the (gradient of the) entropy, exactly: halving tau halves it."""
    limit = expected_reward(log_p, exact.reward)
    gradient = exact.gradient(expected_reward(exact.log_p(), exact.reward))

    def value_error(tau: float) -> float:
        return abs((entropy_regularised(log_p, exact.reward, tau) - limit).item())

    def gradient_error(tau: float) -> float:
        loss = entropy_regularised(exact.log_p(), exact.reward, tau)
        return relative(exact.gradient(loss), gradient)

    assert rate(value_error, 0.1) == pytest.approx(1, abs=1e-6)
    assert rate(gradient_error, 0.1) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("alpha", [0.3, 0.7])
def test_tau_to_0_inside_the_square_is_maximum_likelihood_too(
    exact: Exact, log_p: Tensor, alpha: float
) -> None:
    """For every alpha < 1 the normalised weights go to the reference alone.

    Unnormalised, a source keeps the factor p(y* given x)^alpha. The smallest change now costs a
    weight of exp(-(1 - alpha) / tau) only.
    """
    gradient = exact.gradient(ml(exact.log_p(), exact.reference))
    inverse = [x / (1 - alpha) for x in (10.0, 14.0, 18.0)]
    errors = [
        relative(
            -exact.weighted_gradient(normalised_weights(log_p, exact.reward, alpha, 1 / x)),
            gradient,
        )
        for x in inverse
    ]
    assert exponent(errors, inverse) == pytest.approx([1 - alpha] * 2, rel=0.05)

    tau = (1 - alpha) / 60
    factor = tau / (1 - alpha) * (alpha * log_p).exp() * exact.reference
    by_eq_13 = exact.weighted_gradient(mixed_weights(log_p, exact.reward, alpha, tau))
    assert relative(by_eq_13, exact.weighted_gradient(factor)) < EXACT


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_tau_to_0_along_alpha_to_1_is_risk_seeking_policy_gradient(
    exact: Exact, log_p: Tensor, beta: float
) -> None:
    """The two limits do not commute: between them is another family of objectives.

    With 1 - alpha = beta tau, Eq. 8 tends (up to a constant) to minus the sum over x of
    E_p[exp(beta r)] / beta: plain policy gradient as beta -> 0.
    """
    utility = exact.weighted_gradient((log_p + beta * exact.reward).exp()) / beta

    def error(tau: float) -> float:
        weights = mixed_weights(log_p, exact.reward, 1 - beta * tau, tau)
        return relative(exact.weighted_gradient(weights), utility)

    assert rate(error, 0.02) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("alpha", "cosine"), [(0.3, 0.993), (0.7, 0.996)])
def test_normalising_each_source_keeps_its_direction_but_not_that_of_the_sum(
    exact: Exact, log_p: Tensor, alpha: float, cosine: float
) -> None:
    """Below Eq. 15: the normalisation "changes the magnitude ... but not the direction".

    That holds for one source. Z depends on the source, so the direction of a sum over sources
    changes.
    """
    printed = mixed_weights(log_p, exact.reward, alpha, TAU)
    normalised = normalised_weights(log_p, exact.reward, alpha, TAU)
    sums = []
    for weights in (printed, normalised):
        rows = [exact.weighted_gradient(weights * torch.eye(2)[:, [b]]) for b in range(2)]
        sums.append((rows, rows[0] + rows[1]))
    (of_printed, printed_sum), (of_normalised, normalised_sum) = sums
    for one, other in zip(of_printed, of_normalised, strict=True):
        assert torch.cosine_similarity(one, other, dim=0).item() == pytest.approx(1, abs=1e-12)
    between = torch.cosine_similarity(printed_sum, normalised_sum, dim=0).item()
    if exact.options is ATTENTION_RNN:
        assert between == pytest.approx(cosine, abs=5e-4)  # as docs/explanation/objectives.md says
    assert between < 1 - 1e-6
