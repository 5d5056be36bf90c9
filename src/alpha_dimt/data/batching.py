"""Batch sentences of similar lengths, in the same way for every objective."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from alpha_dimt.core.ragged import Ints, Ragged
from alpha_dimt.core.vocabulary import PAD
from alpha_dimt.data.encoded import Candidates, Pairs
from alpha_dimt.proposals import frame

POOL = 100
"""Number of batches that are sorted by length together; more saves padding, fewer mixes better."""


@dataclass(frozen=True)
class Batch:
    """B sources with K candidates each, as NumPy arrays.

    Attributes:
        rows: [B] sentence numbers.
        source: [B, S] source ids, padded.
        source_lengths: [B] number of source tokens.
        target: [B * K, T + 1] framed candidates `<s> ... </s>`, padded, source by source.
        target_lengths: [B * K] number of predicted tokens (</s> included).
        reward: [B, K] reward of each candidate.
        log_q0: [B, K] log-probability of each candidate under the proposal.
        reference: [B, K] whether the candidate is the reference.
    """

    rows: Ints
    source: Ints
    source_lengths: Ints
    target: Ints
    target_lengths: Ints
    reward: npt.NDArray[np.float64]
    log_q0: npt.NDArray[np.float64]
    reference: npt.NDArray[np.bool_]


BatchType = Literal["sources", "tokens"]


def bucketed_batches(
    source_lengths: Ints,
    target_lengths: Ints,
    *,
    batch_size: int,
    rng: np.random.Generator,
    batch_type: BatchType = "sources",
) -> list[Ints]:
    """Return batches of similar source and target lengths in random order.

    Sentences are shuffled, sorted by both lengths within pools of batches and split into batches,
    which are shuffled: composition and order differ in every epoch.

    Args:
        source_lengths: tokens of each source.
        target_lengths: tokens of each target.
        batch_size: sources; or tokens of the longer side, its </s> and padding included.
        rng: source of randomness.
        batch_type: what `batch_size` counts.

    Returns:
        Arrays of sentence numbers; each sentence is in exactly one.
    """
    order = rng.permutation(len(source_lengths))
    size = batch_size
    if batch_type == "tokens":
        mean = np.maximum(source_lengths, target_lengths).mean() + 1
        size = max(1, int(batch_size / mean))
    batches = []
    for start in range(0, len(order), size * POOL):
        pool = order[start : start + size * POOL]
        batches += _cut(pool, source_lengths, target_lengths, batch_size, batch_type)
    return [batches[i] for i in rng.permutation(len(batches))]


def sorted_batches(
    source_lengths: Ints,
    target_lengths: Ints,
    *,
    batch_size: int,
    batch_type: BatchType = "sources",
) -> list[Ints]:
    """Return batches from short to long sources, as used in the first epoch."""
    rows = np.arange(len(source_lengths))
    return _cut(rows, source_lengths, target_lengths, batch_size, batch_type)


def _cut(
    rows: Ints,
    source_lengths: Ints,
    target_lengths: Ints,
    batch_size: int,
    batch_type: BatchType,
) -> list[Ints]:
    """Split sentences into batches from short to long; in a batch the longest target comes first.

    Finished sentences are therefore the last ones of a batch, and the decoder skips them.
    """
    rows = rows[np.lexsort((target_lengths[rows], source_lengths[rows]))]
    if batch_type == "tokens":
        starts = _token_starts(np.maximum(source_lengths, target_lengths)[rows] + 1, batch_size)
    else:
        starts = list(range(batch_size, len(rows), batch_size))
    batches = np.split(rows, starts)
    return [batch[np.argsort(-target_lengths[batch], kind="stable")] for batch in batches]


def _token_starts(lengths: Ints, most: int) -> list[int]:
    """Return where batches begin, but the first, that hold at most so many tokens.

    Every sentence counts as long as the longest of its batch; one that is too long is alone.
    """
    starts, begun, longest = [], 0, 0
    for place, length in enumerate(lengths.tolist()):
        longest = max(longest, length)
        if place > begun and (place - begun + 1) * longest > most:
            starts.append(place)
            begun, longest = place, length
    return starts


def reference_batch(pairs: Pairs, rows: Ints, *, reward: float = 0.0) -> Batch:
    """Return a batch whose only candidates are the references (K = 1), all with one reward."""
    nothing = np.zeros((len(rows), 1))
    return _batch(
        pairs,
        rows,
        framed=frame(pairs.target.take(rows)),
        reward=nothing + reward,
        log_q0=nothing,
        reference=np.ones((len(rows), 1), dtype=bool),
    )


def source_batch(pairs: Pairs, rows: Ints) -> Batch:
    """Return a batch without candidates (K = 0), for samples from the model."""
    none = np.zeros((len(rows), 0))
    return _batch(
        pairs,
        rows,
        framed=Ragged(np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64)),
        reward=none,
        log_q0=none,
        reference=none.astype(bool),
    )


def candidate_batch(pairs: Pairs, candidates: Candidates, rows: Ints) -> Batch:
    """Return a batch of the K candidates that one slice holds for each source."""
    k = len(candidates.edits) // len(pairs)
    drawn = (rows[:, None] * k + np.arange(k)).ravel()
    edits = candidates.edits.take(drawn)
    return _batch(
        pairs,
        rows,
        framed=edits.apply(pairs.target.take(np.repeat(rows, k))),
        reward=candidates.reward[drawn].astype(np.float64).reshape(-1, k),
        log_q0=edits.log_q0.reshape(-1, k),
        reference=(edits.counts == 0).reshape(-1, k),
    )


def side_by_side(*batches: Batch) -> Batch:
    """Return the batches of the same sources merged: their candidates side by side, in order."""
    b = len(batches[0].rows)
    width = max(batch.target.shape[1] for batch in batches)

    def target(batch: Batch) -> Ints:
        spare = width - batch.target.shape[1]
        padded = np.pad(batch.target, ((0, 0), (0, spare)), constant_values=PAD)
        return padded.reshape(b, batch.reward.shape[1], width)

    lengths = [batch.target_lengths.reshape(batch.reward.shape) for batch in batches]
    return replace(
        batches[0],
        target=np.concatenate([target(batch) for batch in batches], axis=1).reshape(-1, width),
        target_lengths=np.concatenate(lengths, axis=1).ravel(),
        reward=np.concatenate([batch.reward for batch in batches], axis=1),
        log_q0=np.concatenate([batch.log_q0 for batch in batches], axis=1),
        reference=np.concatenate([batch.reference for batch in batches], axis=1),
    )


def _batch(
    pairs: Pairs,
    rows: Ints,
    *,
    framed: Ragged,
    reward: npt.NDArray[np.float64],
    log_q0: npt.NDArray[np.float64],
    reference: npt.NDArray[np.bool_],
) -> Batch:
    return Batch(
        rows=rows,
        source=pairs.source.padded(rows, fill=PAD),
        source_lengths=pairs.source.lengths[rows],
        target=framed.padded(np.arange(len(framed)), fill=PAD),
        target_lengths=framed.lengths - 1,
        reward=reward,
        log_q0=log_q0,
        reference=reference,
    )


def source_batches(source_lengths: Ints, *, batch_size: int) -> Iterator[Ints]:
    """Yield sentence numbers for decoding, sentences of similar lengths together."""
    order = np.argsort(source_lengths, kind="stable")
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
