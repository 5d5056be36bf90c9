"""Score a mini-batch: candidates of the proposal, samples of the model, and their figures."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from alpha_dimt.config.base import Reward
from alpha_dimt.core.ragged import Ints, Ragged
from alpha_dimt.core.vocabulary import EOS
from alpha_dimt.data.batching import Batch, side_by_side
from alpha_dimt.inference.search import draw_words, sample
from alpha_dimt.models.attention_rnn.fused import Encoded, Seq2Seq
from alpha_dimt.objectives import Scored
from alpha_dimt.proposals import Distribution
from alpha_dimt.rewards import reward


@dataclass(frozen=True)
class Sampler:
    """Draws further candidates from the model that is being trained.

    Attributes:
        samples: candidates a source.
        reward: of the samples.
        targets: references of all sentences.
        stored: candidates a source that come from the proposal; 0 if none do.
        proposal: their distribution; log q0 is then that of the mixture of both.
    """

    samples: int
    reward: Reward
    targets: Ragged
    stored: int = 0
    proposal: Distribution | None = None

    def extend(self, model: Seq2Seq, encoded: Encoded, batch: Batch) -> Batch:
        """Return the batch with the samples as further candidates of each source.

        Samples are drawn without dropout and cut after 1.5 |x| + 5 tokens (Shen et al., 2016), |x|
        being the length of the longest source of the batch.
        """
        b, device = len(batch.rows), encoded.keys.device
        training = model.training
        model.eval()
        with torch.no_grad():
            each = torch.arange(b, device=device).repeat_interleave(self.samples)
            drawn = sample(
                model,
                model.select(model.start(encoded), each),
                rows=len(each),
                max_length=int(1.5 * batch.source.shape[1]) + 5,
                device=device,
            )
        model.train(training)
        target = drawn.cpu().numpy()
        ended = target == EOS
        lengths = np.where(ended.any(axis=1), ended.argmax(axis=1), target.shape[1] - 1)
        candidates = _prefixes(target[:, 1:], lengths - ended.any(axis=1))
        references = self.targets.take(np.repeat(batch.rows, self.samples))
        log_q0 = np.zeros(len(target))
        if self.proposal is not None:
            # A sample that was cut has no </s>, and the proposal never draws it.
            log_q0 = self.proposal.log_prob(references, _prefixes(target, lengths + 1))
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


def _prefixes(rows: Ints, lengths: Ints) -> Ragged:
    """Return the first entries of each row."""
    inside = np.arange(rows.shape[1]) < lengths[:, None]
    return Ragged(rows[inside], np.concatenate(([0], np.cumsum(lengths))))


def mixed_inputs(
    model: Seq2Seq, encoded: Encoded, target: Tensor, gold_probability: float
) -> Tensor:
    """Return decoder inputs of scheduled sampling (Bengio et al., 2015).

    Each input is the gold word with `gold_probability`, or else a word drawn from the model after
    the inputs before it.

    Args:
        model: the model; its own words are drawn without dropout.
        encoded: R sources.
        target: [R, T + 1] framed references.
        gold_probability: 0 to 1.

    Returns:
        [R, T].
    """
    training = model.training
    model.eval()
    inputs = target[:, :-1].clone()
    with torch.no_grad():
        state = model.start(encoded)
        for t in range(1, inputs.shape[1]):
            logits, _, state = model.step(state, inputs[:, t - 1])
            drawn = draw_words(logits)
            gold = torch.rand(len(target), device=target.device) < gold_probability
            inputs[:, t] = torch.where(gold, inputs[:, t], drawn)
    model.train(training)
    return inputs


def gold_probability(k: float, update: int) -> float:
    """Return the inverse sigmoid decay k / (k + exp(i / k)) of scheduled sampling."""
    exponent = update / k
    return k / (k + math.exp(exponent)) if exponent < 700 else 0.0


def score(
    model: Seq2Seq,
    batch: Batch,
    device: torch.device,
    *,
    sampler: Sampler | None = None,
    gold: float | None = None,
    chunk: int | None = None,
) -> list[Scored]:
    """Return the candidates of a mini-batch with their log-probabilities.

    Args:
        model: computes the log-probabilities.
        batch: sources and candidates.
        device: where the model is.
        sampler: draws further candidates from the model.
        gold: probability of gold inputs in scheduled sampling.
        chunk: score each chunk of so many steps on its own, as the authors' code does.

    Returns:
        One entry a chunk; one in all without `chunk`.
    """

    def tensor(array: object) -> Tensor:
        value = torch.as_tensor(array)
        # From pinned memory a copy to the device waits for nothing, so batches are made and sent
        # while the updates before them are still computed.
        return value.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else value

    encoded = model.encode(tensor(batch.source), torch.from_numpy(batch.source_lengths))
    if sampler is not None:
        batch = sampler.extend(model, encoded, batch)
    shape = batch.reward.shape
    # Lengths stay on the CPU: what their sum decides needs no word from the device.
    target, lengths = tensor(batch.target), torch.from_numpy(batch.target_lengths)
    if chunk is not None:
        chunks = model.chunk_log_probs(encoded, target, lengths, chunk=chunk)
        parts = [
            (log_p, (lengths - start * chunk).clamp(0, chunk)) for start, log_p in enumerate(chunks)
        ]
    else:
        inputs = None if gold is None else mixed_inputs(model, encoded, target, gold)
        parts = [(model.log_probs(encoded, target, lengths, inputs=inputs), lengths)]
    log_q0 = tensor(batch.log_q0).to(parts[0][0].dtype)
    if sampler is not None and sampler.proposal is not None:
        # All candidates together are a sample of the mixture of both distributions.
        share = sampler.stored / (sampler.stored + sampler.samples)
        log_model = parts[0][0].detach().view(shape) + math.log(1 - share)
        log_q0 = torch.logaddexp(log_q0 + math.log(share), log_model)
    distinct = _distinct(target.view(*shape, -1))
    return [
        Scored(
            log_p=log_p.view(shape),
            lengths=steps.view(shape).to(device, non_blocking=True),
            reward=tensor(batch.reward).to(log_p.dtype),
            log_q0=log_q0,
            reference=tensor(batch.reference),
            distinct=distinct,
        )
        for log_p, steps in parts
    ]


def _distinct(target: Tensor) -> Tensor:
    """Return [B, K] whether no candidate before it is the same; target is [B, K, T + 1]."""
    k = target.shape[1]
    if k == 1:
        return torch.ones(target.shape[:2], dtype=torch.bool, device=target.device)
    same = (target[:, :, None] == target[:, None, :]).all(dim=-1)
    return ~same.tril(diagonal=-1).any(dim=2)
