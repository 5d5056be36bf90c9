"""RAML's own distribution for the Hamming reward (Norouzi et al., 2016)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alpha_dimt.core.ragged import Ints, Ragged
from alpha_dimt.proposals.distribution import Substituting
from alpha_dimt.proposals.edits import Edits, Replaced
from alpha_dimt.proposals.substitutes import choices, log_prob

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class HammingPayoff(Substituting):
    """Each word is replaced independently, so that q0(y) is proportional to exp(-e / tau).

    A word with c alternatives is replaced with probability rho = sigmoid(ln c - 1 / tau); c is
    V' - 1 for an ordinary word and V' for <unk>. That is the exact payoff distribution over
    sentences of m tokens where substitutes are uniform. By frequency, rho is the same but words
    are not equally likely.

    Attributes:
        tau: temperature.
        rescale: e / tau becomes (e / tau) (1 + ln V'), as in public code of Norouzi et al. (2016).
    """

    tau: float
    rescale: bool

    def logits(self, original: Ints, row: Ints) -> Floats:
        """Return [n] log-odds that these tokens are replaced."""
        cost = np.full(len(row), 1 / self.tau)
        if self.rescale:
            cost *= 1 + np.log(self.substitutes.sizes(row))
        logits: Floats = np.log(choices(self.substitutes, original, row)) - cost
        return logits

    def draw(self, targets: Ragged, rng: np.random.Generator) -> Edits:
        """See `Distribution`."""
        owner, original = targets.owner, targets.values.astype(np.int64)
        logits = self.logits(original, owner)
        log_kept = _log_kept(logits)
        edited = np.flatnonzero(rng.random(len(logits)) < np.exp(logits + log_kept))
        row = owner[edited]
        token = self.substitutes.draw(original[edited], row, rng)
        log_odds = logits[edited] + log_prob(self.substitutes, token, original[edited], row)
        positions = Ragged.of_lengths(
            edited - targets.offsets[row] + 1, np.bincount(row, minlength=len(targets))
        )
        log_q0 = self._log_q0(len(targets), owner, log_kept, row, log_odds)
        return Edits.replacing(positions, token, log_q0)

    def log_prob(self, targets: Ragged, candidates: Ragged) -> Floats:
        """See `Distribution`."""
        owner = targets.owner
        log_kept = _log_kept(self.logits(targets.values.astype(np.int64), owner))
        edit = Replaced.between(targets, candidates, edited_frame=False)
        log_odds = self.logits(edit.original, edit.row)
        log_odds += log_prob(self.substitutes, edit.token, edit.original, edit.row)
        log_q0 = self._log_q0(len(targets), owner, log_kept, edit.row, log_odds)
        return np.where(edit.possible, log_q0, -np.inf)

    @staticmethod
    def _log_q0(size: int, owner: Ints, log_kept: Floats, row: Ints, log_odds: Floats) -> Floats:
        """Add up, for each candidate, ln(1 - rho) of all words and the log-odds of new ones."""
        log_q0: Floats = np.bincount(owner, weights=log_kept, minlength=size).astype(np.float64)
        log_q0 += np.bincount(row, weights=log_odds, minlength=size)
        return log_q0


def _log_kept(logits: Floats) -> Floats:
    """Return ln(1 - rho) = -ln(1 + e^logit), without overflow."""
    log_kept: Floats = -np.maximum(logits, 0) - np.log1p(np.exp(-np.abs(logits)))
    return log_kept
