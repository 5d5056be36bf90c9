"""Tests against a variance that is pooled over all systems.

A paired t test on n seeds estimates the variance with n - 1 degrees of freedom, two for three
seeds. If all systems have the same variance, it can be estimated from all of them together. With k
systems there are two estimates:

- within systems: the variance of a system's scores over its seeds, k (n - 1) degrees of freedom.
  Scores are not paired.
- by seed: the residual mean square of scores by system and seed, (k - 1) (n - 1) degrees of
  freedom. The effect of a seed that is common to all systems is removed first.

Every test here is a test of a contrast: a weighted sum of the systems' means, with weights that sum
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
        value: value of the contrast.
        interval: 95 % interval of the value.
        t: value divided by its standard error.
        freedom: degrees of freedom.
        p: two-sided p-value.
        p_holm: p-value corrected for the number of pairs; None if the contrast is not a pair.
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
        alpha: alpha of each system.
        seeds: seeds that all of these systems have.
        value: mean slope over the seeds, per unit of alpha.
        sd: sample standard deviation over the seeds; None for one seed.
        interval: 95 % interval of the value, by Student's t over the seeds.
        p_t: two-sided p-value of the t test over the seeds.
        pooled: test against the variance within all systems.
        pooled_by_seed: test against the residual variance of all systems.
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
    """The share of the variance over seeds that is common to the systems of a seed.

    Attributes:
        value: intraclass correlation of two systems of one seed.
        interval: 95 % interval, by the F distribution.
    """

    value: float
    interval: tuple[float, float]


def within_variance(scores: Scores) -> Variance | None:
    """Return the variance of a system's scores over its seeds; None if nothing varies."""
    several = [list(values.values()) for values in scores.values() if len(values) > 1]
    freedom = sum(len(values) - 1 for values in several)
    if not freedom:
        return None
    squares = sum(variance(values) * (len(values) - 1) for values in several)
    return scattering(squares / freedom, freedom)


def pooled_pairs(scores: Scores, *, by_seed: bool) -> dict[tuple[str, str], Pooled]:
    """Test every pair of systems, in the order given; return no tests if nothing varies.

    Args:
        scores: scores of each system.
        by_seed: whether to test against the residual variance, on the seeds that all systems have,
            instead of the variance within systems, on all seeds.
    """
    pairs = list(combinations(scores, 2))
    tests = contrasts(scores, [{a: -1.0, b: 1.0} for a, b in pairs], by_seed=by_seed)
    corrected = holm([test.p for test in tests])
    # `strict=False`: there are no tests if nothing varies.
    return {
        pair: replace(test, p_holm=p)
        for pair, test, p in zip(pairs, tests, corrected, strict=False)
    }


def contrasts(
    scores: Scores, weighted: Sequence[Mapping[str, float]], *, by_seed: bool
) -> list[Pooled]:
    """Test contrasts against a pooled variance; return no tests if nothing varies.

    Args:
        scores: scores of each system; all of them count for the variance.
        weighted: the weights of each contrast, by system.
        by_seed: see `pooled_pairs`.
    """
    scatter = residual_variance(scores) if by_seed else within_variance(scores)
    if scatter is None:
        return []
    if by_seed:
        seeds = common_seeds(scores)
        scores = {name: {seed: values[seed] for seed in seeds} for name, values in scores.items()}
    means = {name: mean(values.values()) for name, values in scores.items()}
    quantile = student_t(1 - LEVEL / 2, scatter.freedom)
    found = []
    for weights in weighted:
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
    """Return the least-squares slope over alpha; None if its systems have no common seed.

    Args:
        scores: scores of all systems; those without an alpha only count for the pooled variances.
        alpha: alpha of at least two systems, not all equal.
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
        pooled=next(iter(contrasts(scores, [weights], by_seed=False)), None),
        pooled_by_seed=next(iter(contrasts(scores, [weights], by_seed=True)), None),
    )


def seed_correlation(scores: Scores) -> SeedCorrelation | None:
    """Return the correlation of two systems of one seed; None if it cannot be estimated.

    With F the mean square of the seeds divided by the residual mean square, it is
    (F - 1) / (F + k - 1) for k systems; its interval follows from that of F.
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
