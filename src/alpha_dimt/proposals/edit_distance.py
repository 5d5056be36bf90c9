"""A memoryless transducer: words are inserted, deleted and replaced independently."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alpha_dimt.core.ragged import Ints, Ragged
from alpha_dimt.core.vocabulary import BOS, EOS, PAD
from alpha_dimt.proposals.distribution import Substituting
from alpha_dimt.proposals.edits import DELETED, Edits, frame, unframe
from alpha_dimt.proposals.substitutes import NO_ORIGINAL

Floats = npt.NDArray[np.float64]

CHUNK = 2048
"""Candidates whose lattices are computed at once: a column of them stays in the cache."""

ZERO = -1e30
"""Stands for ln 0 inside the lattice, where -inf - -inf must not happen."""


@dataclass(frozen=True)
class EditDistance(Substituting):
    """Before each word and at the end goes a geometric number of new words; each word has a fate.

    A gap holds k new words with probability (1 - insert) insert^k. Each word of the reference is
    deleted, replaced by a different word, or kept. Different edits can lead to the same candidate;
    q0 is the sum over all of them. A candidate can be empty.

    Attributes:
        insert: probability of one more new word in each gap.
        delete: probability of each word.
        substitute: probability of each word.
    """

    insert: float
    delete: float
    substitute: float

    def draw(self, targets: Ragged, rng: np.random.Generator) -> Edits:
        """See `Distribution`."""
        size, owner, original = len(targets), targets.owner, targets.values.astype(np.int64)
        fate = rng.random(len(original))
        edited = np.flatnonzero(fate < self.delete + self.substitute)
        replaced = edited[fate[edited] >= self.delete]
        token = np.full(len(original), DELETED)
        token[replaced] = self.substitutes.draw(original[replaced], owner[replaced], rng)
        counts = np.bincount(owner[edited], minlength=size)
        position = edited - targets.offsets[owner[edited]] + 1

        gaps = targets.lengths + 1  # in front of each word and of </s>
        first = np.cumsum(gaps) - gaps
        u = 1 - rng.random(int(gaps.sum()))
        gap = np.flatnonzero(u < self.insert)
        if len(gap):
            gap = np.repeat(gap, (np.log(u[gap]) / np.log(self.insert)).astype(np.int64))
        gap_owner = np.searchsorted(first, gap, side="right") - 1
        new = self.substitutes.draw(np.full(len(gap), NO_ORIGINAL), gap_owner, rng)
        new_counts = np.bincount(gap_owner, minlength=size)
        insert_position = gap - first[gap_owner] + 1

        edits = Edits(
            positions=Ragged.of_lengths(position, counts),
            tokens=Ragged.of_lengths(token[edited], counts),
            insert_positions=Ragged.of_lengths(insert_position, new_counts),
            insert_tokens=Ragged.of_lengths(new, new_counts),
            log_q0=np.zeros(size),
        )
        candidates = edits.apply(targets)
        # Edits that undo each other are the reference: it has no edits, however it came about.
        edits = edits.undone(_equal(frame(targets), candidates))
        return Edits(
            edits.positions,
            edits.tokens,
            edits.insert_positions,
            edits.insert_tokens,
            self.log_prob(targets, candidates),
        )

    def log_prob(self, targets: Ragged, candidates: Ragged) -> Floats:
        """See `Distribution`."""
        framed = candidates.lengths >= 2
        framed &= candidates.values[candidates.offsets[:-1]] == BOS
        framed &= candidates.values[candidates.offsets[1:] - 1] == EOS
        log_q0 = np.full(len(targets), -np.inf)
        # Rows of similar lengths share a rectangle.
        rows = np.flatnonzero(framed)
        rows = rows[np.lexsort((candidates.lengths[rows], targets.lengths[rows]))]
        for start in range(0, len(rows), CHUNK):
            some = rows[start : start + CHUNK]
            log_q0[some] = self._forward(targets.take(some), unframe(candidates.take(some)), some)
        return log_q0

    def _forward(self, targets: Ragged, words: Ragged, rows: Ints) -> Floats:
        """Return [n] log-probabilities by the forward algorithm over the edit lattice.

        Column j of the lattice holds ln P(i words of the reference read, j words written), for
        every i; the factor 1 - insert of each closed gap is taken out.
        """
        every = np.arange(len(targets))
        lengths, ends = targets.lengths, words.lengths
        # Time first: [i, n] and [j, n].
        read = np.ascontiguousarray(targets.padded(every, fill=PAD).T)
        written = np.ascontiguousarray(words.padded(every, fill=PAD).T)
        with np.errstate(divide="ignore"):
            insert, delete, substitute, keep = (
                max(float(np.log(p)), ZERO)
                for p in (
                    self.insert,
                    self.delete,
                    self.substitute,
                    max(1 - self.delete - self.substitute, 0.0),
                )
            )
            weight = np.maximum(np.log(self._on(written, rows, self.substitutes.weights)), ZERO)
        rest = np.log(self._on(read, rows, self.substitutes.rest))
        total = np.log(self.substitutes.rest(np.full(len(rows), NO_ORIGINAL), rows))

        column = np.empty((len(read) + 1, len(every)))
        column[:] = delete * np.arange(len(read) + 1)[:, None]
        log_q0 = np.where(ends == 0, column[lengths, every], 0.0)
        for j, token in enumerate(written):
            emitted = np.where(read == token, keep, weight[j] + substitute - rest)
            emitted += column[:-1]
            column += insert + weight[j] - total
            column[1:] = _log_add(column[1:], emitted)
            for i in range(1, len(column)):
                column[i] = _log_add(column[i], column[i - 1] + delete)
            done = np.flatnonzero(ends == j + 1)
            log_q0[done] = column[lengths[done], done]
        log_q0 += (lengths + 1) * np.log1p(-self.insert)
        return np.where(log_q0 < ZERO / 2, -np.inf, log_q0)

    @staticmethod
    def _on(tokens: Ints, rows: Ints, function: Callable[[Ints, Ints], Ints]) -> Ints:
        """Apply a function of flat tokens and rows to [time, n] tokens."""
        every_row = np.broadcast_to(rows, tokens.shape).ravel()
        return function(tokens.ravel(), every_row).reshape(tokens.shape)


def _log_add(a: Floats, b: Floats) -> Floats:
    """Return ln(e^a + e^b) of finite numbers; several times faster than np.logaddexp."""
    total: Floats = np.maximum(a, b) + np.log(1 + np.exp(-np.abs(a - b)))
    return total


def _equal(a: Ragged, b: Ragged) -> npt.NDArray[np.bool_]:
    """Return [N] whether rows are equal."""
    same: npt.NDArray[np.bool_] = a.lengths == b.lengths
    rows = np.flatnonzero(same)
    left, right = a.take(rows), b.take(rows)
    same[rows[left.owner[left.values != right.values]]] = False
    return same
