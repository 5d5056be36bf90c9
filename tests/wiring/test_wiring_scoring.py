"""The scored candidates of a batch: stored candidates, samples, chunks, mixed inputs."""

import math
from typing import Any

import formulas
import numpy as np
import pytest
import subject
import torch
from configured import experiment_with
from drawn import FIRST
from plain import Plain

BOS, EOS = 2, 3
SOURCE_WORDS, WORDS = 17, 15
SOURCE = [[4, 5, 6, 7, 8], [9, 10], [11, 12, 13]]
TARGET = [[4, 5, 6, 7, 8, 9, 10, 11, 12, 13], [5, 6, 7, 8, 9], [14, 13, 12, 11, 10]]
PAIRS = subject.pairs(SOURCE, TARGET)
ALPHA = {"objective": "alpha", "alpha": 0.5}


def run_of(system: dict[str, Any], **changes: Any) -> Any:
    values = experiment_with({"a": system}, **{"training": {"batch_size": 3}} | changes)
    return subject.experiment(values).run_config("a", 1)


def one_batch(run: Any, drawn: list[subject.Drawn] | None = None) -> Any:
    """Return the batch of the three sentences: short sources first."""
    slices = [subject.candidates(drawn)] if drawn else None
    (batch,) = subject.batches(run, PAIRS, slices, 1)
    return batch


def log_p(plain: Plain, row: int, framed: list[int]) -> np.ndarray:
    return plain.token_log_p(SOURCE[row], framed).detach().numpy()


DRAWN: list[subject.Drawn] = [
    *FIRST,
    ({}, 0.0, -0.5),
]


def test_stored_candidates() -> None:
    run = run_of(ALPHA, proposal={"candidates": 2})
    batch, made = one_batch(run, DRAWN), subject.model(SOURCE_WORDS, WORDS)
    (found,) = subject.scores(made, batch)
    plain = Plain(made.state_dict())
    for i, source in enumerate(subject.opened(batch)):
        for j, candidate in enumerate(source.candidates):
            edits, reward, log_q0 = DRAWN[2 * source.row + j]
            tokens = [BOS, *TARGET[source.row], EOS]
            for position, token in edits.items():
                tokens[position] = token
            assert candidate.tokens == tuple(tokens)
            assert found["log_p"][i, j] == pytest.approx(log_p(plain, source.row, tokens).sum())
            assert found["lengths"][i, j] == len(tokens) - 1
            assert (found["reward"][i, j], found["log_q0"][i, j]) == (reward, log_q0)
            assert found["reference"][i, j] == (not edits)
    assert found["distinct"].all()


def test_the_mean_over_the_vocabulary() -> None:
    batch = one_batch(run_of({"objective": "ml", "label_smoothing": 0.1}))
    made = subject.model(SOURCE_WORDS, WORDS)
    (found,) = subject.scores(made, batch, with_mean=True)
    plain = Plain(made.state_dict())
    for i, source in enumerate(subject.opened(batch)):
        of_all_words, _ = plain(SOURCE[source.row], [BOS, *TARGET[source.row]])
        expected = of_all_words.mean(dim=1).sum().item()
        assert found["mean_log_p"][i, 0] == pytest.approx(expected)
    assert "mean_log_p" not in subject.scores(made, batch)[0]


@pytest.mark.parametrize("chunk", [1, 4, 6, 50])
def test_chunks(chunk: int) -> None:
    run = run_of(ALPHA, proposal={"candidates": 2})
    batch, made = one_batch(run, DRAWN), subject.model(SOURCE_WORDS, WORDS)
    parts = subject.scores(made, batch, chunk=chunk)
    plain = Plain(made.state_dict())
    longest = max(len(row) for row in TARGET) + 1
    assert len(parts) == math.ceil(longest / chunk)
    for number, part in enumerate(parts):
        for i, source in enumerate(subject.opened(batch)):
            for j, candidate in enumerate(source.candidates):
                tokens = log_p(plain, source.row, list(candidate.tokens))
                inside = tokens[number * chunk : (number + 1) * chunk]
                assert part["log_p"][i, j] == pytest.approx(inside.sum())
                assert part["lengths"][i, j] == len(inside)
                assert part["reward"][i, j] == candidate.reward
                assert part["log_q0"][i, j] == candidate.log_q0


# ---------------------------------------------------------------------------------- samples

# Two samples of each source: its reference, another sentence, nothing, one that never ends, ...
SAMPLES = {
    0: [[*TARGET[0], EOS], [4, 5, 6, 7, 8, 9, 10, 11, 12, 4, EOS]],
    1: [[EOS], [6, 6, 6, 6, 6, 6, 6, 6]],
    2: [[14, 4, 12, 11, 10, EOS], [14, 4, 12, 11, 10, EOS]],
}
LONGEST_SAMPLE = int(1.5 * 5) + 5  # the longest source has five words


