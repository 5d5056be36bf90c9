"""Values and gradients against closed forms, by hand."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn import functional as F

from alpha_dimt.objectives import (
    Group,
    Objective,
    Scored,
    alpha_divergence,
    leave_one_out,
    log_weights,
    maximum_likelihood,
    minimum_risk,
    normalise,
    on_policy_alpha,
    policy_gradient,
    with_likelihood,
)


def scored() -> Scored:
    return Scored(
        log_p=torch.tensor([[-2.0, -6.0], [-1.0, -3.0]], dtype=torch.float64, requires_grad=True),
        lengths=torch.tensor([[4, 4], [2, 2]]),
        reward=torch.tensor([[0.0, -2.0], [0.0, -1.0]], dtype=torch.float64),
        log_q0=torch.tensor([[-0.5, -7.0], [-0.7, -5.0]], dtype=torch.float64),
        reference=torch.tensor([[True, False], [True, False]]),
        distinct=torch.ones(2, 2, dtype=torch.bool),
    )


def gradient(objective: Objective, s: Scored) -> list[list[float]]:
    (grad,) = torch.autograd.grad(objective(s).value, s.log_p)
    return grad.tolist()


def test_label_smoothing_spreads_its_share_of_the_target_over_the_vocabulary() -> None:
    logits = torch.tensor([[1.0, -0.5, 0.3], [0.2, 0.1, 2.0]], dtype=torch.float64)
    log_p = logits.log_softmax(dim=1)
    zeros = torch.zeros(2, 1)
    s = Scored(log_p[:, 1:2], *(zeros,) * 5, mean_log_p=log_p.mean(dim=1, keepdim=True))
    loss = maximum_likelihood(s, label_smoothing=0.2).value
    expected = F.cross_entropy(logits, torch.tensor([1, 1]), label_smoothing=0.2)
    torch.testing.assert_close(loss, expected)
    with pytest.raises(ValueError, match="mean_log_p"):
        maximum_likelihood(scored(), label_smoothing=0.2)


def test_maximum_likelihood_is_the_mean_over_sources() -> None:
    s = scored()
    one = s.columns(slice(0, 1))
    loss = maximum_likelihood(one).value
    assert loss.item() == pytest.approx(1.5)
    (grad,) = torch.autograd.grad(loss, s.log_p)
    assert grad.tolist() == [[-0.5, 0.0], [-0.5, 0.0]]


def test_a_chunk_after_the_end_of_a_candidate_has_a_weight() -> None:
    ended = replace(
        scored(),
        log_p=torch.tensor([[-2.0, 0.0], [-1.0, -3.0]], dtype=torch.float64),
        lengths=torch.tensor([[4, 0], [2, 2]]),
    )
    found = log_weights(ended, alpha=0.5, tau=1.0, log_p="mean", log_q0=False)
    assert found[0].tolist() == [-0.25, -1.0]


@pytest.mark.parametrize("log_p", ["sum", "mean", "padded_mean"])
@pytest.mark.parametrize("log_q0", [True, False])
@pytest.mark.parametrize("group", ["source", "batch"])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_alpha_divergence_by_hand(alpha: float, group: str, log_q0: bool, log_p: str) -> None:
    tau, s = 3.0, scored()
    loss = alpha_divergence(
        s,
        alpha=alpha,
        tau=tau,
        normaliser=group,  # type: ignore[arg-type]
        log_p=log_p,  # type: ignore[arg-type]
        log_q0=log_q0,
    )
    w = {}
    for b in range(2):
        for k in range(2):
            divisor = {"sum": 1, "mean": s.lengths[b, k].item(), "padded_mean": 4}[log_p]
            value = alpha * s.log_p[b, k].item() / divisor
            value += (1 - alpha) * s.reward[b, k].item() / tau
            w[b, k] = math.exp(value - (s.log_q0[b, k].item() if log_q0 else 0))
    total = sum(w.values())
    for b in range(2):
        z = w[b, 0] + w[b, 1]
        for k in range(2):
            w[b, k] /= 2 * z if group == "source" else total
    expected = -sum(w[b, k] * s.log_p[b, k].item() for b, k in w)
    assert loss.value.item() == pytest.approx(expected, rel=1e-12)
    # Weights carry no gradient: d loss / d log p is minus the weight.
    (grad,) = torch.autograd.grad(loss.value, s.log_p)
    for (b, k), weight in w.items():
        assert grad[b, k].item() == pytest.approx(-weight, rel=1e-12)
    groups = [[w[0, 0], w[0, 1]], [w[1, 0], w[1, 1]]] if group == "source" else [[*w.values()]]
    groups = [[x / sum(g) for x in g] for g in groups]
    figures = {name: value.item() for name, value in loss.diagnostics.items()}
    n = len(groups)
    assert figures["ess"] == pytest.approx(sum(1 / sum(x * x for x in g) for g in groups) / n)
    assert figures["ess_fraction"] == pytest.approx(figures["ess"] / len(groups[0]))
    assert figures["weight_entropy"] == pytest.approx(
        -sum(x * math.log(x) for g in groups for x in g) / n
    )
    assert figures["reference_share"] == pytest.approx(sum(sum(g[::2]) for g in groups) / n)
    assert figures["kl_q_p"] >= 0
    assert figures["kl_p_q"] >= 0


def test_kl_estimates_vanish_where_model_and_target_agree() -> None:
    s = scored()
    agreeing = replace(s, reward=s.log_p.detach() * 3.0)
    loss = alpha_divergence(
        agreeing, alpha=0.4, tau=3.0, normaliser="source", log_p="sum", log_q0=False
    )
    assert loss.diagnostics["kl_q_p"].item() == pytest.approx(0, abs=1e-12)
    assert loss.diagnostics["kl_p_q"].item() == pytest.approx(0, abs=1e-12)


def test_equal_weights_are_maximum_likelihood_for_both_groups() -> None:
    flat = replace(scored(), reward=torch.zeros(2, 2))
    for group in ("source", "batch"):
        loss = alpha_divergence(
            flat, alpha=0.0, tau=1.0, normaliser=group, log_p="sum", log_q0=False
        )
        assert loss.value.item() == pytest.approx(maximum_likelihood(flat).value.item())
        assert loss.diagnostics["ess_fraction"].item() == pytest.approx(1.0)


def test_collapsed_weights_have_the_smallest_effective_sample_size() -> None:
    cold = alpha_divergence(
        scored(), alpha=0.0, tau=1e-3, normaliser="source", log_p="sum", log_q0=False
    )
    assert cold.diagnostics["ess_fraction"].item() == pytest.approx(0.5)
    # tau -> 0 leaves the reference alone: maximum likelihood.
    assert cold.value.item() == pytest.approx(1.5)


def test_weights_do_not_overflow() -> None:
    s = scored()
    far = replace(s, log_p=s.log_p * 1e3, log_q0=s.log_q0 * 1e3)
    log_w = log_weights(far, alpha=0.5, tau=1e-3, log_p="sum", log_q0=True)
    for group in ("source", "batch"):
        weights = normalise(log_w, group)
        assert torch.isfinite(weights).all()
        assert weights.sum(dim=1).tolist() == pytest.approx([1.0] * len(weights))
        loss = alpha_divergence(
            far, alpha=0.5, tau=1e-3, normaliser=group, log_p="sum", log_q0=True
        )
        assert all(torch.isfinite(value) for value in loss.diagnostics.values())


@pytest.mark.parametrize("group", ["source", "batch"])
def test_divergences_of_weights_that_underflow_are_finite(group: Group) -> None:
    """p and q may have no candidate in common that float32 could hold: large, not infinite."""
    s = scored()
    apart = replace(
        s,
        log_p=torch.tensor([[-900.0, -2.0], [-800.0, -1.0]]),
        reward=torch.tensor([[0.0, -300.0], [0.0, -200.0]]),
        log_q0=s.log_q0.float(),
    )
    figures = alpha_divergence(
        apart, alpha=0.5, tau=0.5, normaliser=group, log_p="sum", log_q0=False
    ).diagnostics
    assert 400 < figures["kl_q_p"] < 1000
    assert 400 < figures["kl_p_q"] < 1000


def test_leave_one_out_by_hand() -> None:
    values = torch.tensor([[1.0, 2.0, 6.0]])
    assert leave_one_out(values).tolist() == [[1 - 4.0, 2 - 3.5, 6 - 1.5]]
    assert leave_one_out(values[:, :1]).tolist() == [[1.0]]


def test_policy_gradient_by_hand() -> None:
    # advantages: value minus the other one; the loss is their mean times log p.
    plain = [[-2 / 4, 2 / 4], [-1 / 4, 1 / 4]]
    assert gradient(partial(policy_gradient, tau=0.0), scored()) == plain
    # r - tau log p with tau = 0.5: (1.0, 1.0) and (0.5, 0.5): no advantage.
    assert gradient(partial(policy_gradient, tau=0.5), scored()) == [[0, 0], [0, 0]]


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.9])
def test_on_policy_alpha_by_hand(alpha: float) -> None:
    s, tau = scored(), 2.0
    u = [
        [r / tau - p for r, p in zip(*rows, strict=True)]
        for rows in zip(s.reward.tolist(), s.log_p.tolist(), strict=True)
    ]
    log_z = [math.log((math.exp(a) + math.exp(b)) / 2) for a, b in u]
    values = [
        [tau * (math.exp((1 - alpha) * (x - z)) - 1) / (1 - alpha) for x in row]
        for row, z in zip(u, log_z, strict=True)
    ]
    expected = [[-(a - b) / 4, -(b - a) / 4] for a, b in values]
    for measured, wanted in zip(
        gradient(partial(on_policy_alpha, alpha=alpha, tau=tau), s), expected, strict=True
    ):
        assert measured == pytest.approx(wanted, rel=1e-12)


def test_on_policy_weights_are_reported() -> None:
    """Of a source's samples, in proportion to (q / p) ** (1 - alpha)."""
    s, alpha, tau = scored(), 0.5, 2.0
    figures = on_policy_alpha(s, alpha=alpha, tau=tau).diagnostics
    # r / tau - log p is (2, 5) and (1, 2.5).
    w = [1 / (1 + math.exp(0.5 * 3)), 1 / (1 + math.exp(0.5 * 1.5))]
    assert figures["ess"].item() == pytest.approx(
        sum(1 / (x**2 + (1 - x) ** 2) for x in w) / 2, rel=1e-12
    )
    assert figures["ess_fraction"].item() == pytest.approx(figures["ess"].item() / 2)
    assert figures["reference_share"].item() == pytest.approx(sum(w) / 2)
    log_z = [math.log((math.exp(a) + math.exp(b)) / 2) for a, b in ((2, 5), (1, 2.5))]
    kl = sum(z - (a + b) / 2 for z, (a, b) in zip(log_z, ((2, 5), (1, 2.5)), strict=True)) / 2
    assert figures["kl_p_q"].item() == pytest.approx(kl)
    # alpha = 1 is the plain expectation under the model: all samples count alike.
    assert on_policy_alpha(s, alpha=1.0, tau=tau).diagnostics["ess_fraction"].item() == 1


