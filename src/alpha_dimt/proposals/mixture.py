"""Each candidate comes from one of several distributions."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from alpha_dimt.config.proposals import MixtureConfig
from alpha_dimt.core.ragged import Ints, Ragged
from alpha_dimt.proposals.build import build
from alpha_dimt.proposals.distribution import Distribution
from alpha_dimt.proposals.edits import Edits
from alpha_dimt.proposals.substitutes import Words


@dataclass(frozen=True)
class Mixture:
    """q0 is the weighted sum of the parts, whichever of them a candidate was drawn from.

    Attributes:
        parts: the distributions.
        weights: [parts] their probabilities, which add up to 1.
    """

    parts: tuple[Distribution, ...]
    weights: npt.NDArray[np.float64]

    @classmethod
    def build(cls, options: MixtureConfig, words: Words) -> Self:
        """Return the distribution that options describe; see `alpha_dimt.proposals.build`."""
        weights = np.array([part.weight for part in options.parts])
        parts = tuple(build(part.distribution, words) for part in options.parts)
        return cls(parts, weights / weights.sum())

    def draw(self, targets: Ragged, rng: np.random.Generator) -> Edits:
        """See `Distribution`."""
        bounds = np.cumsum(self.weights)[:-1]
        part = np.searchsorted(bounds, rng.random(len(targets)), side="right")
        rows = [np.flatnonzero(part == number) for number in range(len(self.parts))]
        drawn = _joined(
            [
                distribution.for_rows(some).draw(targets.take(some), rng)
                for distribution, some in zip(self.parts, rows, strict=True)
            ]
        )
        edits = drawn.take(np.argsort(np.concatenate(rows)))
        return replace(edits, log_q0=self.log_prob(targets, edits.apply(targets)))

    def log_prob(self, targets: Ragged, candidates: Ragged) -> npt.NDArray[np.float64]:
        """See `Distribution`."""
        log_parts = np.stack([part.log_prob(targets, candidates) for part in self.parts])
        joint = np.log(self.weights)[:, None] + log_parts
        log_q0: npt.NDArray[np.float64] = np.logaddexp.reduce(joint, axis=0)
        return log_q0

    def for_rows(self, rows: Ints) -> Self:
        """See `Distribution`."""
        return replace(self, parts=tuple(part.for_rows(rows) for part in self.parts))


def _joined(edits: list[Edits]) -> Edits:
    """Put candidates one after the other."""

    def join(rows: list[Ragged]) -> Ragged:
        return Ragged.of_lengths(
            np.concatenate([part.values for part in rows]),
            np.concatenate([part.lengths for part in rows]),
        )

    return Edits(
        positions=join([part.positions for part in edits]),
        tokens=join([part.tokens for part in edits]),
        insert_positions=join([part.insert_positions for part in edits]),
        insert_tokens=join([part.insert_tokens for part in edits]),
        log_q0=np.concatenate([part.log_q0 for part in edits]),
    )
