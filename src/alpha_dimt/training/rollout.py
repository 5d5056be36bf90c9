"""Draw from the model in training: candidates, and inputs for scheduled sampling."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alpha_dimt.config import RunConfig
from alpha_dimt.config.rewards import Reward
from alpha_dimt.config.systems import Needs
from alpha_dimt.core.ragged import Ints, Ragged
from alpha_dimt.core.vocabulary import EOS
from alpha_dimt.data.batching import Batch, side_by_side
from alpha_dimt.data.encoded import Pairs
from alpha_dimt.inference.candidates import beam_candidates, sample
from alpha_dimt.kernels import vocabulary_search
from alpha_dimt.models.base import TranslationModel
from alpha_dimt.proposals import Distribution, Words, build
from alpha_dimt.rewards import reward


@dataclass(frozen=True)
class Rollout:
    """Draws candidates from the model in training.

    Attributes:
        samples: number of samples per source, or width of the beam.
        reward: reward of the samples.
        targets: references of all sentences.
        stored: number of candidates per source that come from the proposal; 0 without one.
        proposal: distribution of those candidates; log q0 is then that of the mixture of both.
        epsilon: of `beam_candidates`; None: candidates are samples.
    """

    samples: int
    reward: Reward
    targets: Ragged
    stored: int = 0
    proposal: Distribution | None = None
    epsilon: float | None = None

    def draw(self, model: TranslationModel, encoded: Any, batch: Batch) -> Batch:
        """Return the batch with samples as further candidates of each source.

        Samples, or the candidates of a beam, are found without dropout and truncated after
        1.5 |x| + 5 tokens (Shen et al., 2016), where |x| is the length of the longest source of the
        batch.
        """
        b = len(batch.rows)
        training = model.training
        model.eval()
        with torch.no_grad():
            drawn = self._sequences(
                model, encoded, b, max_length=int(1.5 * batch.source.shape[1]) + 5
            )
        model.train(training)
        target = drawn.cpu().numpy()
        ended = target == EOS
        lengths = np.where(ended.any(axis=1), ended.argmax(axis=1), target.shape[1] - 1)
        candidates = prefixes(target[:, 1:], lengths - ended.any(axis=1))
        references = self.targets.take(np.repeat(batch.rows, self.samples))
        log_q0 = np.zeros(len(target))
        if self.proposal is not None:
            # A truncated sample has no </s>, so the proposal never draws it.
            log_q0 = self.proposal.log_prob(references, prefixes(target, lengths + 1))
        same = reward("edit_distance", candidates, references) == 0
        return side_by_side(
            batch,
            replace(
                batch,
                target=target,
                target_lengths=lengths,
                reward=reward(self.reward, candidates, references).reshape(b, -1),
                log_q0=log_q0.reshape(b, -1),
                reference=same.reshape(b, -1),
            ),
        )

    def _sequences(
        self, model: TranslationModel, encoded: Any, sources: int, *, max_length: int
    ) -> Tensor:
        """Return [B * K, T + 1] framed sequences, source by source."""
        device, state = model.device, model.start(encoded)
        if self.epsilon is not None:
            return beam_candidates(
                model,
                state,
                sentences=sources,
                width=self.samples,
                max_length=max_length,
                device=device,
                epsilon=self.epsilon,
            )
        each = torch.arange(sources, device=device).repeat_interleave(self.samples)
        return sample(
            model,
            model.select(state, each),
            rows=len(each),
            max_length=max_length,
            device=device,
        )


def choose_rollout(config: RunConfig, needs: Needs, pairs: Pairs, words: int) -> Rollout | None:
    """Return the rollout that draws candidates from the model; None if the objective needs none."""
    if not needs.samples:
        return None
    proposal = None
    if config.proposal is not None:
        counts = np.bincount(pairs.target.values, minlength=words)
        proposal = build(config.proposal.distribution, Words(vocab_size=words, counts=counts))
    reward = needs.reward or (config.proposal.reward if config.proposal else "hamming")
    stored = config.proposal.candidates if config.proposal else 0
    return Rollout(needs.samples, reward, pairs.target, stored, proposal, needs.epsilon)


def prefixes(rows: Ints, lengths: Ints) -> Ragged:
    """Return the first entries of each row."""
    inside = np.arange(rows.shape[1]) < lengths[:, None]
    return Ragged(rows[inside], np.concatenate(([0], np.cumsum(lengths))))


def mixed_inputs(
    model: TranslationModel, encoded: Any, target: Tensor, gold_probability: float
) -> Tensor:
    """Return decoder inputs of scheduled sampling (Bengio et al., 2015).

    Each input is the gold token with `gold_probability`, otherwise a token drawn from the model
    given the inputs before it.

    Args:
        model: model in training; tokens are drawn without dropout.
        encoded: R encoded sources.
        target: [R, T + 1] framed references.
        gold_probability: probability of the gold token, 0 to 1.

    Returns:
        [R, T] token ids.
    """
    training = model.training
    model.eval()
    inputs = target[:, :-1].clone()
    with torch.no_grad():
        state = model.start(encoded)
        for t in range(1, inputs.shape[1]):
            step = model.step(state, inputs[:, t - 1])
            state = step.state
            drawn = vocabulary_search.sample(step.logits)
            gold = torch.rand(len(target), device=target.device) < gold_probability
            inputs[:, t] = torch.where(gold, inputs[:, t], drawn)
    model.train(training)
    return inputs


def gold_probability(k: float, update: int) -> float:
    """Return the inverse sigmoid decay k / (k + exp(i / k)) of scheduled sampling, i = `update`."""
    exponent = update / k
    return k / (k + math.exp(exponent)) if exponent < 700 else 0.0
