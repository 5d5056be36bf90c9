"""Divergences against autograd on problems where every candidate is listed, and the relatives."""

import math
from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor

from alpha_dimt.objectives import Scored, alpha_divergence, on_policy_alpha
from alpha_dimt.objectives.divergences import Divergence, alpha_weight, f_divergence, weight

V = 6
TAU = 0.7
CLOSE = {"rtol": 1e-9, "atol": 1e-11}


def problem(seed: int = 1) -> tuple[Tensor, Tensor]:
    """Return logits of p [V], with gradient, and rewards [V]."""
    generator = torch.Generator().manual_seed(seed)
    logits, reward = torch.randn(2, V, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), reward


def log_q(reward: Tensor) -> Tensor:
    return (reward / TAU).log_softmax(dim=0)


def expected(logits: Tensor, weights: Tensor) -> Tensor:
    """Return the gradient of - E_p[weight log p], with constant weights."""
    log_p = logits.log_softmax(dim=0)
    loss = -(log_p.detach().exp() * weights * log_p).sum()
    return torch.autograd.grad(loss, logits)[0]


F: dict[str, Callable[[Tensor], Tensor]] = {
    "chi_square": lambda t: (1 / t - 1) / 2,
    "reverse_chi_square": lambda t: (t**2 - 2 * t) / 2,
    "jensen_shannon": lambda t: t * t.log() - (1 + t) * ((1 + t) / 2).log(),
    "total_variation": lambda t: (t - 1).abs() / 2,
}
"""f of each divergence E_q[f(p / q)], up to what is linear in t and so has no gradient."""


@pytest.mark.parametrize("name", F)
def test_weights_give_the_gradient_of_the_divergence(name: Divergence) -> None:
    logits, reward = problem()
    q = log_q(reward).exp()
    divergence = (q * F[name](logits.softmax(dim=0) / q)).sum()
    [gradient] = torch.autograd.grad(divergence, logits)
    log_t = logits.detach().log_softmax(dim=0) - log_q(reward)
    assert gradient.abs().max() > 1e-3
    torch.testing.assert_close(expected(logits, weight(log_t[None], name)[0]), gradient, **CLOSE)


def scored(logits: Tensor, reward: Tensor, drawn: Tensor) -> Scored:
    log_p = logits.log_softmax(dim=0)[drawn][None]
    target = torch.stack((torch.full_like(drawn, 2), drawn + 4), dim=1)
    return Scored.of(
        log_p, target=target, lengths=torch.ones_like(drawn), reward=reward[drawn][None]
    )


@pytest.mark.parametrize("alpha", [-1.0, 2.0, 0.3, 1.0])
def test_the_alpha_family_is_one_of_them(alpha: float) -> None:
    logits, reward = problem()
    drawn, log_z = torch.tensor([0, 3, 3, 5]), (reward / TAU).logsumexp(dim=0)
    ours = on_policy_alpha(scored(logits, reward, drawn), alpha=alpha, tau=TAU, log_z=log_z)
    log_t = logits.detach().log_softmax(dim=0)[drawn] - log_q(reward)[drawn]
    values = TAU * alpha_weight(log_t, alpha)
    baseline = (values - values.mean()) * 4 / 3
    loss = -(baseline * logits.log_softmax(dim=0)[drawn]).mean()
    torch.testing.assert_close(ours.value, loss, **CLOSE)
    if alpha in (-1.0, 2.0):
        name: Divergence = "chi_square" if alpha < 0 else "reverse_chi_square"
        theirs = f_divergence(scored(logits, reward, drawn), divergence=name, tau=TAU, log_z=log_z)
        gradients = [
            torch.autograd.grad(value, logits, retain_graph=True)[0]
            for value in (ours.value / TAU, theirs.value)
        ]
        torch.testing.assert_close(*gradients, **CLOSE)


