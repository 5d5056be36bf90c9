"""Rewards r(y, y*) of candidates, in bulk; higher is better.

All compare N rows of ids with N rows of ids, without <s> and </s>. Two <unk> count as equal.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.imports import imported
from alpha_dimt.core.ragged import Ints, Ragged
from alpha_dimt.proposals import DELETED, Edits, unframe

Floats = npt.NDArray[np.float64]

MAX_N = 4
"""Longest n-grams of BLEU and GLEU."""

CHUNK = 30_000
"""Tokens that are compared at once: they stay in the cache, and their ids fit into 15 bits."""


@dataclass(frozen=True)
class Reward:
    """A reward of candidates.

    Attributes:
        function: [N] rewards of N candidates, given with their N references.
        best: the reward of the reference itself, which no candidate exceeds.
    """

    function: Callable[[Ragged, Ragged], Floats]
    best: float


def reward_named(name: str) -> Reward:
    """Return a reward by its name, or somebody else's by the import path of a `Reward`.

    Raises:
        UserError: the import path leads nowhere, or to something else.
    """
    if ":" not in name:
        return REWARDS[name]
    found = imported(name)
    if not isinstance(found, Reward):
        raise UserError(f"{name} is not a reward; make it an alpha_dimt.rewards:Reward")
    return found


def reward(name: str, candidates: Ragged, references: Ragged) -> Floats:
    """Return [N] rewards of any candidates."""
    return reward_named(name).function(candidates, references)


def reward_of_edits(name: str, edits: Edits, references: Ragged) -> Floats:
    """Return [N] rewards of candidates that are given as edits of their references.

    Where the authors' code edits <s> and </s>, these edits count for the Hamming distance alone;
    the other rewards see the words between them.
    """
    in_place = not len(edits.insert_tokens.values) and (edits.tokens.values != DELETED).all()
    if name == "hamming" and in_place:
        # Every replacement differs from what it replaces.
        return -edits.counts.astype(np.float64)
    return reward(name, unframe(edits.apply(references)), references)


def negative_hamming(candidates: Ragged, references: Ragged) -> Floats:
    """Return [N] minus the number of positions at which candidate and reference differ.

    Positions that only the longer of the two has are differences too.
    """
    common = np.minimum(candidates.lengths, references.lengths)
    owner = np.repeat(np.arange(len(common)), common)
    within = np.arange(len(owner)) - (np.cumsum(common) - common)[owner]
    differ = (
        candidates.values[candidates.offsets[owner] + within]
        != references.values[references.offsets[owner] + within]
    )
    replaced = np.bincount(owner[differ], minlength=len(common))
    distance: Ints = replaced + np.abs(candidates.lengths - references.lengths)
    return -distance.astype(np.float64)


def negative_edit_distance(candidates: Ragged, references: Ragged) -> Floats:
    """Return [N] minus the Levenshtein distance in words (all edits cost 1)."""
    distance = np.zeros(len(candidates))
    for rows in _chunks(candidates, references):
        distance[rows] = _levenshtein(candidates.take(rows), references.take(rows))
    return -distance


def sentence_bleu(candidates: Ragged, references: Ragged) -> Floats:
    """Return [N] smoothed sentence BLEU, 0 to 1.

    As sacreBLEU's `sentence_bleu` with its defaults (Post, 2018): the k-th order without a match
    counts as 2^-k matches ("exp", method 3 of Chen & Cherry, 2014), orders longer than the
    candidate are left out ("effective order"), and without any match BLEU is 0.
    """
    matches = ngram_matches(candidates, references)
    totals = _ngram_totals(candidates)
    missing = np.cumsum(matches == 0, axis=1)
    smoothed = np.where(matches == 0, 0.5**missing, matches)
    log_precision = np.where(totals > 0, np.log(smoothed / totals.clip(1)), 0.0)
    orders = (totals > 0).sum(axis=1).clip(1)
    length = candidates.lengths.clip(1)
    log_brevity = np.minimum(0.0, 1 - references.lengths / length)
    bleu = np.exp(log_brevity + log_precision.sum(axis=1) / orders)
    return np.where(matches.any(axis=1), bleu, 0.0)


def gleu(candidates: Ragged, references: Ragged) -> Floats:
    """Return [N] GLEU, 0 to 1: the smaller of precision and recall of all 1- to 4-grams (Wu, 2016).

    The n-grams of all orders are counted together.
    """
    matches = ngram_matches(candidates, references).sum(axis=1)
    ours, theirs = (_ngram_totals(rows).sum(axis=1) for rows in (candidates, references))
    score: Floats = matches / np.maximum(ours, theirs).clip(1)
    return score


def constant(candidates: Ragged, references: Ragged) -> Floats:
    """Return 1 for each of the N candidates.

    Its expectation has no gradient: what an objective gains from it, it does not owe to the reward
    (Choshen et al., 2020).
    """
    return np.ones(len(candidates))


REWARDS = {
    "hamming": Reward(negative_hamming, best=0.0),
    "edit_distance": Reward(negative_edit_distance, best=0.0),
    "bleu": Reward(sentence_bleu, best=1.0),
    "gleu": Reward(gleu, best=1.0),
    "constant": Reward(constant, best=1.0),
}


def ngram_matches(candidates: Ragged, references: Ragged) -> Ints:
    """Return [N, 4] n-grams that candidate and reference share, each as often as in both."""
    matches = np.zeros((len(candidates), MAX_N), dtype=np.int64)
    for rows in _chunks(candidates, references):
        matches[rows] = _ngram_matches(candidates.take(rows), references.take(rows))
    return matches


def _ngram_totals(rows: Ragged) -> Ints:
    """Return [N, 4] numbers of n-grams."""
    totals: Ints = (rows.lengths[:, None] - np.arange(MAX_N)).clip(0)
    return totals


def _chunks(candidates: Ragged, references: Ragged) -> Iterator[Ints]:
    """Yield row numbers: rows of similar lengths, of about CHUNK tokens together."""
    lengths = candidates.lengths + references.lengths
    order = np.argsort(lengths, kind="stable")
    chunk = np.cumsum(lengths[order]) // CHUNK
    for rows in np.split(order, np.flatnonzero(np.diff(chunk)) + 1):
        if len(rows):
            yield rows


def _ngram_matches(candidates: Ragged, references: Ragged) -> Ints:
    """Do the work of `ngram_matches` for a chunk.

    An n-gram is a number of 15 bits a token; one more bit tells the sides apart. In the sorted row,
    equal n-grams stand together, and the shared ones of a and b equal n-grams are
    min(a, b) = (a + b - |a - b|) / 2.
    """
    every = np.arange(len(candidates))
    _, tokens = np.unique(
        np.concatenate((candidates.values, references.values)), return_inverse=True
    )
    if len(tokens) and tokens.max() >= 1 << 15:
        raise ValueError("a sentence of more than 2,000 words has no sentence BLEU here")
    cut = len(candidates.values)
    sides = [
        Ragged(part, rows.offsets).padded(every, fill=0, after=MAX_N)
        for part, rows in ((tokens[:cut], candidates), (tokens[cut:], references))
    ]
    none = np.iinfo(np.int64).max
    matches = np.empty((len(every), MAX_N), dtype=np.int64)
    grams = [np.zeros_like(side) for side in sides]
    for n in range(MAX_N):
        keys = []
        for bit, (side, rows) in enumerate(zip(sides, (candidates, references), strict=True)):
            width = side.shape[1] - MAX_N
            grams[bit] = (grams[bit][:, :width] << 15) + side[:, n : n + width]
            there = np.arange(width) < rows.lengths[:, None] - n
            keys.append(np.where(there, grams[bit] * 2 + bit, none))
        row = np.sort(np.concatenate(keys, axis=1), axis=1)
        sign = np.where(row == none, 0, 1 - 2 * (row & 1))
        first = np.ones(row.shape, dtype=bool)
        first[:, 1:] = (row[:, 1:] ^ row[:, :-1]) > 1
        starts = np.flatnonzero(first)
        surplus = np.abs(np.add.reduceat(sign.ravel(), starts)) if len(starts) else sign.ravel()
        owner = starts // max(row.shape[1], 1)
        unshared = np.bincount(owner, weights=surplus, minlength=len(every)).astype(np.int64)
        matches[:, n] = ((row != none).sum(axis=1) - unshared) // 2
    return matches


def _levenshtein(candidates: Ragged, references: Ragged) -> Ints:
    """Return [n] distances by dynamic programming, all pairs of a chunk at once.

    Row i of the table holds, for every j, the distance of i words of the candidate from j words of
    the reference. Time comes first in all arrays: [i, n] and [j, n].
    """
    every = np.arange(len(candidates))
    lengths, ends = references.lengths, candidates.lengths
    ours, theirs = (
        np.ascontiguousarray(rows.padded(every, fill=-1).T.astype(np.int32))
        for rows in (candidates, references)
    )
    columns = np.arange(len(theirs) + 1, dtype=np.int32)[:, None]
    # The table minus j: then the step from j - 1 to j is a minimum and nothing else.
    row = np.zeros((len(theirs) + 1, len(every)), dtype=np.int32)
    distance = np.where(ends == 0, lengths, 0)
    for i, token in enumerate(ours):
        replaced = row[:-1] + (theirs != token) - 1
        row += 1
        np.minimum(row[1:], replaced, out=row[1:])
        for j in range(1, len(row)):
            np.minimum(row[j], row[j - 1], out=row[j])
        done = np.flatnonzero(ends == i + 1)
        distance[done] = row[lengths[done], done] + columns[lengths[done], 0]
    return distance
