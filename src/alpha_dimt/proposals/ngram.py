"""One random n-gram is replaced word by word."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alpha_dimt.core.ragged import Ints, Ragged
from alpha_dimt.proposals.distribution import Substituting
from alpha_dimt.proposals.edits import Edits, Replaced
from alpha_dimt.proposals.substitutes import log_prob


@dataclass(frozen=True)
class Ngram(Substituting):
    """n is uniform on 1..min(max_n, m), the start uniform; all n words become different ones.

    As no word is replaced by itself, the n-gram can be told from the candidate:
    log q0 = -ln min(max_n, m) - ln(m - n + 1) + the log-probabilities of the new words. The
    reference itself is drawn only where it has no words at all.

    Attributes:
        max_n: longest n-gram.
    """

    max_n: int

    def draw(self, targets: Ragged, rng: np.random.Generator) -> Edits:
        """See `Distribution`."""
        lengths = targets.lengths
        longest = np.minimum(self.max_n, lengths)
        n = np.minimum(1 + (rng.random(len(targets)) * longest).astype(np.int64), longest)
        start = (rng.random(len(targets)) * (lengths - n + 1)).astype(np.int64)
        row = np.repeat(np.arange(len(targets)), n)
        within = np.arange(len(row)) - (np.cumsum(n) - n)[row]
        original = targets.values[targets.offsets[row] + start[row] + within].astype(np.int64)
        token = self.substitutes.draw(original, row, rng)
        log_tokens = log_prob(self.substitutes, token, original, row)
        return Edits.replacing(
            Ragged.of_lengths(start[row] + within + 1, n),
            token,
            self._log_q0(lengths, n, row, log_tokens),
        )

    def log_prob(self, targets: Ragged, candidates: Ragged) -> npt.NDArray[np.float64]:
        """See `Distribution`."""
        lengths = targets.lengths
        longest = np.minimum(self.max_n, lengths)
        edit = Replaced.between(targets, candidates, edited_frame=False)
        n = np.bincount(edit.row, minlength=len(targets))
        spans = Ragged.of_lengths(edit.position, n)
        some = np.flatnonzero(n)
        span = np.zeros(len(targets), dtype=np.int64)
        span[some] = 1 + (
            spans.values[spans.offsets[some + 1] - 1] - spans.values[spans.offsets[some]]
        )
        possible = edit.possible & (span == n) & (n <= longest) & ((n > 0) | (lengths == 0))
        log_tokens = log_prob(self.substitutes, edit.token, edit.original, edit.row)
        log_q0 = self._log_q0(lengths, n, edit.row, log_tokens)
        return np.where(possible, log_q0, -np.inf)

    def _log_q0(
        self, lengths: Ints, n: Ints, row: Ints, log_tokens: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        sizes = np.minimum(self.max_n, lengths).clip(1)
        tokens = np.bincount(row, weights=log_tokens, minlength=len(lengths))
        log_q0: npt.NDArray[np.float64] = -np.log(sizes) - np.log(lengths - n + 1) + tokens
        return log_q0
