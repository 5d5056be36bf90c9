import numpy as np

from alpha_dimt.proposals import Edits
from alpha_dimt.ragged import Ragged
from alpha_dimt.rewards import negative_hamming


def test_negative_hamming_counts_edits() -> None:
    rows = Ragged.from_rows([[], [1], [2, 5, 6]])
    assert negative_hamming(Edits(rows, rows, np.zeros(3))).tolist() == [0, -1, -3]
