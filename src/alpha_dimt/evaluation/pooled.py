"""Tests against a variance that is pooled over all systems.

A paired t test of n seeds estimates the scatter with n - 1 degrees of freedom: two of three seeds.
If all systems scatter alike, all of them together say how much. k systems give two estimates:

- within systems: the variance of a system's scores over its seeds, k (n - 1) degrees of freedom.
  Nothing is paired.
- by seed: the residual mean square of scores by system and seed, (k - 1) (n - 1) degrees of
  freedom. What a seed does to all systems alike is taken off first.

Every test here is that of a contrast: a weighted sum of the systems' means, with weights that sum
to 0. A pair has the weights -1 and 1.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import mean, stdev, variance

from scipy import special

from alpha_dimt.evaluation.across_seeds import (
    Scores,
    Variance,
    common_seeds,
    interval,
    paired_t,
    residual_variance,
    scattering,
    student_t,
)
from alpha_dimt.evaluation.within_seed import LEVEL, holm


@dataclass(frozen=True)
class Pooled:
    """A contrast of systems, tested against a pooled variance.

    Attributes:
        value: of the contrast.
        interval: 95 %, of the value.
        t: the value over its standard error.
        freedom: degrees of freedom.
        p: two-sided.
        p_holm: the same, corrected for the number of pairs; None of what is no pair.
    """

    value: float
    interval: tuple[float, float]
    t: float
    freedom: int
    p: float
    p_holm: float | None = None


@dataclass(frozen=True)
class Slope:
    """The slope of scores over alpha.

    Attributes:
        alpha: of each system.
        seeds: that all of them have.
        value: mean over the seeds, per unit of alpha.
        sd: sample standard deviation over the seeds; None of one seed.
        interval: 95 %, of the value, by Student's t over the seeds.
        p_t: of the t test over the seeds, two-sided.
        pooled: against the variance within all systems.
        pooled_by_seed: against the residual variance of all systems.
    """

    alpha: dict[str, float]
    seeds: tuple[int, ...]
    value: float
    sd: float | None
    interval: tuple[float, float] | None
    p_t: float | None
    pooled: Pooled | None
    pooled_by_seed: Pooled | None


@dataclass(frozen=True)
class SeedCorrelation:
    """How much of the scatter over seeds is common to the systems of a seed.

    Attributes:
        value: the intraclass correlation of two systems of one seed.
        interval: 95 %, by the F distribution.
    """

    value: float
    interval: tuple[float, float]


def within_variance(scores: Scores) -> Variance | None:
    """Return the variance of a system's scores over its seeds; None where nothing scatters."""
    several = [list(values.values()) for values in scores.values() if len(values) > 1]
    freedom = sum(len(values) - 1 for values in several)
    if not freedom:
        return None
    squares = sum(variance(values) * (len(values) - 1) for values in several)
    return scattering(squares / freedom, freedom)


def pooled_pairs(scores: Scores, *, by_seed: bool) -> dict[tuple[str, str], Pooled]:
    """Test every pair of systems, in the order given; none where nothing scatters.

    Args:
        scores: of each system.
        by_seed: against the residual variance, on the seeds that all systems have; else against
            the variance within systems, on all seeds.
    """
    pairs = list(combinations(scores, 2))
    tests = _contrasts(scores, [{a: -1.0, b: 1.0} for a, b in pairs], by_seed=by_seed)
    corrected = holm([test.p for test in tests])
    # No test at all where nothing scatters.
    return {
        pair: replace(test, p_holm=p)
        for pair, test, p in zip(pairs, tests, corrected, strict=False)
    }


def _contrasts(
    scores: Scores, contrasts: Sequence[Mapping[str, float]], *, by_seed: bool
) -> list[Pooled]:
    """Test contrasts, each given by the weights of its systems; none where nothing scatters."""
    scatter = residual_variance(scores) if by_seed else within_variance(scores)
    if scatter is None:
        return []
    if by_seed:
        seeds = common_seeds(scores)
        scores = {name: {seed: values[seed] for seed in seeds} for name, values in scores.items()}
    means = {name: mean(values.values()) for name, values in scores.items()}
    quantile = student_t(1 - LEVEL / 2, scatter.freedom)
    found = []
    for weights in contrasts:
        value = sum(weight * means[name] for name, weight in weights.items())
        error = scatter.sd * math.sqrt(
            sum(weight**2 / len(scores[name]) for name, weight in weights.items())
        )
        t = value / error
        test = Pooled(
            value=value,
            interval=(value - quantile * error, value + quantile * error),
            t=t,
            freedom=scatter.freedom,
            p=float(2 * special.stdtr(scatter.freedom, -abs(t))),
        )
        found.append(test)
    return found


def slope(scores: Scores, alpha: Mapping[str, float]) -> Slope | None:
    """Return the least-squares slope over alpha; None without a seed that its systems share.

    Args:
        scores: of all systems; those without an alpha count for the pooled variances alone.
        alpha: of at least two systems, not all the same.
    """
    centre = mean(alpha.values())
    square = sum((value - centre) ** 2 for value in alpha.values())
    weights = {name: (value - centre) / square for name, value in alpha.items()}
    seeds = tuple(common_seeds({name: scores[name] for name in alpha}))
    if not seeds:
        return None
    slopes = [sum(w * scores[name][seed] for name, w in weights.items()) for seed in seeds]
    several = len(seeds) > 1
    return Slope(
        alpha=dict(alpha),
        seeds=seeds,
        value=mean(slopes),
        sd=stdev(slopes) if several else None,
        interval=interval(slopes),
        p_t=paired_t(slopes) if several else None,
        pooled=next(iter(_contrasts(scores, [weights], by_seed=False)), None),
        pooled_by_seed=next(iter(_contrasts(scores, [weights], by_seed=True)), None),
    )


def seed_correlation(scores: Scores) -> SeedCorrelation | None:
    """Return the correlation of two systems of one seed; None where it cannot be estimated.

    With F the mean square of the seeds over the residual one, it is (F - 1) / (F + k - 1) of k
    systems; its interval follows from that of F.
    """
    residual = residual_variance(scores)
    if residual is None:
        return None
    systems, seeds = len(scores), common_seeds(scores)
    of_seeds = systems * variance(
        mean(values[seed] for values in scores.values()) for seed in seeds
    )
    ratio = of_seeds / residual.value
    freedom = len(seeds) - 1

    def correlation(ratio: float) -> float:
        return (ratio - 1) / (ratio + systems - 1)

    low = ratio / special.fdtri(freedom, residual.freedom, 1 - LEVEL / 2)
    high = ratio / special.fdtri(freedom, residual.freedom, LEVEL / 2)
    return SeedCorrelation(correlation(ratio), (correlation(low), correlation(high)))