@pytest.mark.parametrize("name", get_args(Divergence))
def test_training_leads_to_q(name: Divergence) -> None:
    """In exact expectation, every divergence but the total variation has its minimum at q."""
    logits, reward = problem(2)
    target = log_q(reward).exp()
    if name == "tail_adaptive":
        # Ranks are of samples, all different here: it moves mass to where q / p is largest.
        log_t = torch.tensor([[0.5, -1.0, 2.0]])
        assert weight(log_t, name).tolist() == [
            pytest.approx([x * 18 / 11 for x in (1 / 2, 1, 1 / 3)])
        ]
        return
    distance = []
    for _ in range(3000):
        log_t = logits.detach().log_softmax(dim=0) - log_q(reward)
        gradient = expected(logits, weight(log_t[None], name)[0])
        with torch.no_grad():
            logits -= 0.1 * gradient
        distance.append((logits.detach().softmax(dim=0) - target).abs().sum().item())
    assert distance[-1] < (0.2 if name == "total_variation" else 0.05)
    assert distance[-1] < distance[0] / 3


def test_without_a_normaliser_it_is_estimated_from_the_samples() -> None:
    logits, reward = problem()
    everything = torch.arange(V)
    found = f_divergence(scored(logits, reward, everything), divergence="jensen_shannon", tau=TAU)
    log_ratio = reward / TAU - logits.detach().log_softmax(dim=0)
    log_z = log_ratio.logsumexp(dim=0) - math.log(V)
    known = f_divergence(
        scored(logits, reward, everything), divergence="jensen_shannon", tau=TAU, log_z=log_z
    )
    torch.testing.assert_close(found.value, known.value)
    assert found.diagnostics["ess"] > 1


# --------------------------------------------------------------------------------- relatives


def off_policy(logits: Tensor, reward: Tensor, *, alpha: float, tau: float) -> Tensor:
    """Return the gradient of alpha-DiMT with every sentence as candidate, none from a proposal."""
    loss = alpha_divergence(
        scored(logits, reward, torch.arange(V)),
        alpha=alpha,
        tau=tau,
        normaliser="source",
        log_p="sum",
        log_q0=False,
    )
    return torch.autograd.grad(loss.value, logits)[0]


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (0.2, 0.5), (3.0, 0.1)])
def test_entropy_regularised_policy_optimisation_is_alpha_dimt(a: float, b: float) -> None:
    """ERPO (Tan et al., 2018): likelihood of q ~ p^(a/(a+b)) exp(r/(a+b)), its E step."""
    logits, reward = problem()
    log_p = logits.log_softmax(dim=0)
    q = (a / (a + b) * log_p.detach() + reward / (a + b)).softmax(dim=0)
    [theirs] = torch.autograd.grad(-(q * log_p).sum(), logits)
    torch.testing.assert_close(
        off_policy(logits, reward, alpha=a / (a + b), tau=b), theirs, **CLOSE
    )


@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_randomer_is_alpha_dimt_with_rewards_of_log_0_or_1(beta: float) -> None:
    """RANDOMER (Guu et al., 2017): weights softmax(beta log p) over the correct candidates."""
    logits, _ = problem()
    right = torch.tensor([True, False, True, True, False, False])
    reward = torch.where(right, 0.0, -1e6).double()
    log_p = logits.log_softmax(dim=0)
    weights = (beta * log_p.detach()).masked_fill(~right, -torch.inf).softmax(dim=0)
    [theirs] = torch.autograd.grad(-(weights * log_p).sum(), logits)
    for tau in (0.1, 3.0):
        if beta < 1:  # at 1 the reward has no part
            ours = off_policy(logits, reward, alpha=beta, tau=tau)
            torch.testing.assert_close(ours, theirs, **CLOSE)


def test_gold_s_weight_is_the_end_of_the_alpha_family_on_the_reference() -> None:
    """GOLD (Pang & He, 2021): the gradient of a probability is p grad log p: weight p^1."""
    logits, _ = problem()
    p = logits.softmax(dim=0)[2]
    [theirs] = torch.autograd.grad(-p, logits, retain_graph=True)
    [ours] = torch.autograd.grad(-p.detach() * logits.log_softmax(dim=0)[2], logits)
    torch.testing.assert_close(ours, theirs, **CLOSE)
