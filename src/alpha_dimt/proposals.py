"""Draw candidates from a proposal q0, with their exact log q0.

A candidate is stored as edits of its reference: positions and new tokens. Positions count in the
*framed* reference `<s> y_1 ... y_m </s>`, so y_i stands at position i, <s> at 0 and </s> at m + 1.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alpha_dimt.ragged import Ints, Ragged
from alpha_dimt.vocab import BOS, EOS, SPECIALS


@dataclass(frozen=True)
class Edits:
    """One candidate for each of N references.

    Attributes:
        positions: N rows of edited positions in the framed reference, ascending.
        tokens: N rows of the tokens that stand there instead (same offsets).
        log_q0: [N] natural logarithm of the probability that the proposal draws the candidate.
    """

    positions: Ragged
    tokens: Ragged
    log_q0: npt.NDArray[np.float64]


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
    offsets = np.concatenate(([0], np.cumsum(counts)))
    return Ragged(rows[rows != unused], offsets)


def uniform_edit(
    targets: Ragged,
    *,
    vocab_size: int,
    max_edit_fraction: float,
    reference_quirks: bool,
    rng: np.random.Generator,
) -> Edits:
    """Draw from the paper's proposal: the number of edits uniform, then Hamming neighbours.

    The number of edits e is uniform on 0..E; e distinct positions are equally likely; each gets a
    token that is uniform over the ordinary words other than the one that stands there. With V'
    ordinary words, log q0 = -ln(E + 1) - ln C(m, e) - e ln(V' - 1); where the replaced token is
    not an ordinary word, its factor is V' (nothing has to be left out).

    Args:
        targets: N references as ids, without <s> and </s>.
        vocab_size: V, specials included.
        max_edit_fraction: E = floor(fraction * m).
        reference_quirks: as the authors' code: m counts <s> and </s>, and they may be edited.
        rng: source of randomness.
    """
    ordinary = vocab_size - len(SPECIALS)
    if ordinary < 2:
        raise ValueError(f"a substitution needs at least 2 ordinary words, not {ordinary}")
    lengths = targets.lengths
    frame = 1 if reference_quirks else 0
    editable = lengths + 2 * frame
    most = max_edits(editable, max_edit_fraction)
    count = (rng.random(len(lengths)) * (most + 1)).astype(np.int64)
    positions = distinct_positions(editable, count, rng)
    row = np.repeat(np.arange(len(lengths)), count)
    position = positions.values + (1 - frame)

    inside = (position >= 1) & (position <= lengths[row])
    original = np.where(position == 0, BOS, EOS)
    where = targets.offsets[row[inside]] + position[inside] - 1
    original[inside] = targets.values[where]
    is_ordinary = original >= len(SPECIALS)
    choices = ordinary - is_ordinary
    token = len(SPECIALS) + (rng.random(len(choices)) * choices).astype(np.int64)
    token += is_ordinary & (token >= original)

    log_factorial = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, editable.max() + 1)))))
    log_subsets = log_factorial[editable] - log_factorial[count] - log_factorial[editable - count]
    log_tokens = np.bincount(row, weights=np.log(choices), minlength=len(lengths))
    return Edits(
        positions=Ragged(position, positions.offsets),
        tokens=Ragged(token, positions.offsets),
        log_q0=-np.log(most + 1) - log_subsets - log_tokens,
    )