def said(row: int, number: int) -> tuple[list[int], bool]:
    """Return the tokens of a sample, and whether it ended."""
    script = SAMPLES[row][number]
    if EOS in script:
        return script[: script.index(EOS)], True
    return [script[-1]] * LONGEST_SAMPLE, False


def scripted(batch: Any) -> tuple[Any, Plain]:
    made = subject.model(SOURCE_WORDS, WORDS)
    script = [sample for source in subject.opened(batch) for sample in SAMPLES[source.row]]
    return subject.scripted(script, made), Plain(made.state_dict())


def check_samples(
    found: dict[str, np.ndarray],
    batch: Any,
    plain: Plain,
    *,
    reward: str,
    first: int,
    log_q0: Any,
) -> None:
    for i, source in enumerate(subject.opened(batch)):
        for j in range(2):
            words, ended = said(source.row, j)
            framed = [BOS, *words, *([EOS] if ended else [])]
            figures = {name: value[i, first + j] for name, value in found.items()}
            expected = float(log_p(plain, source.row, framed).sum())
            assert figures["log_p"] == pytest.approx(expected)
            assert figures["lengths"] == len(framed) - 1
            wanted = formulas.REWARDS[reward](words, TARGET[source.row])
            assert figures["reward"] == pytest.approx(wanted)
            assert figures["reference"] == (words == TARGET[source.row])
            assert figures["log_q0"] == pytest.approx(log_q0(source.row, words, ended, expected))


@pytest.mark.parametrize("reward", formulas.REWARDS)
@pytest.mark.parametrize("objective", ["policy_gradient", "mrt"])
def test_samples(objective: str, reward: str) -> None:
    run = run_of({"objective": objective, "samples": 2, "reward": reward})
    batch = one_batch(run)
    made, plain = scripted(batch)
    draws = subject.sampler(run, PAIRS, WORDS)
    (found,) = subject.scores(made, batch, draws=draws)
    first = int(objective == "mrt")
    assert found["log_p"].shape == (3, 2 + first)
    check_samples(found, batch, plain, reward=reward, first=first, log_q0=lambda *args: 0.0)
    distinct = {0: [True, True], 1: [True, True], 2: [True, False]}  # two that are alike
    if first:
        distinct = {row: [True, *flags] for row, flags in distinct.items()}
        distinct[0][1] = False  # the reference once more
    rows = [source.row for source in subject.opened(batch)]
    assert found["distinct"].tolist() == [distinct[row] for row in rows]


@pytest.mark.parametrize("stored", [1, 2])
def test_log_q0_of_samples_is_that_of_the_mixture(stored: int) -> None:
    """K candidates of the proposal and S samples: ln(K q0 + S p) - ln(K + S)."""
    section = {"kind": "uniform_edit", "max_edit_fraction": 0.2}
    run = run_of(
        ALPHA | {"samples": 2, "normalise": "source", "log_q0": True},
        proposal={"candidates": stored, "distribution": section, "reward": "gleu"},
    )
    drawn = [entry for entry in DRAWN[::2] for _ in range(stored)]
    batch = one_batch(run, drawn)
    made, plain = scripted(batch)
    (found,) = subject.scores(made, batch, draws=subject.sampler(run, PAIRS, WORDS))

    def mixture(log_q0: float, expected: float) -> float:
        odds = stored * math.exp(log_q0) + 2 * math.exp(expected)
        return math.log(odds / (stored + 2))

    def log_q0(row: int, words: list[int], ended: bool, expected: float) -> float:
        proposal = -math.inf
        if ended and len(words) == len(TARGET[row]):
            proposal = formulas.uniform_edit(TARGET[row], words, 0.2, WORDS - 4)
        return mixture(proposal, expected)

    check_samples(found, batch, plain, reward="gleu", first=stored, log_q0=log_q0)
    for i, source in enumerate(subject.opened(batch)):
        for j, candidate in enumerate(source.candidates):
            expected = log_p(plain, source.row, list(candidate.tokens)).sum()
            assert found["log_q0"][i, j] == pytest.approx(mixture(candidate.log_q0, expected))
            assert found["reward"][i, j] == candidate.reward


def test_substitutes_by_frequency_are_counted_in_the_references() -> None:
    section = {"kind": "uniform_edit", "max_edit_fraction": 0.2, "substitutes": "unigram"}
    run = run_of(ALPHA | {"samples": 2}, proposal={"distribution": section})
    batch = one_batch(run, DRAWN[::2])
    made, plain = scripted(batch)
    (found,) = subject.scores(made, batch, draws=subject.sampler(run, PAIRS, WORDS))
    words = [word for row in TARGET for word in row]
    for i, source in enumerate(subject.opened(batch)):
        if source.row != 2:
            continue
        # One edit of at most one: 13 became 4.
        odds = words.count(4) / (len(words) - words.count(13))
        proposal = math.log(0.5 / 5 * odds)
        expected = log_p(plain, 2, [BOS, 14, 4, 12, 11, 10, EOS]).sum()
        mixture = math.log((math.exp(proposal) + 2 * math.exp(expected)) / 3)
        assert found["log_q0"][i, 1] == pytest.approx(mixture)