def test_on_policy_alpha_ends_in_the_policy_gradient_with_entropy() -> None:
    s, tau = scored(), 2.0
    entropy = gradient(partial(policy_gradient, tau=tau), s)
    for measured, wanted in zip(
        gradient(partial(on_policy_alpha, alpha=1.0, tau=tau), s), entropy, strict=True
    ):
        assert measured == pytest.approx(wanted)
    near = gradient(partial(on_policy_alpha, alpha=1 - 1e-9, tau=tau), s)
    for measured, wanted in zip(near, entropy, strict=True):
        assert measured == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.9, 1.0])
def test_on_policy_weights_stay_finite_for_long_sentences(alpha: float) -> None:
    s = scored()
    long = replace(s, log_p=100 * s.log_p.float())
    loss = on_policy_alpha(long, alpha=alpha, tau=0.1)
    assert torch.isfinite(loss.value)


def test_minimum_risk_by_hand() -> None:
    s, a = scored(), 0.5
    loss = minimum_risk(s, sharpness=a)
    q = [1 / (1 + math.exp(a * (-6 + 2))), 1 / (1 + math.exp(a * (-3 + 1)))]
    risk = (-(1 - q[0]) * -2 - (1 - q[1]) * -1) / 2
    assert loss.value.item() == pytest.approx(risk)
    # d risk / d log p_k = -a Q_k (r_k - mean r) / B
    means = [-2 * (1 - q[0]), -1 * (1 - q[1])]
    expected = [
        [-a * q[b] * (0 - means[b]) / 2, -a * (1 - q[b]) * (r - means[b]) / 2]
        for b, r in enumerate((-2, -1))
    ]
    for measured, wanted in zip(
        gradient(partial(minimum_risk, sharpness=a), s), expected, strict=True
    ):
        assert measured == pytest.approx(wanted)


