"""An update, an epoch, a whole training and its validation, by value."""

import math
from pathlib import Path
from typing import Any

import formulas
import numpy as np
import pytest
import subject
import torch
from configured import INCREASE, LINEAR, ON_DECAY, complete, experiment_with
from drawn import FIRST
from plain import Plain

BOS, EOS, UNK = 2, 3, 1
SOURCE_WORDS, WORDS = 16, 14
SOURCE = [[4, 5, 6, 7, 8], [9, 10], [11, 12, 13], [4, 4, 9]]
TARGET = [[4, 5, 6, 7, 8, 9], [5, 6], [13, 12, 11, 10], [7, 7, 8]]
PAIRS = subject.pairs(SOURCE, TARGET)
DRAWN: list[subject.Drawn] = [
    *FIRST,
    ({4: 9}, -1.0, -0.5),
    ({}, 0.0, -2.5),
    ({1: 4}, -1.0, -3.0),
]
SAMPLES = {0: [[4, 5, EOS], [8, 8, EOS]], 1: [[5, 6, EOS], [EOS]], 2: [[13, 12, 9, EOS]] * 2}
SAMPLES[3] = [[7, 7, EOS], [6, 6, 6, 6, EOS]]

ALPHA = {"objective": "alpha", "alpha": 0.5}
SYSTEMS: dict[str, dict[str, Any]] = {
    "ml": {"objective": "ml"},
    "raml": {"objective": "raml", "log_q0": True},
    "alpha-linear": ALPHA | {"alpha": LINEAR, "log_p": "sum"},
    "alpha-on-decay": ALPHA | {"alpha": ON_DECAY, "log_p": "padded_mean"},
    "tau-increase": ALPHA | {"tau": INCREASE, "normalise": "source"},
    "chunks": ALPHA | {"chunk": 3},
    "interpolated": {"objective": "interpolated", "ml_weight": 0.3, "other": ALPHA},
    "interpolated-chunks": {
        "objective": "interpolated",
        "ml_weight": 0.3,
        "other": ALPHA | {"chunk": 2},
    },
    "pg": {"objective": "policy_gradient", "samples": 2, "tau": 0.3},
    "on-policy": {"objective": "alpha_on_policy", "alpha": LINEAR, "samples": 2, "tau": 0.5},
    "mrt": {"objective": "mrt", "samples": 2, "sharpness": 0.7},
    "gnmt": {"objective": "gnmt_mixture", "samples": 2, "ml_weight": 0.4},
}


def run_of(system: dict[str, Any], seed: int = 1, **changes: Any) -> Any:
    values: dict[str, Any] = {"proposal": {"candidates": 2}, "training": {"batch_size": 4}}
    return subject.experiment(experiment_with({"a": system}, **values | changes)).run_config(
        "a", seed
    )


def candidates_of(row: int, system: dict[str, Any]) -> list[tuple[list[int], float, float, bool]]:
    """Return framed tokens, reward, log q0 of each candidate, and whether it is the reference."""
    sources, found = formulas.sources(complete(system)), []
    framed = [BOS, *TARGET[row], EOS]
    if sources["reference"]:
        found.append((framed, formulas.BEST_REWARD.get(sources["reward"], 0.0), 0.0, True))
    for edits, reward, log_q0 in DRAWN[2 * row : 2 * row + 2] if sources["proposal"] else []:
        tokens = [edits.get(i, token) for i, token in enumerate(framed)]
        found.append((tokens, reward, log_q0, not edits))
    for sample in SAMPLES[row] if sources["samples"] else []:
        reward = formulas.REWARDS[sources["reward"]](sample[:-1], TARGET[row])
        found.append(([BOS, *sample], reward, 0.0, sample[:-1] == TARGET[row]))
    return found