@pytest.mark.parametrize("training", [True, False])
def test_samples_are_drawn_without_dropout_and_the_mode_comes_back(training: bool) -> None:
    run = run_of({"objective": "policy_gradient", "samples": 2})
    batch = one_batch(run)
    made, _ = scripted(batch)
    made.train(training)
    subject.scores(made, batch, draws=subject.sampler(run, PAIRS, WORDS))
    assert made.modes == [False] * LONGEST_SAMPLE
    assert made.training is training
    made.modes.clear()
    made.script = [[5] * 20] * 3
    batch = one_batch(run_of({"objective": "scheduled_sampling"}))
    subject.scores(made, batch, gold=0.5)
    assert made.modes == [False] * len(made.modes) != []
    assert made.training is training


def test_a_models_samples_follow_its_distribution() -> None:
    """The share of each first word among many samples is its probability."""
    run = run_of({"objective": "policy_gradient", "samples": 400})
    made = subject.model(SOURCE_WORDS, WORDS, bound=1.0)
    batch = one_batch(run)
    torch.manual_seed(1)
    (found,) = subject.scores(made, batch, draws=subject.sampler(run, PAIRS, WORDS))
    plain = Plain(made.state_dict())
    for i, source in enumerate(subject.opened(batch)):
        p = plain(SOURCE[source.row], [BOS])[0][0].exp().detach().numpy()
        empty = (found["lengths"][i] == 1).mean()
        assert empty == pytest.approx(p[EOS], abs=4 * math.sqrt(p[EOS] / 400))


# ----------------------------------------------------------------------- scheduled sampling

MANY = 60
LONG = 30


@pytest.mark.parametrize("gold", [0.0, 0.2, 0.9, 1.0])
def test_the_coin_of_scheduled_sampling(gold: float) -> None:
    """Each input after <s> is the gold word with the probability of gold, or the model's own."""
    data = subject.pairs([[4, 5]] * MANY, [[6] * LONG] * MANY)
    run = run_of({"objective": "scheduled_sampling"}, training={"batch_size": MANY})
    (batch,) = subject.batches(run, data, None, 1)
    made = subject.scripted([[9]] * MANY, subject.model(SOURCE_WORDS, WORDS))
    torch.manual_seed(3)
    with subject.decoder_inputs(made) as seen:
        (found,) = subject.scores(made, batch, gold=gold)
    (inputs,) = seen
    assert (inputs[:, 0] == BOS).all()
    rest = inputs[:, 1:]
    assert ((rest == 6) | (rest == 9)).all()
    share = (rest == 6).double().mean().item()
    assert share == pytest.approx(gold, abs=4 * math.sqrt(gold * (1 - gold) / rest.numel()))
    plain = Plain(made.state_dict())
    framed = [BOS, *[6] * LONG, EOS]
    expected = plain.token_log_p([4, 5], framed, inputs[0].tolist()).sum()
    assert found["log_p"][0, 0] == pytest.approx(expected.item())
    assert found["lengths"][0, 0] == LONG + 1


def test_own_words_are_drawn_after_the_inputs_before_them() -> None:
    """The shares of a first word, and of a second word after it, are those of the model."""
    run = run_of({"objective": "scheduled_sampling"}, training={"batch_size": 400})
    # The outputs of this model after a gold word and after its own are almost unrelated.
    made = subject.model(SOURCE_WORDS, WORDS, bound=3.0, seed=2)
    plain = Plain(made.state_dict())
    (batch,) = subject.batches(run, subject.pairs([[4, 5]] * 400, [[6] * 3] * 400), None, 1)
    with subject.decoder_inputs(made) as seen:
        torch.manual_seed(1)
        subject.scores(made, batch, gold=0.0)
    first = plain([4, 5], [BOS])[0][0].exp().detach().numpy()
    words = seen[0].numpy()
    share = (words[:, 1] == first.argmax()).mean()
    assert share == pytest.approx(first.max(), abs=4 * math.sqrt(0.25 / 400))
    after = plain([4, 5], [BOS, int(first.argmax())])[0][1].exp().detach().numpy()
    second = words[words[:, 1] == first.argmax(), 2]
    own = (second == after.argmax()).mean()
    assert own == pytest.approx(after.max(), abs=4 * math.sqrt(0.25 / len(second)))
    gold = plain([4, 5], [BOS, 6])[0][1].exp().detach().numpy()
    assert np.abs(gold - after).sum() / 2 > 0.9


@pytest.mark.parametrize("k", [3.0, 20.0, 500.0])
def test_gold_probability(k: float) -> None:
    for i in (0, 1, 7, 100):
        assert subject.gold_probability(k, i) == pytest.approx(k / (k + math.exp(i / k)))
    assert subject.gold_probability(k, 10**6) == 0
