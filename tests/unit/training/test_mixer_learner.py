"""The learner of MIXER: prefixes of the reference, its two losses, and the baseline."""

from typing import Any

import numpy as np
import pytest
import torch
from tabular import END, Table

from alpha_dimt.config import Experiment, parse
from alpha_dimt.config.critics import MixerConfig
from alpha_dimt.config.schedules import Moment
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.data.batching import Batch, reference_batch
from alpha_dimt.data.encoded import Pairs
from alpha_dimt.models.build import build_model
from alpha_dimt.objectives.critics import mixer
from alpha_dimt.prefix_rewards import prefix_bleu
from alpha_dimt.training.binding import bind
from alpha_dimt.training.learner import Setup
from alpha_dimt.training.mixer_learner import MixerLearner, build
from alpha_dimt.training.word_samples import draw

CPU = torch.device("cpu")
WORDS = 12
TARGETS = [[4, 5], [6, 7, 8, 9, 10], [9], [10, 11, 4]]
ROWS = Ragged.from_rows(TARGETS)
PAIRS = Pairs(ROWS, ROWS, [""] * len(TARGETS), [""] * len(TARGETS))
NO = torch.zeros((), dtype=torch.bool)
MODELS: dict[str, dict[str, Any]] = {
    "attention_rnn": {"embedding": 6, "hidden": 8, "init": 0.5},
    "transformer": {"kind": "transformer", "layers": 1, "units": 8, "heads": 2, "inner": 12},
}


def experiment(model: str = "attention_rnn", **options: Any) -> Experiment:
    values = {
        "corpus": {"kind": "toy"},
        "model": {**MODELS[model], "dropout": 0.0},
        "training": {"optimiser": {"kind": "adamw"}, "precision": "fp32"},
        "systems": {"a": {"objective": "mixer", **options}},
    }
    return parse(Experiment, values, "test")


def learner(model: str = "attention_rnn", **options: Any) -> MixerLearner:
    config = experiment(model, **options).run_config("a", 1)
    network = build_model(config.model, source_vocab_size=WORDS, target_vocab_size=WORDS)
    network.initialise(torch.Generator().manual_seed(2))
    return build(Setup(config, bind(config.objective), network, PAIRS, WORDS, CPU))


def batch() -> Batch:
    return reference_batch(PAIRS, np.arange(len(TARGETS)))


def test_the_words_of_the_reference_become_fewer() -> None:
    options = MixerConfig(objective="mixer", gold_words=8, step=3, epochs_each=2)
    assert [options.gold_at(epoch) for epoch in range(1, 9)] == [8, 8, 5, 5, 2, 2, 1, 1]