def expected_update(
    plain: Plain, rows: list[int], system: dict[str, Any], epoch: int, decays: int
) -> tuple[float, float, int]:
    """Leave the gradient in a plain model; return loss, log-likelihood and tokens."""
    options = complete(system)
    chunk = formulas.sources(options)["chunk"]
    found = [candidates_of(row, system) for row in rows]
    shape = (len(rows), len(found[0]))
    tokens = [
        [plain.token_log_p(SOURCE[row], one[0]) for one in of_row]
        for row, of_row in zip(rows, found, strict=True)
    ]
    longest = max(len(t) for of_row in tokens for t in of_row)
    size = chunk or longest
    total, objective = 0.0, torch.zeros((), dtype=torch.float64)
    for start in range(0, longest, size):
        parts = [[t[start : start + size] for t in of_row] for of_row in tokens]
        log_p = torch.stack([torch.stack([t.sum() for t in of_row]) for of_row in parts])
        framed = [[tuple(one[0]) for one in of_row] for of_row in found]
        figures = {
            "log_p": log_p.detach().numpy(),
            "lengths": np.array([[len(t) for t in of_row] for of_row in parts]),
            "reward": np.array([[one[1] for one in of_row] for of_row in found]),
            "log_q0": np.array([[one[2] for one in of_row] for of_row in found]),
            "reference": np.array([[one[3] for one in of_row] for of_row in found]),
            "distinct": np.array(
                [[row[k] not in row[:k] for k in range(shape[1])] for row in framed]
            ),
        }
        value, gradient = formulas.loss(options, figures, epoch, decays)
        total += value
        objective = objective + (torch.tensor(gradient) * log_p).sum()
    plain.zero_grad()
    objective.backward()
    return (
        total,
        sum(t.sum().item() for of_row in tokens for t in of_row),
        sum(len(t) for of_row in tokens for t in of_row),
    )


@pytest.mark.parametrize("clip_norm", [0.01, 1e3])
@pytest.mark.parametrize("name", SYSTEMS)
def test_one_update(name: str, clip_norm: float) -> None:
    """The parameters move by the learning rate times the clipped gradient."""
    system = SYSTEMS[name]
    run = run_of(system, training={"batch_size": 4, "clip_norm": clip_norm})
    made = subject.model(SOURCE_WORDS, WORDS)
    plain = Plain(made.state_dict())
    slices = None
    if formulas.sources(complete(system))["proposal"]:
        slices = [subject.candidates(DRAWN)]
    (batch,) = subject.batches(run, PAIRS, slices, 4)
    rows = [source.row for source in subject.opened(batch)]
    if formulas.sources(complete(system))["samples"]:
        subject.scripted([sample for row in rows for sample in SAMPLES[row]], made)
    made.eval()
    metrics = subject.train_epoch(
        made, run, PAIRS, WORDS, slices=slices, done=3, decays=2, learning_rate=0.37
    )
    assert made.training
    loss, log_p, tokens = expected_update(plain, rows, system, 4, 2)
    gradients = {name: value.grad for name, value in plain.named_parameters()}
    norm = math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients.values()))
    assert metrics["train_loss"] == pytest.approx(loss)
    assert metrics["gradient_norm"] == pytest.approx(norm)
    assert metrics["train_nll_per_token"] == pytest.approx(-log_p / tokens)
    assert (metrics["updates"], metrics["tokens"]) == (1, tokens)
    factor = 0.37 * min(1.0, clip_norm / norm)
    moved = dict(made.named_parameters())
    for name, value in plain.named_parameters():
        wanted = value - factor * gradients[name]
        torch.testing.assert_close(moved[name].detach(), wanted.detach(), rtol=1e-7, atol=1e-10)


def test_an_epoch_is_one_update_after_the_other() -> None:
    run = run_of({"objective": "ml"}, training={"batch_size": 1})
    made = subject.model(SOURCE_WORDS, WORDS)
    plain = Plain(made.state_dict())
    losses, norms = [], []
    for batch in subject.batches(run, PAIRS, None, 2):
        (source,) = subject.opened(batch)
        loss, _, _ = expected_update(plain, [source.row], {"objective": "ml"}, 2, 0)
        losses.append(loss)
        gradients = [value.grad for value in plain.parameters()]
        norms.append(math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients)))
        with torch.no_grad():
            for value in plain.parameters():
                value -= 0.5 * min(1.0, 5.0 / norms[-1]) * value.grad
    metrics = subject.train_epoch(made, run, PAIRS, WORDS, done=1, learning_rate=0.5)
    assert metrics["train_loss"] == pytest.approx(np.mean(losses))
    assert metrics["gradient_norm"] == pytest.approx(np.mean(norms))
    assert (metrics["updates"], metrics["tokens"]) == (4, sum(len(t) + 1 for t in TARGET))
    for (_, value), (_, wanted) in zip(
        sorted(made.named_parameters()), sorted(plain.named_parameters()), strict=True
    ):
        torch.testing.assert_close(value.detach(), wanted.detach(), rtol=1e-7, atol=1e-10)


