"""Large arrays that are reused."""

import torch
from torch import Tensor

ALIGNED = 32
"""Rows start at multiples of this many elements: products of bf16 are a tenth faster."""


def _pitch(columns: int) -> int:
    return -(-columns // ALIGNED) * ALIGNED


def as_table(array: Tensor, rows: int, columns: int) -> Tensor:
    """Return a view [rows, columns] of an array, with zeros between its rows.

    With AMX the library's products of bf16 read beyond rows, to a multiple of 32 columns, and
    multiply what is there by 0: it must not be NaN.
    """
    pitch = _pitch(columns)
    table = array[: rows * pitch].view(rows, pitch)
    table[:, columns:] = 0
    return table[:, :columns]


class Workspace:
    """Keeps arrays between two uses.

    Getting 150 MB from the system at every update, page by page, costs more than the arithmetic on
    them; and an array written one step ago is still in the cache.
    """

    def __init__(self) -> None:
        self._arrays: list[Tensor] = []

    def acquire(self, rows: int, columns: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return an uninitialised array with room for a table; see `as_table`.

        It is the one released last, if that fits. An array that is never released is freed like any
        other.
        """
        size = rows * _pitch(columns)
        array = self._arrays.pop() if self._arrays else None
        fits = array is not None and len(array) >= size
        if array is None or not fits or (array.dtype, array.device) != (dtype, device):
            del array  # before the new one, so that both never stand side by side
            return torch.empty(size, dtype=dtype, device=device)
        return array

    def release(self, array: Tensor) -> None:
        """Keep an array for the next `acquire`."""
        self._arrays.append(array)
