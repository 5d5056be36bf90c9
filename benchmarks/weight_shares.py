"""Do the weights of Table 1 depend on the reward, or on the model's confidence in a sentence?

    python -m benchmarks.weight_shares --encoded ENCODED RUN [RUN ...]

Takes finished runs of `alpha` with the weighting of Table 1, ours (`log_p: mean`) or the authors'
(`padded_mean`): K = 1, Z over the mini-batch, log p divided by length, q0 omitted. log w is then
alpha log p(y) / length + (1 - alpha) r / tau, up to a constant of the mini-batch. Draws a candidate
for each training sentence, makes mini-batches as training does, scores 100 of them, and prints as
Markdown, for the alpha of the run and for others with the same model:

- variance: variance of log w within mini-batches;
- model, reward, both: shares of the variances of the two terms, and of twice their covariance;
- sentence: share of the variance of log w explained by the log p of the *reference*, divided by
  length, which is known before a candidate is drawn (R²);
- edits: share explained by r, both directly and through the effect of edits on log p (R²).

Dropout is off, and long sentences are not split into chunks.
"""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from alpha_dimt.config import RunConfig, load
from alpha_dimt.config.objectives import AlphaConfig
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.vocabulary import Vocab
from alpha_dimt.data.batching import (
    bucketed_batches,
    candidate_batch,
    reference_batch,
    side_by_side,
)
from alpha_dimt.data.encoded import Candidates, Pairs, read_pairs
from alpha_dimt.machine.device import choose_device, choose_dtype, use_threads
from alpha_dimt.models.base import TranslationModel
from alpha_dimt.models.build import build_model
from alpha_dimt.models.weights import fill
from alpha_dimt.objectives import model_term
from alpha_dimt.proposals import Words, build
from alpha_dimt.rewards import reward_of_edits
from alpha_dimt.training.candidate_learner import score

ALPHAS = (0.3, 0.5, 0.7)
BATCHES = 100
"""Number of mini-batches to score, from an epoch in random order."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Terms:
    """The terms of log w, each minus its mean over the mini-batch; [N].

    Attributes:
        candidate: log p of the candidate, divided by its length.
        reference: log p of the reference, divided by its length.
        reward: r / tau.
    """

    candidate: Floats
    reference: Floats
    reward: Floats


@dataclass(frozen=True)
class Shares:
    """The parts of the variance of log w.

    Attributes:
        variance: variance of log w within mini-batches.
        model: share of the variance of alpha log p / length.
        reward: share of the variance of (1 - alpha) r / tau.
        both: share of twice their covariance; the three sum to 1.
        sentence: squared correlation of log w with log p of the reference by its length.
        edits: squared correlation of log w with the reward.
    """

    variance: float
    model: float
    reward: float
    both: float
    sentence: float
    edits: float


def shares(terms: Terms, alpha: float) -> Shares:
    """Split the variance of log w."""
    model, reward = alpha * terms.candidate, (1 - alpha) * terms.reward
    log_w = model + reward
    variance = float(np.mean(log_w**2))
    return Shares(
        variance=variance,
        model=float(np.mean(model**2)) / variance,
        reward=float(np.mean(reward**2)) / variance,
        both=2 * float(np.mean(model * reward)) / variance,
        sentence=_explained(log_w, terms.reference),
        edits=_explained(log_w, terms.reward),
    )


def _explained(log_w: Floats, by: Floats) -> float:
    """Return the squared correlation of both arguments."""
    return float(np.mean(log_w * by) ** 2 / (np.mean(log_w**2) * np.mean(by**2)))


@torch.inference_mode()
def terms_of(config: RunConfig, model: TranslationModel, pairs: Pairs, words: int) -> Terms:
    """Draw a candidate for each sentence, and score BATCHES mini-batches of them."""
    objective = config.objective
    assert isinstance(objective, AlphaConfig)
    assert isinstance(objective.tau, float)
    assert config.proposal is not None
    rng = np.random.default_rng(config.seed)
    counts = np.bincount(pairs.target.values, minlength=words)
    distribution = build(config.proposal.distribution, Words(vocab_size=words, counts=counts))
    edits = distribution.draw(pairs.target, rng)
    reward = reward_of_edits(config.proposal.reward, edits, pairs.target)
    candidates = Candidates(edits, reward.astype(np.float32))
    lengths = pairs.source.lengths, pairs.target.lengths
    parts = []
    dealt = bucketed_batches(*lengths, batch_size=config.training.batch_size, rng=rng)
    for rows in dealt[:BATCHES]:
        batch = side_by_side(reference_batch(pairs, rows), candidate_batch(pairs, candidates, rows))
        [scored] = score(model, batch, torch.device("cpu"))
        log_p = model_term(scored, objective.log_p).double().numpy()
        values = np.stack([log_p[:, 1], log_p[:, 0], batch.reward[:, 1] / objective.tau])
        parts.append(values - values.mean(axis=1, keepdims=True))
    return Terms(*np.concatenate(parts, axis=1))


def rows_of(run: Path, encoded: Path) -> Iterable[str]:
    """Yield the rows of a run.

    Raises:
        UserError: the run has another objective or weighting.
    """
    config = load(RunConfig, run / "config.json")
    objective, corpus = config.objective, config.data.corpus
    if (
        not isinstance(objective, AlphaConfig)
        or (objective.normalise, objective.log_q0) != ("batch", False)
        or objective.log_p == "sum"
        or not isinstance(objective.alpha, float)
        or not isinstance(objective.tau, float)
        or config.proposal is None
        or config.proposal.candidates != 1
    ):
        raise UserError(f"{run}: this is not a run of `alpha` with the weighting of Table 1")
    vocabularies = [
        Vocab.load(encoded / f"vocab.{side}.txt") for side in (corpus.source, corpus.target)
    ]
    source, target = map(len, vocabularies)
    model = build_model(config.model, source_vocab_size=source, target_vocab_size=target)
    fill(model, run / "best.safetensors", config.fingerprint())
    model.compute_dtype = choose_dtype(config.training.precision, choose_device("cpu"))
    model.eval()
    terms = terms_of(config, model, read_pairs(encoded, "train"), target)
    for alpha in sorted({*ALPHAS, objective.alpha}):
        found = shares(terms, alpha)
        percent = (found.model, found.reward, found.both, found.sentence, found.edits)
        name = f"{corpus.name}, {config.system} seed {config.seed}"
        yield (
            f"| {name} | {alpha:g} | {found.variance:.3f} | "
            + " | ".join(f"{100 * value:.0f} %" for value in percent)
            + " |"
        )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weight_shares")
    parser.add_argument("--encoded", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("runs", type=Path, nargs="+")
    options = parser.parse_args()
    use_threads(options.threads)
    print("| model | alpha | variance | model | reward | both | sentence | edits |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for run in options.runs:
        for row in rows_of(run, options.encoded):
            print(row, flush=True)


if __name__ == "__main__":
    main()