def test_random_streams_are_a_function_of_seed_epoch_and_update() -> None:
    run = run_of({"objective": "ml"}, seed=7, training={"batch_size": 2})
    seeds: list[int] = []
    made = subject.model(SOURCE_WORDS, WORDS)
    subject.train_epoch(
        made, run, PAIRS, WORDS, done=3, each_update=lambda: seeds.append(torch.initial_seed())
    )
    expected = [np.random.SeedSequence((7, 4, n)).generate_state(1)[0] for n in (1, 2)]
    assert seeds == expected


def test_dropout_is_of_training_alone() -> None:
    losses = []
    for dropout in (0.0, 0.5):
        run = run_of({"objective": "ml"})
        made = subject.model(SOURCE_WORDS, WORDS, dropout=dropout)
        losses.append(subject.train_epoch(made, run, PAIRS, WORDS)["train_loss"])
    assert losses[0] != losses[1]


@pytest.mark.parametrize("step", [0, 3])
def test_scheduled_sampling_counts_updates(step: int) -> None:
    """Before update i + 1 of the training, k / (k + exp(i / k)) of the inputs are gold."""
    k, length, many = 2.0, 60, 40  # so steep that each update tells
    data = subject.pairs([[4, 5]] * 3 * many, [[6] * length] * 3 * many)
    run = run_of({"objective": "scheduled_sampling", "k": k}, training={"batch_size": many})
    made = subject.scripted([[9]] * many, subject.model(SOURCE_WORDS, WORDS))
    with subject.decoder_inputs(made) as seen:
        subject.train_epoch(made, run, data, WORDS, step=step, done=5, learning_rate=1e-30)
    assert len(seen) == 3
    for i, inputs in enumerate(seen, start=step):
        gold = k / (k + math.exp(i / k))
        share = (inputs[:, 1:] == 6).double().mean().item()
        error = math.sqrt(gold * (1 - gold) / inputs[:, 1:].numel())
        assert share == pytest.approx(gold, abs=3.5 * error)


# ------------------------------------------------------------------------- a whole training


def fitted(tmp_path: Path, bleus: list[float], **training: Any) -> subject.Fitted:
    recipe = {
        "batch_size": 2,
        "learning_rate": 0.8,
        "decay": 0.5,
        "min_learning_rate": 0.15,
        "max_epochs": 9,
        "min_epochs": 4,
        "patience": 3,
    }
    run = run_of({"objective": "ml"}, training=recipe | training)
    found = subject.fit(tmp_path, subject.model(SOURCE_WORDS, WORDS), run, PAIRS, bleus)
    best = found.weights[found.best[0] - 1]
    assert all(torch.equal(found.published[name], value) for name, value in best.items())
    names = [str(sorted(weights.items())) for weights in found.weights]
    assert len(set(names)) == len(names), "every epoch moves the weights"
    assert [record["epoch"] for record in found.records] == [m[0] for m in found.moments]
    assert [record["step"] for record in found.records] == [2 * m[0] for m in found.moments]
    assert [record["metrics"]["valid_bleu_greedy"] for record in found.records] == bleus
    return found


def test_patience(tmp_path: Path) -> None:
    found = fitted(tmp_path, [3.0, 5.0, 4.0, 5.0, 6.0, 2.0, 6.0, 1.0])
    assert found.reason == "patience"
    assert found.best == (5, 6.0)
    assert found.rates == [0.8, 0.8, 0.8, 0.4, 0.2, 0.2, 0.15, 0.15]
    assert found.moments == [(1, 0), (2, 0), (3, 0), (4, 1), (5, 2), (6, 2), (7, 3), (8, 4)]


