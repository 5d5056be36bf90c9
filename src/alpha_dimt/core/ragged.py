"""Rows of different lengths in two flat arrays."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Ragged:
    """N rows of different lengths.

    Attributes:
        values: [total] all rows, concatenated.
        offsets: [N + 1] boundaries; row i is `values[offsets[i]:offsets[i + 1]]`.
    """

    values: npt.NDArray[np.integer]
    offsets: Ints

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Ints:
        """[N] length of each row."""
        return np.diff(self.offsets)

    @classmethod
    def from_rows(cls, rows: list[list[int]]) -> "Ragged":
        """Build from lists of integers."""
        offsets = np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64)
        values = np.array([value for row in rows for value in row], dtype=np.int64)
        return cls(values, offsets)

    @classmethod
    def of_lengths(cls, values: npt.NDArray[np.integer], lengths: Ints) -> "Ragged":
        """Split a flat array into rows of these lengths."""
        return cls(values, np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))))

    @property
    def owner(self) -> Ints:
        """[total] row number of each value."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def digest(self) -> str:
        """Return a SHA-256 of the rows that does not depend on their integer type."""
        parts = (self.values.astype("<i8"), self.lengths.astype("<i8"))
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()

    def take(self, rows: Ints) -> "Ragged":
        """Return some rows, in the order given."""
        index, _ = self.entries(rows)
        return Ragged.of_lengths(self.values[index], self.lengths[rows])

    def row(self, index: int) -> npt.NDArray[np.integer]:
        """Return one row."""
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def entries(self, rows: Ints) -> tuple[Ints, Ints]:
        """Return the positions of the values of some rows.

        Args:
            rows: [B] row numbers.

        Returns:
            Two arrays with one entry per value: its index into `values`, and which of the B rows
            it belongs to.
        """
        lengths = self.lengths[rows]
        owner = np.repeat(np.arange(len(rows)), lengths)
        first = np.cumsum(lengths) - lengths
        within = np.arange(len(owner)) - first[owner]
        return self.offsets[rows][owner] + within, owner

    def padded(self, rows: Ints, *, fill: int, after: int = 0) -> Ints:
        """Return some rows as a padded matrix.

        Args:
            rows: [B] row numbers.
            fill: padding value.
            after: extra columns to the right of the longest row.

        Returns:
            [B, longest + after].
        """
        lengths = self.lengths[rows]
        index, owner = self.entries(rows)
        first = np.cumsum(lengths) - lengths
        column = np.arange(len(owner)) - first[owner]
        width = int(lengths.max(initial=0))
        out = np.full((len(rows), width + after), fill, dtype=np.int64)
        out[owner, column] = self.values[index]
        return out
