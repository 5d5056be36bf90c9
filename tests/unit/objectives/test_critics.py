"""Objectives with a critic, on a problem in which every sentence is listed, in fp64."""

from dataclasses import replace

import pytest
import torch
from tabular import END, STEPS, WORDS, Table, prefixes, sentences
from torch import Tensor

from alpha_dimt.objectives.critics import (
    Steps,
    actor_critic,
    baselines,
    critic_loss,
    explained_variance,
    reinforce_critic,
    returns,
    td_targets,
    token_alpha,
)

CLOSE = {"rtol": 1e-10, "atol": 1e-12}


@pytest.fixture
def table() -> Table:
    return Table.random(1)


def random_values(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(prefixes()), WORDS, generator=generator, dtype=torch.float64)


def gradient(value: Tensor, table: Table) -> Tensor:
    [found] = torch.autograd.grad(value, table.logits, retain_graph=True)
    return found


def test_probabilities_of_the_sentences_sum_to_one(table: Table) -> None:
    assert sum(p for p, _ in table.weighted()) == pytest.approx(1)


def test_with_exact_values_all_actions_give_the_gradient_of_the_score(table: Table) -> None:
    exact = table.exact_values()
    found = table.expected_gradient(lambda y: actor_critic(table.steps(y, exact)).value)
    torch.testing.assert_close(-found, table.score_gradient(), **CLOSE)
    wrong = table.expected_gradient(lambda y: actor_critic(table.steps(y, random_values(3))).value)
    assert (wrong + table.score_gradient()).abs().max() > 0.01


@pytest.mark.parametrize("seed", [None, 3, 4])
@pytest.mark.parametrize("shaped", [True, False])
def test_a_critic_as_baseline_leaves_no_bias(table: Table, seed: int | None, shaped: bool) -> None:
    values = table.exact_values() if seed is None else random_values(seed)
    found = table.expected_gradient(
        lambda y: reinforce_critic(table.steps(y, values, shaped=shaped)).value
    )
    torch.testing.assert_close(-found, table.score_gradient(), **CLOSE)
    assert found[0].abs().max() > 0.01  # the first word is trained, too


def variance(table: Table, values: Tensor, change: str = "") -> float:
    """Return the summed variance of the gradient of one sample."""
    mean, square = torch.zeros_like(table.logits), 0.0
    for p, y in table.weighted():
        steps = table.steps(y, values)
        if change == "no baseline":
            steps = replace(steps, baseline=torch.zeros_like(steps.baseline))
        if change == "without the reward before":
            before = torch.cat((torch.zeros(1), table.rewards(y)[:-1]))
            steps = replace(steps, baseline=steps.baseline + before)
        if change == "state values":
            rows = [table.order[y[:t]] for t in range(len(y))]
            p_rows = table.log_p().detach().exp()[rows]
            steps = replace(steps, baseline=(p_rows * values[rows]).sum(dim=1))
        one = gradient(reinforce_critic(steps).value, table)
        mean += p * one
        square += p * one.square().sum().item()
    return square - mean.square().sum().item()


def test_the_baseline_takes_variance_away(table: Table) -> None:
    exact = table.exact_values()
    ours = variance(table, exact)
    assert ours == pytest.approx(variance(table, exact, "state values"))
    assert ours < 0.8 * variance(table, exact, "no baseline")
    assert ours < 0.9 * variance(table, exact, "without the reward before")


def test_the_value_of_the_word_itself_would_be_a_biased_baseline(table: Table) -> None:
    exact = table.exact_values()

    def biased(y: tuple[int, ...]) -> Tensor:
        value = exact[[table.order[y[:t]] for t in range(len(y))], list(y)]
        return reinforce_critic(replace(table.steps(y, exact), baseline=value)).value

    found = table.expected_gradient(biased)
    assert (found + table.score_gradient()).abs().max() > 0.01


def test_targets_lead_to_the_exact_values(table: Table) -> None:
    p, values = table.log_p().detach().exp(), torch.zeros(len(prefixes()), WORDS).double()
    for _ in range(STEPS + 1):
        after = values.clone()
        for y in sentences():
            rows = [table.order[y[:t]] for t in range(len(y))]
            rewards, lengths = table.rewards(y)[None], torch.tensor([len(y)])
            state_values = (p[rows] * values[rows]).sum(dim=1)[None]
            found = td_targets(rewards, state_values, lengths)[0]
            after[rows, list(y)] = found
        values = after
    torch.testing.assert_close(values, table.exact_values(), **CLOSE)


