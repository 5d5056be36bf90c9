"""The learner with a critic: samples and their rewards, what gets which gradient, the copies."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from alpha_dimt.config import Experiment, parse
from alpha_dimt.config.critics import CriticConfig
from alpha_dimt.config.schedules import Moment
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import BOS, EOS, PAD
from alpha_dimt.data.batching import Batch, reference_batch
from alpha_dimt.data.encoded import Pairs
from alpha_dimt.models.build import build_model
from alpha_dimt.prefix_rewards import prefix_bleu
from alpha_dimt.training import critic_learner
from alpha_dimt.training.binding import bind
from alpha_dimt.training.critic_learner import CriticLearner, build, move_towards
from alpha_dimt.training.learner import Setup
from alpha_dimt.training.word_samples import Samples, draw

CPU = torch.device("cpu")
WORDS = 12
SOURCES = [[4, 5, 6], [7, 8], [9], [10, 11, 4, 5]]
TARGETS = [[4, 5], [6, 7, 8], [9], [10, 11, 4]]
PAIRS = Pairs(
    Ragged.from_rows(SOURCES), Ragged.from_rows(TARGETS), [""] * len(SOURCES), [""] * len(TARGETS)
)
SMALL = {"embedding": 6, "hidden": 8, "init": 0.5}
MODELS: dict[str, dict[str, Any]] = {
    "attention_rnn": {"embedding": 6, "hidden": 8, "init": 0.5},
    "transformer": {"kind": "transformer", "layers": 1, "units": 8, "heads": 2, "inner": 12},
}
NO = torch.zeros((), dtype=torch.bool)


def learner(
    objective: str = "actor_critic", model: str = "attention_rnn", **options: Any
) -> CriticLearner:
    if objective == "token_alpha":
        options = {"alpha": 0.5, **options}
    system = {"objective": objective, "critic": SMALL, "critic_epochs": 1, **options}
    training = {"optimiser": {"kind": "adamw"}, "learning_rate": 1.0, "precision": "fp32"}
    values = {
        "corpus": {"kind": "toy"},
        "model": {**MODELS[model], "dropout": 0.0},
        "training": training,
        "systems": {"a": system},
    }
    config = parse(Experiment, values, "test").run_config("a", 1)
    network = build_model(config.model, source_vocab_size=WORDS, target_vocab_size=WORDS)
    network.initialise(torch.Generator().manual_seed(2))
    made = build(Setup(config, bind(config.objective), network, PAIRS, WORDS, CPU))
    made.begin(torch.Generator().manual_seed(3))
    return made


def batch() -> Batch:
    return reference_batch(PAIRS, np.arange(len(SOURCES)))


def drawn(made: CriticLearner, seed: int = 5) -> Samples:
    data = batch()
    torch.manual_seed(seed)
    encoded = made.model.encode(
        torch.from_numpy(data.source), torch.from_numpy(data.source_lengths)
    )
    return draw(made.model, encoded, data, CPU, samples=made.options.samples, reward="bleu")


@pytest.mark.parametrize("samples", [1, 3])
def test_samples_are_framed_cut_and_rewarded(samples: int) -> None:
    found = drawn(learner(samples=samples))
    assert len(found.target) == samples * len(SOURCES)
    cut = 0
    for row, (target, length, rewards) in enumerate(
        zip(found.target.tolist(), found.lengths.tolist(), found.rewards, strict=True)
    ):
        reference = TARGETS[row // samples]
        tokens = target[1 : length + 1]
        assert target[0] == BOS
        assert set(target[length + 1 :]) <= {PAD}
        assert EOS not in tokens[:-1]
        assert length <= len(reference) + 1 + 3
        if tokens[-1] != EOS:
            cut += 1
            assert length == len(reference) + 4
        words = tokens[:-1] if tokens[-1] == EOS else tokens
        scores = prefix_bleu(Ragged.from_rows([words]), Ragged.from_rows([reference]))
        expected = np.diff(scores, prepend=0.0) * (len(reference) + 2)
        np.testing.assert_allclose(rewards[: len(words)], expected)
        assert not rewards[len(words) :].any()
    assert 0 < cut < len(found.target)


def gradients(made: CriticLearner, epoch: int) -> dict[str, dict[str, torch.Tensor]]:
    """Return the gradient of each network in one update."""
    kept: dict[str, dict[str, torch.Tensor]] = {}

    class Kept:
        def __init__(self, network: nn.Module, name: str) -> None:
            self.network, self.name = network, name

        def step(self, parameters: Any, **options: Any) -> torch.Tensor:
            kept[self.name] = {
                name: p.grad.to_dense()
                for name, p in self.network.named_parameters()
                if p.grad is not None
            }
            self.network.zero_grad()
            return torch.ones(())

    made.optimiser, made.critic_optimiser = (
        Kept(made.model, "model"),  # type: ignore[assignment]
        Kept(made.critic, "critic"),  # type: ignore[assignment]
    )
    torch.manual_seed(6)
    made.update(batch(), Moment(epoch, 0), step=0, learning_rate=1.0, diverged=NO)
    return kept


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("objective", ["reinforce_critic", "actor_critic", "token_alpha"])
def test_neither_loss_reaches_the_other_network(objective: str, model: str) -> None:
    alone, joint = (gradients(learner(objective, model), epoch) for epoch in (1, 2))
    assert alone.keys() == {"critic"}
    assert joint.keys() == {"critic", "model"}
    # The critic learns the same, whether the model learns or not.
    for name, gradient in alone["critic"].items():
        torch.testing.assert_close(gradient, joint["critic"][name], msg=name)
    assert max(gradient.abs().max() for gradient in joint["model"].values()) > 1e-3
    # The model learns the same from another penalty, which changes the critic's gradient alone.
    other = gradients(learner(objective, model, penalty=5.0), 2)
    for name, gradient in joint["model"].items():
        torch.testing.assert_close(gradient, other["model"][name], msg=name)
    assert any(
        not torch.allclose(gradient, other["critic"][name])
        for name, gradient in joint["critic"].items()
    )


def test_likelihood_is_mixed_in() -> None:
    none, some, more = (gradients(learner(ml_weight=w), 2)["model"] for w in (0.0, 0.1, 0.2))
    for name, gradient in none.items():
        torch.testing.assert_close(
            more[name] - gradient, 2 * (some[name] - gradient), rtol=1e-3, atol=1e-5, msg=name
        )
    made, data = learner(), batch()
    encoded = made.model.encode(
        torch.from_numpy(data.source), torch.from_numpy(data.source_lengths)
    )
    nll = -made.model.token_log_probs(
        encoded, torch.from_numpy(data.target), torch.from_numpy(data.target_lengths)
    ).log_p.sum()
    (0.1 * nll / len(SOURCES)).backward()
    for name, p in made.model.named_parameters():
        assert p.grad is not None
        torch.testing.assert_close(
            some[name] - none[name], p.grad.to_dense(), rtol=1e-3, atol=1e-5, msg=name
        )


@pytest.mark.parametrize("objective", ["reinforce_critic", "actor_critic"])
def test_rates_and_copies(objective: str) -> None:
    made = learner(
        objective, delay=0.25, critic_learning_rate=0.01, critic_joint_learning_rate=0.002
    )
    assert (made.delayed is None) == (objective == "reinforce_critic")
    assert made.networks.keys() >= {"model", "critic", "delayed_critic"}
    for epoch, model_moves, rate in ((1, 0.0, 0.01), (2, 0.05, 0.002)):
        before = {name: deepcopy(network) for name, network in made.networks.items()}
        made.update(batch(), Moment(epoch, 0), step=0, learning_rate=0.05, diverged=NO)
        # The first steps of Adam are as long as the learning rate.
        assert moved(before["model"], made.model) == pytest.approx(model_moves, rel=0.05, abs=1e-9)
        assert moved(before["critic"], made.critic) == pytest.approx(rate, rel=0.6)
        for name, network in (("delayed_critic", made.critic), ("delayed_model", made.model)):
            if name not in before or (name == "delayed_model" and epoch == 1):
                continue
            for old, new, now in zip(
                before[name].parameters(),
                made.networks[name].parameters(),
                network.parameters(),
                strict=True,
            ):
                torch.testing.assert_close(new, 0.75 * old + 0.25 * now)


def moved(before: nn.Module, after: nn.Module) -> float:
    pairs = zip(before.parameters(), after.parameters(), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


def test_a_copy_comes_closer_with_every_update() -> None:
    copy, network = nn.Linear(2, 2).double(), nn.Linear(2, 2).double()
    first = copy.weight.detach().clone()
    for _ in range(50):
        move_towards(copy, network, 0.01, unless=NO)
    left = (1 - 0.01) ** 50
    torch.testing.assert_close(copy.weight, left * first + (1 - left) * network.weight)
    held = copy.weight.detach().clone()
    move_towards(copy, network, 0.01, unless=~NO)
    assert torch.equal(copy.weight, held)


def test_the_copies_begin_as_their_networks() -> None:
    made = learner()
    assert made.delayed is not None
    for copy, network in ((made.delayed, made.model), (made.delayed_critic, made.critic)):
        assert moved(copy, network) == 0
        assert not any(parameter.requires_grad for parameter in copy.parameters())


def test_an_update_that_diverged_changes_nothing() -> None:
    made = learner()
    with torch.no_grad():
        next(made.critic.parameters())[:] = torch.nan
    before = deepcopy(made.model)
    update = made.update(batch(), Moment(2, 0), step=0, learning_rate=1.0, diverged=NO)
    assert update.diverged
    assert moved(before, made.model) == 0


def test_targets_come_from_the_copies() -> None:
    """The critic's gradient changes with its copy, and with that of the model."""
    reference = gradients(learner(), 1)["critic"]
    for change in ("delayed_critic", "delayed_model"):
        made = learner()
        torch.manual_seed(6)
        kept_samples = drawn(made)
        with torch.no_grad():
            for parameter in made.networks[change].parameters():
                parameter *= 1.01
        found = gradients(made, 1)["critic"]
        assert any(not torch.equal(found[name], value) for name, value in reference.items())
        assert kept_samples.lengths.min() >= 1


@pytest.mark.parametrize("objective", ["reinforce_critic", "actor_critic"])
def test_samples_are_of_the_delayed_model_where_there_is_one(
    objective: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def noted(model: nn.Module, *arguments: Any, **options: Any) -> Samples:
        asked.append(model)
        return draw(model, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(critic_learner, "draw", noted)
    made = learner(objective)
    gradients(made, 2)
    assert asked == [made.model if objective == "reinforce_critic" else made.delayed]


def test_options_have_the_defaults_of_the_authors_code() -> None:
    options = learner(critic_epochs=5).options
    assert isinstance(options, CriticConfig)
    assert (options.delay, options.penalty, options.ml_weight) == (0.001, 0.001, 0.1)
    assert (options.critic_learning_rate, options.critic_joint_learning_rate) == (1e-3, 1e-4)