def test_min_epochs_come_before_patience(tmp_path: Path) -> None:
    found = fitted(tmp_path, [9.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], min_epochs=6)
    assert (found.reason, found.best) == ("patience", (1, 9.0))
    assert found.rates == [0.8, 0.8, 0.4, 0.2, 0.15, 0.15, 0.15]


def test_max_epochs(tmp_path: Path) -> None:
    found = fitted(tmp_path, [1.0, 2.0, 3.0, 4.0, 3.5], max_epochs=5)
    assert (found.reason, found.best) == ("max_epochs", (4, 4.0))
    assert found.rates == [0.8] * 5


# ------------------------------------------------------------------------------- validation

PIECES = ["w@@", "o", "he@@", "llo", "wor@@", "ld", "a", "the", "cat", "."]


def validated(preparation: dict[str, Any], *, seed: int) -> None:
    """Compare validation with greedy search by the plain model and BLEU by its definition."""
    run = run_of({"objective": "ml"}, preparation=preparation, training={"batch_size": 3})
    made = subject.model(SOURCE_WORDS, WORDS, dropout=0.5, seed=seed, bound=1.5)
    with torch.no_grad():
        made.output.bias[EOS] += 2.5
        made.output.bias[UNK] += 1.0
    plain = Plain(made.state_dict())
    bpe = preparation["vocabulary"]["kind"] == "bpe"

    def text(tokens: list[int], attended: list[int], source: list[str]) -> str:
        words = [
            source[where] if token == UNK else PIECES[token - 4]
            for token, where in zip(tokens, attended, strict=True)
        ]
        joined = " ".join(words)
        if bpe:
            joined = joined.replace("@@ ", "").removesuffix("@@")
        return joined

    rng = np.random.default_rng(seed)
    sources = [rng.integers(4, SOURCE_WORDS, n).tolist() for n in rng.integers(1, 7, 20)]
    source_texts = [[f"s{token}" for token in source] for source in sources]
    found = [plain.greedy(source, 180) for source in sources]
    hypotheses = [text(*one, source) for one, source in zip(found, source_texts, strict=True)]
    # Some end, one does not, and some words are unknown.
    assert {len(tokens) for tokens, _ in found} > {0, 5, 180}
    assert any(UNK in tokens for tokens, _ in found)
    # References are close to the model's output, its unknown words replaced, so that BLEU is not 0.
    targets, target_texts = [], []
    for (tokens, attended), source in zip(found, source_texts, strict=True):
        target, pieces = [], []
        for token, where in zip(tokens, attended, strict=True):
            kept = token if rng.random() < 0.9 else 10
            target.append(kept)
            pieces.append(source[where] if kept == UNK else PIECES[kept - 4])
        targets.append([*target, 13])
        target_texts.append(" ".join([*pieces, PIECES[13 - 4]]))
    data = subject.pairs(sources, targets)
    data.source_text[:] = [" ".join(source) for source in source_texts]
    data.target_text[:] = target_texts
    references = [line.replace("@@ ", "") if bpe else line for line in target_texts]
    nll = -sum(
        plain.token_log_p(source, [BOS, *target, EOS]).sum().item()
        for source, target in zip(sources, targets, strict=True)
    )
    made.train()
    metrics = subject.validate(made, data, PIECES, run)
    bleu = formulas.corpus_bleu(hypotheses, references)
    assert 5 < bleu < 95
    assert metrics["valid_bleu_greedy"] == pytest.approx(bleu)
    tokens = sum(len(target) + 1 for target in targets)
    assert metrics["valid_nll_per_token"] == pytest.approx(nll / tokens)
    lengths = [sum(len(line.split()) for line in lines) for lines in (hypotheses, references)]
    assert metrics["valid_length_ratio"] == pytest.approx(lengths[0] / lengths[1])
    assert metrics["valid_brevity_penalty"] == pytest.approx(
        math.exp(min(0.0, 1 - lengths[1] / lengths[0]))
    )


@pytest.mark.parametrize("kind", ["words", "bpe"])
@pytest.mark.parametrize("seed", [3, 27])
def test_validation(kind: str, seed: int) -> None:
    validated({"vocabulary": {"kind": kind}}, seed=seed)