def test_the_last_target_is_the_last_reward() -> None:
    rewards = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 0.0]])
    state_values = torch.tensor([[9.0, 10.0, 20.0], [9.0, 30.0, 99.0]])
    found = td_targets(rewards, state_values, torch.tensor([3, 2]))
    assert found.tolist() == [[11.0, 22.0, 3.0], [34.0, 5.0, 0.0]]
    assert returns(rewards).tolist() == [[6.0, 5.0, 3.0], [9.0, 5.0, 0.0]]
    values, first = torch.tensor([[7.0, 8.0, 9.0]]), torch.tensor([0.5])
    assert baselines(values, rewards[:1], first).tolist() == [[0.5, 6.0, 6.0]]


def test_all_actions_are_the_gradient_of_the_expected_value(table: Table) -> None:
    values, y = random_values(5), (0, 1, END)
    rows = [table.order[y[:t]] for t in range(len(y))]
    expected = (table.log_p()[rows].exp() * values[rows]).sum()
    found = actor_critic(table.steps(y, values)).value
    torch.testing.assert_close(gradient(-found, table), gradient(expected, table), **CLOSE)


def test_the_penalty_is_a_threshold_of_probability() -> None:
    """The optimum of a tabular critic: (p q + penalty m) / (p + penalty), m the mean of Q."""
    generator = torch.Generator().manual_seed(2)
    p = torch.randn(6, generator=generator, dtype=torch.float64).softmax(dim=0)
    q = torch.randn(6, generator=generator, dtype=torch.float64)
    penalty, mean = 0.05, (p * q / (p + 0.05)).sum() / (p / (p + 0.05)).sum()
    values = ((p * q + penalty * mean) / (p + penalty)).requires_grad_()
    spread = (values - values.mean()).square().sum()
    # Expected over the word that is drawn.
    loss = sum(
        p[a] * critic_loss(values[a : a + 1], q[a : a + 1], spread, penalty=penalty)
        for a in range(6)
    )
    [gradient] = torch.autograd.grad(loss, values)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-12)
    # The value of the state stays unbiased.
    torch.testing.assert_close((p * values).sum(), (p * q).sum(), **CLOSE)


def test_errors_and_the_penalty_are_sums() -> None:
    values, targets = torch.tensor([1.0, 2.0, 5.0]), torch.tensor([0.0, 0.0, 4.0])
    assert critic_loss(values, targets, torch.tensor(10.0), penalty=0.5) == 1 + 4 + 1 + 5


def token_case(table: Table) -> tuple[float, Steps, Tensor, Tensor]:
    """Return a temperature, a sentence, and log p and log q of all words in it."""
    tau, y, values = 0.7, (0, 2, END), random_values(6)
    rows = [table.order[y[:t]] for t in range(len(y))]
    return tau, table.steps(y, values), table.log_p()[rows], (values[rows] / tau).log_softmax(dim=1)


@pytest.mark.parametrize("alpha", [0.3, 0.5, 0.9])
def test_token_alpha_has_the_gradient_of_the_divergence(table: Table, alpha: float) -> None:
    tau, steps, log_p, log_q = token_case(table)
    mixed = (alpha * log_p + (1 - alpha) * log_q).logsumexp(dim=1)
    expected = tau * mixed.sum() / (alpha * (alpha - 1))
    found = token_alpha(steps, alpha=alpha, tau=tau).value
    gradients = [gradient(value, table) for value in (found, expected)]
    torch.testing.assert_close(*gradients, **CLOSE)


def test_the_ends_of_token_alpha_are_both_divergences(table: Table) -> None:
    tau, steps, log_p, log_q = token_case(table)
    forward = tau * (log_q.exp() * (log_q - log_p)).sum()
    backward = tau * (log_p.exp() * (log_p - log_q)).sum()
    for alpha, expected in ((0.0, forward), (1.0, backward)):
        found = token_alpha(steps, alpha=alpha, tau=tau).value
        ours, theirs = (gradient(value, table) for value in (found, expected))
        torch.testing.assert_close(ours, theirs, **CLOSE)
        inside = abs(alpha - 1e-7)
        close = gradient(token_alpha(steps, alpha=inside, tau=tau).value, table)
        torch.testing.assert_close(ours, close, rtol=1e-4, atol=1e-6)


def test_token_alpha_without_entropy_is_the_actor_critic(table: Table) -> None:
    steps = table.steps((0, 2, END), random_values(6))
    close = gradient(token_alpha(steps, alpha=1.0, tau=1e-7).value, table)
    torch.testing.assert_close(
        close, gradient(actor_critic(steps).value, table), rtol=1e-5, atol=1e-6
    )


def test_explained_variance() -> None:
    found = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert explained_variance(found, found + 7) == 1
    assert explained_variance(found, torch.zeros(4)) == 0
    assert explained_variance(torch.ones(3), torch.ones(3)) == 1
