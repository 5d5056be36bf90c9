"""Candidates as edits of their references, and back.

Positions count in the *framed* reference `<s> y_1 ... y_m </s>`, so y_i stands at position i, <s>
at 0 and </s> at m + 1.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alpha_dimt.core.ragged import Ints, Ragged
from alpha_dimt.core.vocabulary import BOS, EOS

DELETED = -1
"""Stands in `Edits.tokens` where the reference's token is left out."""


@dataclass(frozen=True)
class Edits:
    """One candidate for each of N references.

    Attributes:
        positions: N rows of replaced or deleted positions in the framed reference, ascending.
        tokens: N rows of the tokens that stand there instead, or DELETED (same offsets).
        insert_positions: N rows of positions before which a token goes, in order; a position
            stands as many times as tokens go there.
        insert_tokens: N rows of these tokens (same offsets).
        log_q0: [N] natural logarithm of the probability that the proposal draws the candidate.
    """

    positions: Ragged
    tokens: Ragged
    insert_positions: Ragged
    insert_tokens: Ragged
    log_q0: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.log_q0)

    @classmethod
    def replacing(
        cls, positions: Ragged, tokens: npt.NDArray[np.integer], log_q0: npt.NDArray[np.float64]
    ) -> "Edits":
        """Build without deletions and insertions; `tokens` are flat, as `positions.values`."""
        nothing = Ragged.of_lengths(np.zeros(0, np.int64), np.zeros(len(positions), np.int64))
        return cls(positions, Ragged(tokens, positions.offsets), nothing, nothing, log_q0)

    @property
    def counts(self) -> Ints:
        """[N] edits of each candidate; the reference itself has none."""
        return self.positions.lengths + self.insert_positions.lengths

    def take(self, rows: Ints) -> "Edits":
        """Return some candidates, in the order given."""
        return Edits(
            self.positions.take(rows),
            self.tokens.take(rows),
            self.insert_positions.take(rows),
            self.insert_tokens.take(rows),
            self.log_q0[rows],
        )

    def undone(self, rows: npt.NDArray[np.bool_]) -> "Edits":
        """Return the same with the reference itself where `rows` [N] is true; log_q0 stays."""

        def without(ragged: Ragged) -> Ragged:
            kept = ragged.values[~rows[ragged.owner]]
            return Ragged.of_lengths(kept, np.where(rows, 0, ragged.lengths))

        return Edits(
            without(self.positions),
            without(self.tokens),
            without(self.insert_positions),
            without(self.insert_tokens),
            self.log_q0,
        )

    def apply(self, targets: Ragged) -> Ragged:
        """Return the N candidates, framed.

        Args:
            targets: N references as ids, without <s> and </s>.
        """
        framed = frame(targets)
        first = framed.offsets[:-1]
        tokens = framed.values.copy()
        tokens[first[self.positions.owner] + self.positions.values] = self.tokens.values
        kept = tokens != DELETED
        cell = first[self.insert_positions.owner] + self.insert_positions.values
        inserted = np.bincount(cell, minlength=len(tokens))

        # The cell of a reference's token becomes what goes before it and, unless deleted, itself.
        ends = np.concatenate(([0], np.cumsum(inserted + kept)))
        out = np.empty(ends[-1], dtype=np.int64)
        out[ends[1:][kept] - 1] = tokens[kept]
        rank = np.arange(len(cell)) - (np.cumsum(inserted) - inserted)[cell]
        out[ends[cell] + rank] = self.insert_tokens.values
        return Ragged(out, ends[framed.offsets])


def frame(rows: Ragged) -> Ragged:
    """Put <s> before and </s> after each row."""
    lengths = rows.lengths + 2
    framed = Ragged.of_lengths(np.empty(int(lengths.sum()), dtype=np.int64), lengths)
    inside = np.ones(len(framed.values), dtype=bool)
    for ends, token in ((framed.offsets[:-1], BOS), (framed.offsets[1:] - 1, EOS)):
        framed.values[ends] = token
        inside[ends] = False
    framed.values[inside] = rows.values
    return framed


def tokens_at(targets: Ragged, row: Ints, position: npt.NDArray[np.integer]) -> Ints:
    """Return [n] tokens at positions of the framed references, which need not be framed for it.

    Args:
        targets: N references, without <s> and </s>.
        row: [n] which of the N.
        position: [n] in the framed reference.
    """
    tokens = np.where(position == 0, BOS, EOS)
    inside = (position > 0) & (position <= targets.lengths[row])
    tokens[inside] = targets.values[targets.offsets[row[inside]] + position[inside] - 1]
    return tokens


def unframe(framed: Ragged) -> Ragged:
    """Leave out the first and the last token of each row, whatever they are."""
    inside = np.ones(len(framed.values), dtype=bool)
    inside[framed.offsets[:-1]] = False
    inside[framed.offsets[1:] - 1] = False
    return Ragged.of_lengths(framed.values[inside], framed.lengths - 2)


@dataclass(frozen=True)
class Replaced:
    """The tokens in which candidates differ from references of the same length.

    Attributes:
        row: [edits] which of the N candidates, ascending.
        position: [edits] in the framed reference, ascending within a candidate.
        original: [edits] the reference's token.
        token: [edits] the candidate's token.
        possible: [N] whether replacements within the sentence alone make the candidate: it has
            the length of the reference and its frame. Those that have not take no part above.
    """

    row: Ints
    position: Ints
    original: Ints
    token: Ints
    possible: npt.NDArray[np.bool_]

    @classmethod
    def between(cls, targets: Ragged, candidates: Ragged, *, edited_frame: bool) -> "Replaced":
        """Compare N references with N framed candidates.

        Args:
            targets: N references, without <s> and </s>.
            candidates: N candidates, framed.
            edited_frame: whether <s> and </s> may be replaced like any token.
        """
        framed = frame(targets)
        possible = framed.lengths == candidates.lengths
        if not edited_frame:
            for end, token in ((candidates.offsets[:-1], BOS), (candidates.offsets[1:] - 1, EOS)):
                possible &= candidates.values[end] == token
        rows = np.flatnonzero(possible)
        before, after = framed.take(rows), candidates.take(rows)
        where = np.flatnonzero(before.values != after.values)
        owner = before.owner[where]
        return cls(
            row=rows[owner],
            position=where - before.offsets[owner],
            original=before.values[where].astype(np.int64),
            token=after.values[where].astype(np.int64),
            possible=possible,
        )
