"""Large arrays that are used again."""

import torch
from torch import Tensor


class Spare:
    """Keeps one array between two uses.

    Getting 150 MB from the system at every update, page by page, costs more than the arithmetic on
    them; and an array written a step ago is still in the cache where a new one is not.
    """

    def __init__(self) -> None:
        self._array: Tensor | None = None

    def take(self, size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return [size] uninitialised elements, or more; nothing is kept until they are given back.

        What is never given back is freed like any other array.
        """
        array, self._array = self._array, None
        fits = array is not None and len(array) >= size
        if array is None or not fits or (array.dtype, array.device) != (dtype, device):
            del array  # before the new one, so that both never stand side by side
            return torch.empty(size, dtype=dtype, device=device)
        return array

    def give(self, array: Tensor) -> None:
        """Keep an array for the next use."""
        self._array = array
