"""Rewards r(y, y*) of candidates; higher is better."""

import numpy as np
import numpy.typing as npt

from alpha_dimt.proposals import Edits


def negative_hamming(edits: Edits) -> npt.NDArray[np.float64]:
    """Return [N] minus the number of positions at which candidate and reference differ.

    Every edit of a proposal differs from what it replaces, so the distance is their number.
    """
    return -edits.positions.lengths.astype(np.float64)
