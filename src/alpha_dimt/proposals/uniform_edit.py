"""The paper's proposal: the number of edits uniform, then Hamming neighbours."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alpha_dimt.core.ragged import Ints, Ragged
from alpha_dimt.proposals.distribution import Substituting
from alpha_dimt.proposals.edits import Edits, Replaced, tokens_at
from alpha_dimt.proposals.substitutes import log_prob


def max_edits(lengths: Ints, fraction: float) -> Ints:
    """Return E, the largest number of edits of sentences of m tokens: floor(fraction * m).

    The paper writes [m * 0.2], "the maximum integer which is less than or equal to".
    """
    # The small term keeps 0.2 * 15 and its like from falling below their integer.
    most: Ints = np.floor(fraction * lengths + 1e-9).astype(np.int64)
    return most


def distinct_positions(sizes: Ints, counts: Ints, rng: np.random.Generator) -> Ragged:
    """Draw, for each row, `counts` distinct numbers below `sizes`, every subset equally likely.

    Floyd's algorithm, one pass for the k-th number of all rows at once.

    Args:
        sizes: [N] numbers to choose from.
        counts: [N] numbers to choose, at most `sizes`.
        rng: source of randomness.

    Returns:
        N rows, each ascending.
    """
    order = np.argsort(-counts, kind="stable")  # rows that are still drawing form a prefix
    size, count = sizes[order], counts[order]
    widest = int(count[0]) if len(count) else 0
    unused = np.iinfo(np.int64).max
    chosen = np.full((len(counts), widest), unused, dtype=np.int64)
    for k in range(widest):
        active = int(np.searchsorted(-count, -k, side="left"))
        top = size[:active] - count[:active] + k
        drawn = (rng.random(active) * (top + 1)).astype(np.int64)
        taken = (chosen[:active, :k] == drawn[:, None]).any(axis=1)
        chosen[:active, k] = np.where(taken, top, drawn)
    chosen.sort(axis=1)
    rows = np.empty_like(chosen)
    rows[order] = chosen
    return Ragged.of_lengths(rows[rows != unused], counts)


@dataclass(frozen=True)
class UniformEdit(Substituting):
    """The number of edits e is uniform on 0..E; e distinct positions are equally likely.

    With substitutes uniform over V' words, log q0 = -ln(E + 1) - ln C(m, e) - e ln(V' - 1);
    where the replaced token is not an ordinary word, its factor is V' (nothing is left out).

    Attributes:
        max_edit_fraction: E = floor(fraction * m).
        reference_quirks: as the authors' code: m counts <s> and </s>, and they may be edited.
    """

    max_edit_fraction: float
    reference_quirks: bool

    @property
    def _frame(self) -> int:
        return 1 if self.reference_quirks else 0

    def draw(self, targets: Ragged, rng: np.random.Generator) -> Edits:
        """See `Distribution`."""
        editable = targets.lengths + 2 * self._frame
        most = max_edits(editable, self.max_edit_fraction)
        count = (rng.random(len(targets)) * (most + 1)).astype(np.int64)
        chosen = distinct_positions(editable, count, rng)
        positions = Ragged(chosen.values + (1 - self._frame), chosen.offsets)
        row = positions.owner
        original = tokens_at(targets, row, positions.values)
        token = self.substitutes.draw(original, row, rng)
        log_tokens = log_prob(self.substitutes, token, original, row)
        return Edits.replacing(positions, token, self._log_q0(targets, count, row, log_tokens))

    def log_prob(self, targets: Ragged, candidates: Ragged) -> npt.NDArray[np.float64]:
        """See `Distribution`."""
        edit = Replaced.between(targets, candidates, edited_frame=self.reference_quirks)
        count = np.bincount(edit.row, minlength=len(targets))
        most = max_edits(targets.lengths + 2 * self._frame, self.max_edit_fraction)
        log_tokens = log_prob(self.substitutes, edit.token, edit.original, edit.row)
        log_q0 = self._log_q0(targets, np.minimum(count, most), edit.row, log_tokens)
        return np.where(edit.possible & (count <= most), log_q0, -np.inf)

    def _log_q0(
        self, targets: Ragged, count: Ints, row: Ints, log_tokens: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        editable = targets.lengths + 2 * self._frame
        most = max_edits(editable, self.max_edit_fraction)
        factors = np.log(np.arange(1, editable.max(initial=0) + 1))
        log_factorial = np.concatenate(([0.0], np.cumsum(factors)))
        log_subsets = (
            log_factorial[editable] - log_factorial[count] - log_factorial[editable - count]
        )
        tokens = np.bincount(row, weights=log_tokens, minlength=len(targets))
        log_q0: npt.NDArray[np.float64] = -np.log(most + 1) - log_subsets + tokens
        return log_q0