@pytest.mark.parametrize("gold", [0, 1, 3, 99])
def test_samples_begin_as_their_references(gold: int) -> None:
    made, data = learner(), batch()
    encoded = made.model.encode(
        torch.from_numpy(data.source), torch.from_numpy(data.source_lengths)
    )
    torch.manual_seed(1)
    found = draw(made.model, encoded, data, CPU, samples=2, reward="bleu", gold=gold)
    differ = 0
    for row, target in enumerate(found.target.tolist()):
        reference = [2, *TARGETS[row // 2], 3]
        assert target[: gold + 1][: len(reference)] == reference[: gold + 1]
        differ += target[: len(reference)] != reference
    assert (differ > 0) == (gold < 5)
    if gold == 99:
        assert found.lengths.tolist() == [len(row) + 1 for row in TARGETS for _ in range(2)]


@pytest.mark.parametrize("model", MODELS)
def test_with_all_words_given_it_is_half_of_maximum_likelihood(model: str) -> None:
    made, data = learner(model, gold_words=50), batch()
    found = gradient(made)
    encoded = made.model.encode(
        torch.from_numpy(data.source), torch.from_numpy(data.source_lengths)
    )
    tokens = made.model.token_log_probs(
        encoded, torch.from_numpy(data.target), torch.from_numpy(data.target_lengths)
    )
    (-0.5 * tokens.log_p.sum() / len(TARGETS)).backward()
    for name, parameter in made.model.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(found[name], parameter.grad.to_dense(), msg=name)


def gradient(made: MixerLearner) -> dict[str, torch.Tensor]:
    kept: dict[str, torch.Tensor] = {}

    class Kept:
        def step(self, parameters: Any, **options: Any) -> torch.Tensor:
            for name, parameter in made.model.named_parameters():
                if parameter.grad is not None:
                    kept[name] = parameter.grad.to_dense()
            made.model.zero_grad()
            return torch.ones(())

    made.optimiser = Kept()  # type: ignore[assignment]
    torch.manual_seed(6)
    made.update(batch(), Moment(1, 0), step=0, learning_rate=1.0, diverged=NO)
    return kept


def test_the_baseline_learns_the_score_and_leaves_the_model_alone() -> None:
    made = learner(gold_words=1, baseline_learning_rate=0.05)
    before = {name: value.clone() for name, value in made.model.state_dict().items()}
    first, last = [], []
    for number in range(60):
        torch.manual_seed(number)
        update = made.update(batch(), Moment(1, 0), step=0, learning_rate=0.0, diverged=NO)
        (first if number < 10 else last).append(update.metrics["baseline_loss"].item())
    assert np.mean(last[-10:]) < 0.5 * np.mean(first[:3])
    for name, value in made.model.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("gold", [0, 1])
def test_reinforce_for_the_rest_is_unbiased(gold: int) -> None:
    """In exact expectation over a small problem, with any baseline of the words before."""
    table = Table.random(2)
    prefix = (0,)[:gold]
    generator = torch.Generator().manual_seed(3)
    expectations = torch.randn(len(table.order), generator=generator, dtype=torch.float64)

    def score(y: tuple[int, ...]) -> float:
        return table.scores[tuple(a for a in y if a != END)]

    total = torch.zeros_like(table.logits)
    expected = torch.zeros((), dtype=torch.float64)
    for _, y in table.weighted():
        if y[:gold] != prefix:
            continue
        rows = [table.order[y[:t]] for t in range(len(y))]
        log_p = table.log_p()[rows, list(y)]
        p_rest = log_p[gold:].sum().exp()
        expected = expected + p_rest * score(y)
        loss = mixer(
            log_p,
            torch.arange(len(y)) < gold,
            torch.full((len(y),), score(y), dtype=torch.float64),
            expectations[rows],
            rows=1,
            ml_weight=0.25,
        )
        total += p_rest.detach() * torch.autograd.grad(loss, table.logits, retain_graph=True)[0]
    likelihood = table.log_p()[0, 0] if gold else 0.0
    [theirs] = torch.autograd.grad(-(0.75 * expected + 0.25 * likelihood), table.logits)
    torch.testing.assert_close(total, theirs, rtol=1e-10, atol=1e-12)


def test_scores_are_those_of_whole_sentences() -> None:
    made, data = learner(gold_words=2), batch()
    torch.manual_seed(6)
    encoded = made.model.encode(
        torch.from_numpy(data.source), torch.from_numpy(data.source_lengths)
    )
    found = draw(made.model, encoded, data, CPU, samples=1, reward="bleu", gold=2)
    tokens = [
        row[1 : end + 1].tolist() for row, end in zip(found.target, found.lengths, strict=True)
    ]
    words = [y[:-1] if y[-1] == 3 else y for y in tokens]
    expected = [
        prefix_bleu(Ragged.from_rows([y]), Ragged.from_rows([reference]))[-1]
        for y, reference in zip(words, TARGETS, strict=True)
    ]
    torch.manual_seed(6)
    update = made.update(data, Moment(1, 0), step=0, learning_rate=0.0, diverged=NO)
    assert update.metrics["mean_reward"].item() == pytest.approx(np.mean(expected), rel=1e-5)


def test_a_model_that_hides_its_states_is_refused() -> None:
    made = learner()
    config = experiment().run_config("a", 1)
    made.model.state_size = None
    setup = Setup(config, bind(config.objective), made.model, PAIRS, WORDS, CPU)
    with pytest.raises(UserError, match="does not offer the states of its tokens"):
        build(setup)
