"""Split the variance between seeds into the part of the test sentences and that of the trainings.

Two trainings of one system differ on a finite test set even if they are equally good: each is right
on different sentences. On another test set their difference would change, and the bootstrap
estimates by how much. Half the variance of the difference is the sentences' part of the variance
between seeds. The rest would remain on an infinite test set.
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
"""A translation is runaway if it has more than RUNAWAY_TIMES * reference + RUNAWAY_TOKENS tokens.

The limit is relative to the reference and not the length limit of decoding, which counts subwords:
they are already joined in the translation.
"""


@dataclass(frozen=True)
class Scatter:
    """The variance between seeds of a system, and its parts; BLEU squared.

    Attributes:
        between: variance between seeds of a system, pooled over systems.
        sentences: part that is due to the finite test set.
        single: variance of one model's score from test set to test set.
    """

    between: Variance
    sentences: float
    single: float

    @property
    def trainings(self) -> float:
        """The part that is due to the trainings; negative if `between` is small by chance."""
        return self.between.value - self.sentences


def scatter(systems: Sequence[Sequence[Resampled]]) -> Scatter | None:
    """Split the variance between seeds; return None if no system has two seeds.

    Args:
        systems: trained models of each system, all of them resampled together.
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
    # For n seeds the mean over pairs has the weight n - 1, like their variance.
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
    """Return [N] whether any model's translation of a sentence is runaway.

    Args:
        statistics: for each model, [N, 10] statistics of its translations.
    """
    tokens = np.stack(statistics)[:, :, :2]  # [models, N, hypothesis and reference]
    limit = RUNAWAY_TIMES * tokens[:, :, 1] + RUNAWAY_TOKENS
    return np.asarray((tokens[:, :, 0] > limit).any(axis=0))
