"""Rewards of every prefix of candidates, for objectives that weight words one by one.

The reward of a word is how much it adds to the score of the prefix, times the length of the
reference, so that the rewards of a sentence sum to its score times that length. Unknown words never
match. Bahdanau et al. (2017) train with the BLEU of this module; length and smoothing are those of
their code (`error_rate._bleu`, `BleuReward`).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from alpha_dimt.core.ragged import Ints, Ragged
from alpha_dimt.core.vocabulary import UNK
from alpha_dimt.rewards import MAX_N

Floats = npt.NDArray[np.float64]

FRAME = 2
"""<s> and </s>, which count in the length that rewards are multiplied by."""


def word_rewards(name: str, candidates: Ragged, references: Ragged) -> Floats:
    """Return the reward of every word of all candidates, row after row.

    Args:
        name: key of `PREFIX_SCORES`.
        candidates: R rows of ids without <s> and </s>.
        references: the R references.
    """
    scores = PREFIX_SCORES[name](candidates, references)
    before = np.concatenate(([0.0], scores[:-1]))
    starts = candidates.offsets[:-1][candidates.lengths > 0]
    before[starts] = 0.0
    owner = np.repeat(np.arange(len(candidates)), candidates.lengths)
    rewards: Floats = (scores - before) * (references.lengths + FRAME)[owner]
    return rewards


def prefix_bleu(candidates: Ragged, references: Ragged) -> Floats:
    """Return BLEU of every prefix, all orders smoothed by one (Lin and Och, 2004).

    Precision is (matches + 1) / (n-grams + 1) for all four orders, also for the first, and also
    where a prefix is too short for an order.
    """
    matches, lengths, wanted = _prefix_matches(candidates, references)
    totals = (lengths[:, None] - np.arange(MAX_N)).clip(0)
    log_precision = np.log((matches + 1) / (totals + 1)).mean(axis=1)
    log_brevity = np.minimum(0.0, 1 - wanted / lengths)
    score: Floats = np.exp(log_precision + log_brevity)
    return score


def prefix_gleu(candidates: Ragged, references: Ragged) -> Floats:
    """Return GLEU of every prefix; see `alpha_dimt.rewards.gleu`."""
    matches, lengths, wanted = _prefix_matches(candidates, references)
    ours, theirs = (
        (length[:, None] - np.arange(MAX_N)).clip(0).sum(axis=1) for length in (lengths, wanted)
    )
    score: Floats = matches.sum(axis=1) / np.maximum(ours, theirs).clip(1)
    return score


def prefix_edit_distance(candidates: Ragged, references: Ragged) -> Floats:
    """Return (m - d) / (m + 2), d words from the whole reference of m words; 0 for no word.

    Times the length, a sentence then has the reward m - d: minus the Levenshtein distance, but for
    a constant.
    """
    every = np.arange(len(candidates))
    ours = candidates.padded(every, fill=UNK)
    theirs = references.padded(every, fill=UNK).T
    ends = references.lengths
    # [J + 1, R] distances of a prefix from the first j words of the reference.
    row = np.repeat(np.arange(len(theirs) + 1)[:, None], len(every), axis=1)
    distances = np.zeros(ours.shape, dtype=np.int64)
    for i, word in enumerate(ours.T):
        replaced = row[:-1] + ((theirs != word) | (word == UNK))
        row[0] += 1
        row[1:] = np.minimum(row[1:] + 1, replaced)
        for j in range(1, len(row)):
            np.minimum(row[j], row[j - 1] + 1, out=row[j])
        distances[:, i] = row[ends, every]
    inside = np.arange(ours.shape[1]) < candidates.lengths[:, None]
    score: Floats = ((ends[:, None] - distances) / (ends[:, None] + FRAME))[inside]
    return score


def prefix_constant(candidates: Ragged, references: Ragged) -> Floats:
    """Return 1 for every prefix: the first word has the whole reward; see `rewards.constant`."""
    return np.ones(len(candidates.values))


PREFIX_SCORES: dict[str, Callable[[Ragged, Ragged], Floats]] = {
    "bleu": prefix_bleu,
    "gleu": prefix_gleu,
    "edit_distance": prefix_edit_distance,
    "constant": prefix_constant,
}
"""Scores of every prefix by name. The Hamming distance has none: it punishes every word after one
that is missing."""


def _prefix_matches(candidates: Ragged, references: Ragged) -> tuple[Ints, Ints, Ints]:
    """Return the matching n-grams of each prefix [N, 4], its length, and its reference's [N].

    The k-th occurrence of an n-gram matches if the reference has it at least k times.
    """
    owner, place = _places(candidates)
    their_owner, their_place = _places(references)
    cut = len(owner)
    owners = np.concatenate((owner, their_owner))
    places = np.concatenate((place, their_place))
    tokens = np.concatenate((candidates.values, references.values)).astype(np.int64)
    # An n-gram is known by a number that tells its row, too: equal n-grams of a row are equal.
    _, words = np.unique(tokens, return_inverse=True)
    _, grams = np.unique(owners * (words.max(initial=0) + 1) + words, return_inverse=True)
    known = tokens != UNK
    matches = np.zeros((cut, MAX_N), dtype=np.int64)
    for n in range(MAX_N):
        if n:
            # The n-gram that ends here: the one that ended before, and this word.
            before = np.roll(grams, 1)
            _, grams = np.unique(before * (words.max(initial=0) + 1) + words, return_inverse=True)
            known = known & np.roll(known, 1)
        there = known & (places >= n)
        in_reference = np.bincount(grams[cut:][there[cut:]], minlength=grams.max(initial=0) + 1)
        ours = np.flatnonzero(there[:cut])
        hits = np.zeros(cut, dtype=np.int64)
        hits[ours] = _occurrence(grams[ours]) < in_reference[grams[ours]]
        total = np.cumsum(hits)
        starts = np.concatenate(([0], total))[candidates.offsets[:-1]]
        matches[:, n] = total - starts[owner]
    return matches, place + 1, references.lengths[owner]


def _places(rows: Ragged) -> tuple[Ints, Ints]:
    """Return the row of each token, and its place in the row."""
    owner = np.repeat(np.arange(len(rows)), rows.lengths)
    return owner, np.arange(len(owner)) - rows.offsets[:-1][owner]


def _occurrence(keys: Ints) -> Ints:
    """Return for each key how many equal ones stand before it."""
    order = np.argsort(keys, kind="stable")
    row = keys[order]
    first = np.concatenate(([True], row[1:] != row[:-1])) if len(row) else np.zeros(0, dtype=bool)
    starts = np.maximum.accumulate(np.where(first, np.arange(len(row)), 0))
    found = np.empty(len(keys), dtype=np.int64)
    found[order] = np.arange(len(row)) - starts
    return found
