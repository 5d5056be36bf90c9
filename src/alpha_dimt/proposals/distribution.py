"""What every proposal offers."""

from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from alpha_dimt.config.proposals import SubstitutingConfig
from alpha_dimt.core.ragged import Ints, Ragged
from alpha_dimt.proposals.edits import Edits
from alpha_dimt.proposals.substitutes import Substitutes, Words, choose_substitutes


class Distribution(Protocol):
    """A distribution q0 over the candidates of each of N references."""

    def draw(self, targets: Ragged, rng: np.random.Generator) -> Edits:
        """Draw one candidate for each of N references (ids, without <s> and </s>)."""

    def log_prob(self, targets: Ragged, candidates: Ragged) -> npt.NDArray[np.float64]:
        """Return [N] exact natural log-probabilities of any candidates; -inf outside the support.

        Args:
            targets: N references, without <s> and </s>.
            candidates: N candidates, framed as `Edits.apply` and `frame` make them: the authors'
                code edits the frame as well.
        """

    def for_rows(self, rows: Ints) -> Self:
        """Return the distribution of some of the references (only blocks make a difference)."""


@dataclass(frozen=True)
class Substituting:
    """What distributions share that put new words into the reference."""

    substitutes: Substitutes

    @classmethod
    def build(cls, options: SubstitutingConfig, words: Words) -> Self:
        """Return the distribution that options describe; see `alpha_dimt.proposals.build`."""
        arguments = options.arguments()
        return cls(**arguments | {"substitutes": choose_substitutes(options.substitutes, words)})

    def for_rows(self, rows: Ints) -> Self:
        """See `Distribution`."""
        return replace(self, substitutes=self.substitutes.for_rows(rows))
