"""What all peers read: batches to train on and sources to decode, as PyTorch tensors.

Both toolkits number <unk> 0 and padding 1; here it is the other way round.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

PAD, UNK = 1, 0
"""Ids in the toolkits."""


def read_arrays(path: str | Path) -> dict[str, Tensor]:
    """Return the arrays that `benchmarks.corpus.write_arrays` describes, ids as peers have them."""
    arrays = {}
    with np.load(path) as file:
        for name, values in file.items():
            ids = values if name.endswith("_lengths") else np.where(values < 2, 1 - values, values)
            arrays[name] = torch.from_numpy(ids)
    return arrays


def words(size: int) -> list[str]:
    """Return made-up words for the ordinary entries of a vocabulary of `size` with 4 specials."""
    return [f"w{number}" for number in range(size - 4)]
