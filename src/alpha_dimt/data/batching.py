"""Deal sentences into batches of similar lengths, the same way for every objective."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alpha_dimt.data.encoded import Candidates, Pairs
from alpha_dimt.ragged import Ints
from alpha_dimt.vocab import BOS, EOS, PAD

POOL = 100
"""Batches that are sorted by length together; more saves padding, fewer mixes better."""


@dataclass(frozen=True)
class Batch:
    """B sources with K candidates each, as NumPy arrays.

    Attributes:
        source: [B, S] ids, padded.
        source_lengths: [B].
        target: [B * K, T + 1] framed candidates `<s> ... </s>`, padded, source by source.
        target_lengths: [B * K] predicted tokens (</s> included).
        reward: [B, K].
        log_q0: [B, K].
    """

    source: Ints
    source_lengths: Ints
    target: Ints
    target_lengths: Ints
    reward: npt.NDArray[np.float64]
    log_q0: npt.NDArray[np.float64]


def deal(
    source_lengths: Ints, target_lengths: Ints, *, batch_size: int, rng: np.random.Generator
) -> list[Ints]:
    """Deal all sentences anew into batches of similar source and target lengths.

    Sentences are shuffled, sorted by both lengths within pools of batches, cut, and the batches
    shuffled: composition and order differ in every epoch.

    Returns:
        Arrays of sentence numbers; each sentence stands in exactly one.
    """
    order = rng.permutation(len(source_lengths))
    batches = []
    for start in range(0, len(order), batch_size * POOL):
        pool = order[start : start + batch_size * POOL]
        pool = pool[np.lexsort((target_lengths[pool], source_lengths[pool]))]
        batches += [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def in_order_of_length(
    source_lengths: Ints, target_lengths: Ints, *, batch_size: int
) -> list[Ints]:
    """Deal sentences into batches from short to long sources, as the first epoch wants them."""
    order = np.lexsort((target_lengths, source_lengths))
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def framed(pairs: Pairs, rows: Ints) -> Ints:
    """Return [B, T + 1] references `<s> y </s>`, padded."""
    out = pairs.target.padded(rows, fill=PAD, before=1, after=1)
    out[:, 0] = BOS
    out[np.arange(len(rows)), pairs.target.lengths[rows] + 1] = EOS
    return out


def reference_batch(pairs: Pairs, rows: Ints) -> Batch:
    """Return a batch whose only candidates are the references (K = 1)."""
    nothing = np.zeros((len(rows), 1))
    return Batch(
        source=pairs.source.padded(rows, fill=PAD),
        source_lengths=pairs.source.lengths[rows],
        target=framed(pairs, rows),
        target_lengths=pairs.target.lengths[rows] + 1,
        reward=nothing,
        log_q0=nothing,
    )


def candidate_batch(pairs: Pairs, candidates: Candidates, rows: Ints) -> Batch:
    """Return a batch of the K candidates that one slice holds for each source."""
    k = len(candidates.reward) // len(pairs)
    drawn = (rows[:, None] * k + np.arange(k)).ravel()
    target = np.repeat(framed(pairs, rows), k, axis=0)
    entries, owner = candidates.positions.entries(drawn)
    target[owner, candidates.positions.values[entries]] = candidates.tokens.values[entries]
    return Batch(
        source=pairs.source.padded(rows, fill=PAD),
        source_lengths=pairs.source.lengths[rows],
        target=target,
        target_lengths=np.repeat(pairs.target.lengths[rows] + 1, k),
        reward=candidates.reward[drawn].astype(np.float64).reshape(-1, k),
        log_q0=candidates.log_q0[drawn].reshape(-1, k),
    )


def source_batches(source_lengths: Ints, *, batch_size: int) -> Iterator[Ints]:
    """Yield sentence numbers for decoding, sentences of similar lengths together."""
    order = np.argsort(source_lengths, kind="stable")
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
