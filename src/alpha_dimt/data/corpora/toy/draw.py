"""Random choices that are the same on every platform and Python version."""

import random
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import TypeVar

Item = TypeVar("Item")


@cache
def _zipf_totals(size: int) -> tuple[int, ...]:
    # Integers, so that no platform rounds differently.
    return tuple(accumulate(1_000_000 // (rank + 4) for rank in range(size)))


class Draw:
    """Choices made from `random.Random(seed).random()` alone.

    That stream is the only part of `random` whose values Python promises to keep.
    """

    def __init__(self, seed: int) -> None:
        self._uniform = random.Random(seed).random

    def below(self, limit: int) -> int:
        """Return a uniform integer in [0, limit)."""
        return int(self._uniform() * limit)

    def chance(self, percent: int) -> bool:
        """Return True in so many cases of a hundred."""
        return self.below(100) < percent

    def choose(self, items: Sequence[Item]) -> Item:
        """Return one of the items, all alike."""
        return items[self.below(len(items))]

    def zipf(self, items: Sequence[Item]) -> Item:
        """Return one of the items; the one of rank r (from 0) has weight 1 / (r + 4)."""
        totals = _zipf_totals(len(items))
        return items[bisect_right(totals, self.below(totals[-1]))]

    def weighted(self, options: Sequence[tuple[int, Item]]) -> Item:
        """Return the value of one (weight, value) pair."""
        remaining = self.below(sum(weight for weight, _ in options))
        for weight, value in options:
            remaining -= weight
            if remaining < 0:
                return value
        raise AssertionError("weights are positive")
