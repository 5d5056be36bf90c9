"""Values and gradients against closed forms, by hand."""

import math

import pytest
import torch

from alpha_dimt.objectives import (
    Scored,
    alpha_divergence,
    log_weights,
    maximum_likelihood,
    normalise,
)


def scored(requires_grad: bool = True) -> Scored:
    return Scored(
        log_p=torch.tensor(
            [[-2.0, -6.0], [-1.0, -3.0]], dtype=torch.float64, requires_grad=requires_grad
        ),
        lengths=torch.tensor([[4, 4], [2, 2]]),
        reward=torch.tensor([[0.0, -2.0], [0.0, -1.0]], dtype=torch.float64),
        log_q0=torch.tensor([[-0.5, -7.0], [-0.7, -5.0]], dtype=torch.float64),
    )


def test_maximum_likelihood_is_the_mean_over_sources() -> None:
    one = Scored(*(t[:, :1] for t in vars(scored(False)).values()))
    log_p = one.log_p.clone().requires_grad_()
    loss = maximum_likelihood(Scored(log_p, one.lengths, one.reward, one.log_q0)).value
    loss.backward()
    assert loss.item() == pytest.approx(1.5)
    assert log_p.grad is not None
    assert log_p.grad.tolist() == [[-0.5], [-0.5]]


@pytest.mark.parametrize("log_p", ["sum", "mean"])
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
            model = s.log_p[b, k].item() / (s.lengths[b, k].item() if log_p == "mean" else 1)
            value = alpha * model + (1 - alpha) * s.reward[b, k].item() / tau
            w[b, k] = math.exp(value - (s.log_q0[b, k].item() if log_q0 else 0))
    total = sum(w.values())
    for b in range(2):
        z = w[b, 0] + w[b, 1]
        for k in range(2):
            w[b, k] /= 2 * z if group == "source" else total
    expected = -sum(w[b, k] * s.log_p[b, k].item() for b, k in w)
    assert loss.value.item() == pytest.approx(expected, rel=1e-12)
    loss.value.backward()
    # Weights carry no gradient: d loss / d log p is minus the weight.
    assert s.log_p.grad is not None
    for (b, k), weight in w.items():
        assert s.log_p.grad[b, k].item() == pytest.approx(-weight, rel=1e-12)


def test_equal_weights_are_maximum_likelihood_for_both_groups() -> None:
    s = scored()
    flat = Scored(s.log_p, s.lengths, torch.zeros_like(s.reward), s.log_q0)
    for group in ("source", "batch"):
        loss = alpha_divergence(
            flat, alpha=0.0, tau=1.0, normaliser=group, log_p="sum", log_q0=False
        )
        assert loss.value.item() == pytest.approx(-s.log_p.mean().item())
        assert loss.diagnostics["ess_fraction"].item() == pytest.approx(1.0)


def test_collapsed_weights_have_the_smallest_effective_sample_size() -> None:
    s = scored()
    cold = alpha_divergence(s, alpha=0.0, tau=1e-3, normaliser="source", log_p="sum", log_q0=False)
    assert cold.diagnostics["ess_fraction"].item() == pytest.approx(0.5)
    # tau -> 0 leaves the reference alone: maximum likelihood.
    assert cold.value.item() == pytest.approx(1.5)


def test_weights_do_not_overflow() -> None:
    s = scored(False)
    far = Scored(s.log_p * 1e3, s.lengths, s.reward, s.log_q0 * 1e3)
    log_w = log_weights(far, alpha=0.5, tau=1e-3, log_p="sum", log_q0=True)
    for group in ("source", "batch"):
        weights = normalise(log_w, group)
        assert torch.isfinite(weights).all()
        assert weights.sum().item() == pytest.approx(2.0 if group == "source" else 1.0)