def test_minimum_risk_leaves_repetitions_out() -> None:
    s = scored()
    repeated = replace(s, distinct=torch.tensor([[True, False], [True, False]]))
    assert minimum_risk(repeated, sharpness=0.5).value.item() == pytest.approx(0.0)


def test_minimum_risk_reports_weights_of_distinct_candidates() -> None:
    s, a = scored(), 0.5
    repeated = replace(s, distinct=torch.tensor([[True, True], [True, False]]))
    figures = minimum_risk(repeated, sharpness=a).diagnostics
    q = 1 / (1 + math.exp(a * (-6 + 2)))
    ess = 1 / (q**2 + (1 - q) ** 2)
    assert figures["ess"].item() == pytest.approx((ess + 1) / 2)
    assert figures["ess_fraction"].item() == pytest.approx((ess / 2 + 1) / 2)
    assert figures["reference_share"].item() == pytest.approx((q + 1) / 2)
    entropy = -q * math.log(q) - (1 - q) * math.log(1 - q)
    assert figures["weight_entropy"].item() == pytest.approx(entropy / 2)


def test_mixture_is_the_weighted_sum() -> None:
    s = scored()
    objective = partial(
        with_likelihood, other=maximum_likelihood, ml_weight=0.25, other_weight=0.75
    )
    assert objective(s).value.item() == pytest.approx(0.25 * 1.5 + 0.75 * 4.5)
    assert gradient(objective, s) == [[-0.125, -0.375], [-0.125, -0.375]]
    # Minimum risk has the reference among its own candidates.
    shared = partial(objective, shared=True)
    assert shared(s).value.item() == pytest.approx(0.25 * 1.5 + 0.75 * 3)


def test_what_repeats_a_candidate_that_is_left_out_is_distinct() -> None:
    words = torch.tensor([[4, 4, 5, 4], [6, 7, 7, 6]])
    s = Scored.of(
        torch.zeros(2, 4), target=words.view(8, 1), lengths=torch.ones(8, dtype=torch.int64)
    )
    assert s.distinct.tolist() == [[True, False, True, False], [True, True, False, False]]
    rest = s.columns(slice(1, None))
    assert rest.distinct.tolist() == [[True, True, False], [True, False, True]]
    # Half of the weight of each source is on each of its two words.
    figures = with_likelihood(
        s, other=partial(minimum_risk, sharpness=0.0), ml_weight=0.5, other_weight=0.5
    ).diagnostics
    assert figures["ess"].item() == pytest.approx(2.0)
    assert rest.columns(slice(2, None)).distinct.tolist() == [[True], [True]]


def test_one_sample_of_one_source_has_no_spread() -> None:
    given = (value for value in vars(scored()).values() if value is not None)
    one = Scored(*(value[:1, :1] for value in given))
    assert policy_gradient(one, tau=0.0).diagnostics["value_spread"].item() == 0
