"""What the scatter between seeds is made of: the sentences of the test set, and the trainings.

Two trainings of one system differ on a finite test set even if they are equally good: each is right
on other sentences. Another test set would move their difference, and the bootstrap says by how
much. Half the variance of the difference is what the sentences add to the variance between seeds.
The rest would remain on a test set without end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import mean, variance

import numpy as np
import numpy.typing as npt

from alpha_dimt.evaluation.across_seeds import Variance, scattering
from alpha_dimt.evaluation.within_seed import Floats, Resampled

RUNAWAY_TIMES, RUNAWAY_TOKENS = 2, 50
"""A translation runs away that has more tokens than so many times its reference and so many more.

Measured against the reference, and not by the limit of decoding: that counts word pieces, which
are gone from the translation.
"""


@dataclass(frozen=True)
class Scatter:
    """The variance between seeds of a system, and its parts; BLEU squared.

    Attributes:
        between: variance between seeds of a system, pooled over systems.
        sentences: what the finite test set adds to it.
        single: variance of one model's score from test set to test set.
    """

    between: Variance
    sentences: float
    single: float

    @property
    def trainings(self) -> float:
        """The rest, which is due to the trainings; below 0 where chance made `between` small."""
        return self.between.value - self.sentences


def scatter(systems: Sequence[Sequence[Resampled]]) -> Scatter | None:
    """Return what the scatter between seeds is made of; None without two seeds of a system.

    Args:
        systems: of each, its trained models, all of them resampled together.
    """
    several = [models for models in systems if len(models) > 1]
    freedom = sum(len(models) - 1 for models in several)
    if not freedom:
        return None
    between = scattering(
        sum(variance(model.score for model in models) * (len(models) - 1) for models in several)
        / freedom,
        freedom,
    )
    if between is None:
        return None
    # Of n seeds the mean over pairs counts n - 1 times, as their variance does.
    sentences = sum(
        (len(models) - 1)
        * mean(
            float(np.var(second.bootstrap - first.bootstrap, ddof=1)) / 2
            for first, second in combinations(models, 2)
        )
        for models in several
    )
    single = mean(float(np.var(model.bootstrap, ddof=1)) for models in systems for model in models)
    return Scatter(between, sentences / freedom, single)


def runaways(statistics: Sequence[Floats]) -> npt.NDArray[np.bool_]:
    """Return [N] whether some model's translation of a sentence runs away.

    Args:
        statistics: of each model, [N, 10] statistics of its translations.
    """
    tokens = np.stack(statistics)[:, :, :2]  # [models, N, hypothesis and reference]
    limit = RUNAWAY_TIMES * tokens[:, :, 1] + RUNAWAY_TOKENS
    return np.asarray((tokens[:, :, 0] > limit).any(axis=0))
