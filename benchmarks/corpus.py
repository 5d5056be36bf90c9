"""Sentence pairs with the lengths of real text, and the batches that every contender gets.

Timing needs no real words, only realistic lengths and frequencies. Lengths come from the validation
text of IWSLT'14 German to English if the environment variable ALPHA_DIMT_TEST_DATA names a folder
with it, otherwise from a distribution fitted to them. Word ids follow Zipf's law.
"""

import gzip
import os
from pathlib import Path

import numpy as np

from alpha_dimt.core.ragged import Ints, Ragged
from alpha_dimt.core.vocabulary import SPECIALS
from alpha_dimt.data.batching import bucketed_batches, reference_batch
from alpha_dimt.data.encoded import Pairs
from benchmarks.sizes import Sizes

LONGEST = 50
"""Maximum words of a training sentence, as in the paper; longer ones are left out."""

# Mean and standard deviation of the logarithm of the source length, and of the logarithm of target
# length over source length, before lengths above LONGEST are left out. Fitted to the 6,969
# validation pairs of IWSLT'14 de-en as prepared for the paper, by random search for the least
# squared error of the moments (mean and deviation of both lengths, plain and logarithmic, and of
# the ratio). A test compares the quantiles.
LOG_SOURCE = 2.787, 0.667
LOG_RATIO = 0.047, 0.144


def real_lengths() -> tuple[Ints, Ints] | None:
    """Return source and target lengths of real text, or None without one."""
    folder = os.environ.get("ALPHA_DIMT_TEST_DATA")
    if not folder:
        return None
    paths = [Path(folder) / "iwslt14-prepared" / f"valid.{side}.gz" for side in ("de", "en")]
    if not all(path.exists() for path in paths):
        return None
    source, target = (
        np.array(
            [len(line.split(b" ")) for line in gzip.decompress(path.read_bytes()).split(b"\n")[:-1]]
        )
        for path in paths
    )
    return source, target


def fitted_lengths(size: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Draw source and target lengths, log-normal, of 1 to LONGEST words."""
    source, target = np.empty(0, np.int64), np.empty(0, np.int64)
    while len(source) < size:
        real = np.exp(rng.normal(*LOG_SOURCE, size))
        both = np.rint([real, real * np.exp(rng.normal(*LOG_RATIO, size))]).astype(np.int64)
        both = both[:, ((both >= 1) & (both <= LONGEST)).all(axis=0)]
        source, target = np.append(source, both[0]), np.append(target, both[1])
    return source[:size], target[:size]


def lengths(size: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Draw the lengths of `size` pairs, from real text if available."""
    real = real_lengths()
    if real is None:
        return fitted_lengths(size, rng)
    rows = rng.integers(len(real[0]), size=size)
    return real[0][rows], real[1][rows]


def zipf(words: int, size: int, rng: np.random.Generator) -> Ints:
    """Draw ids of ordinary words, the word of rank r with a probability proportional to 1 / r."""
    ends = np.cumsum(1 / np.arange(1, words - len(SPECIALS) + 1))
    rank: Ints = np.searchsorted(ends, rng.random(size) * ends[-1], side="right")
    return len(SPECIALS) + rank


def sentence_pairs(sizes: Sizes, count: int, *, seed: int = 1) -> Pairs:
    """Return `count` pairs, determined by the seed."""
    rng = np.random.default_rng(seed)
    source, target = (
        Ragged.of_lengths(zipf(words, int(drawn.sum()), rng), drawn)
        for words, drawn in zip(
            (sizes.source_words, sizes.target_words), lengths(count, rng), strict=True
        )
    )
    return Pairs(source=source, target=target, source_text=[], target_text=[])


def sample_of_batches(pairs: Pairs, sizes: Sizes) -> list[Ints]:
    """Return some of the batches that training would make, evenly spread from short to long."""
    source, target = pairs.source.lengths, pairs.target.lengths
    dealt = bucketed_batches(source, target, batch_size=sizes.batch, rng=np.random.default_rng(1))
    full = [rows for rows in dealt if len(rows) == sizes.batch]
    full.sort(key=lambda rows: int(target[rows].sum()))
    middles = (np.arange(sizes.updates) + 0.5) * len(full) / sizes.updates
    order = np.random.default_rng(2).permutation(sizes.updates)  # in random order, as in training
    return [full[int(middles[i])] for i in order]


def sources(sizes: Sizes, count: int) -> Ragged:
    """Return source sentences to decode."""
    return sentence_pairs(sizes, count, seed=3).source


def write_arrays(sizes: Sizes, path: Path) -> None:
    """Write batches and sources to decode, for contenders without this package.

    batch{i}_source [B, S], batch{i}_source_lengths [B], batch{i}_target [B, T + 1] framed,
    batch{i}_target_lengths [B] predicted tokens; greedy{i} and beam{i} [D, S], greedy{i}_lengths
    and beam{i}_lengths [D], sentences of similar lengths together. Ids 0 to 3 are padding, unknown,
    <s> and </s>.
    """
    pairs = sentence_pairs(sizes, sizes.pairs)
    arrays: dict[str, Ints] = {}
    for i, rows in enumerate(sample_of_batches(pairs, sizes)):
        batch = reference_batch(pairs, rows)
        arrays[f"batch{i}_source"] = batch.source
        arrays[f"batch{i}_source_lengths"] = batch.source_lengths
        arrays[f"batch{i}_target"] = batch.target
        arrays[f"batch{i}_target_lengths"] = batch.target_lengths
    for search, count in (("greedy", sizes.greedy), ("beam", sizes.beam)):
        source = sources(sizes, count)
        order = np.argsort(source.lengths, kind="stable")
        for i in range(0, count, sizes.decode_batch):
            rows = order[i : i + sizes.decode_batch]
            name = f"{search}{i // sizes.decode_batch}"
            arrays[name] = source.padded(rows, fill=0)
            arrays[f"{name}_lengths"] = source.lengths[rows]
    np.savez(path, allow_pickle=False, **arrays)
