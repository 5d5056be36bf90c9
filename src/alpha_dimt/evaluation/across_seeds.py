"""Compare systems across seeds: would other trainings give the same result?

The seed is the unit of analysis. Systems of one seed start from the same weights, see the same
batches and, with the same proposal, the same candidates, so two systems are compared by their
differences seed by seed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import mean, stdev

import numpy as np
from scipy import special  # the distributions without `scipy.stats`, which takes long to load

from alpha_dimt.evaluation.within_seed import LEVEL, holm

POWER = 0.8
"""Power with which the minimum detectable difference is found."""

WANTED = 0.3
"""BLEU; a difference that would matter: the paper's gain of alpha = 0.5 over ML is 0.23."""

Scores = Mapping[str, Mapping[int, float]]
"""The score of each seed, by system."""

ALL_SIGNS = 20
"""Number of seeds up to which the sign-flip test enumerates all signs: a million combinations."""
RANDOM_SIGNS = 9_999
"""Number of random sign vectors drawn beyond `ALL_SIGNS` seeds."""

NO_SCATTER = 1e-9
"""BLEU; smaller standard deviations are rounding errors."""


@dataclass(frozen=True)
class AcrossSeeds:
    """The second system of a pair minus the first, over the seeds that both have.

    Values that need more than one seed are None for one seed.

    Attributes:
        pair: names of the two systems.
        seeds: seeds that both systems have.
        scores: mean score of each system.
        value: mean difference.
        sd: sample standard deviation of the differences.
        interval: 95 % interval of the mean difference, by Student's t.
        p_t: two-sided p-value of the paired t test.
        p_holm: `p_t` with Holm's correction for the number of pairs.
        p_flip: two-sided p-value of the sign-flip test; exact up to `ALL_SIGNS` seeds.
    """

    pair: tuple[str, str]
    seeds: tuple[int, ...]
    scores: tuple[float, float]
    value: float
    sd: float | None
    interval: tuple[float, float] | None
    p_t: float | None
    p_holm: float | None
    p_flip: float | None


@dataclass(frozen=True)
class Variance:
    """An estimate of a variance.

    Attributes:
        value: the estimate.
        freedom: its degrees of freedom.
    """

    value: float
    freedom: int

    @property
    def sd(self) -> float:
        """The standard deviation."""
        return math.sqrt(self.value)

    @property
    def sd_interval(self) -> tuple[float, float]:
        """The 95 % interval of the standard deviation, by chi-square."""
        ends = special.chdtri(self.freedom, [LEVEL / 2, 1 - LEVEL / 2])
        low, high = (math.sqrt(self.value * self.freedom / end) for end in ends)
        return low, high


@dataclass(frozen=True)
class Sensitivity:
    """The sensitivity of an experiment of this size, from the scatter between its seeds.

    Attributes:
        seeds: number of seeds.
        sd: standard deviation of the difference between two systems of one seed, pooled over all
            pairs.
        sd_interval: 95 % interval of `sd`.
        detectable: minimum true difference that one comparison detects with power `POWER`.
        detectable_corrected: the same at the strictest level of Holm's correction.
        wanted: a difference of interest.
        seeds_wanted: number of seeds that one comparison needs to detect `wanted`.
        seeds_interval: `seeds_wanted` at both ends of `sd_interval`.
    """

    seeds: int
    sd: float
    sd_interval: tuple[float, float]
    detectable: float
    detectable_corrected: float
    wanted: float
    seeds_wanted: int
    seeds_interval: tuple[int, int]


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean by Student's t; None for a single value."""
    if len(values) < 2:
        return None
    half = student_t(1 - LEVEL / 2, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return mean(values) - half, mean(values) + half


def student_t(share: float, freedom: int) -> float:
    """Return the quantile of Student's t at `share`, with `freedom` degrees of freedom."""
    return float(special.stdtrit(freedom, share))


def compare_pairs(scores: Scores) -> list[AcrossSeeds]:
    """Compare every pair of systems, in the order given; skip pairs without a common seed.

    Holm's correction counts the pairs that have a p-value.
    """
    pairs = [
        (pair, seeds)
        for pair in combinations(scores, 2)
        if (seeds := tuple(sorted(scores[pair[0]].keys() & scores[pair[1]].keys())))
    ]
    found = [_compare(scores, pair, seeds) for pair, seeds in pairs]
    tested = [one.p_t for one in found if one.p_t is not None]
    corrected = iter(holm(tested))
    return [
        one if one.p_t is None else AcrossSeeds(**{**vars(one), "p_holm": next(corrected)})
        for one in found
    ]


def _compare(scores: Scores, pair: tuple[str, str], seeds: tuple[int, ...]) -> AcrossSeeds:
    first, second = ([scores[system][seed] for seed in seeds] for system in pair)
    differences = [b - a for a, b in zip(first, second, strict=True)]
    several = len(seeds) > 1
    return AcrossSeeds(
        pair=pair,
        seeds=seeds,
        scores=(mean(first), mean(second)),
        value=mean(differences),
        sd=stdev(differences) if several else None,
        interval=interval(differences),
        p_t=paired_t(differences) if several else None,
        p_holm=None,
        p_flip=sign_flip(differences) if several else None,
    )


def paired_t(differences: Sequence[float]) -> float | None:
    """Return the two-sided p-value of the paired t test; None if the differences do not vary."""
    if stdev(differences) < NO_SCATTER:
        return None
    t = mean(differences) / stdev(differences) * math.sqrt(len(differences))
    return float(2 * special.stdtr(len(differences) - 1, -abs(t)))


def sign_flip(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of the sign-flip test.

    Under its null hypothesis each difference is as likely to have the other sign. The p-value is
    exact up to `ALL_SIGNS` seeds, and estimated from `RANDOM_SIGNS` random sign vectors beyond.
    """
    if len(differences) > ALL_SIGNS:
        return _random_sign_flip(differences)
    sums = np.zeros(1)
    for difference in differences:
        sums = np.concatenate([sums - difference, sums + difference])
    # The last sum has the observed signs; sums that should equal it may differ by rounding.
    rounding = 1e-13 * float(np.abs(differences).sum())
    return float(np.mean(np.abs(sums) >= abs(sums[-1]) - rounding))


def _random_sign_flip(differences: Sequence[float]) -> float:
    from scipy import stats

    test = stats.permutation_test(
        (np.asarray(differences),),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RANDOM_SIGNS,
        rng=np.random.default_rng(0),
    )
    return float(test.pvalue)


def least_sign_flip(seeds: int) -> float:
    """Return the smallest p-value that the sign-flip test can give."""
    return 2.0 ** (1 - seeds) if seeds <= ALL_SIGNS else 2 / (RANDOM_SIGNS + 1)


def best_system(scores: Scores) -> str | None:
    """Return the system that is significantly better than every other one, or None."""
    pairs = compare_pairs(scores)
    for system in scores:
        wins = [
            one
            for one in pairs
            if significant(one) and one.pair[0 if one.value < 0 else 1] == system
        ]
        if len(scores) > 1 and len(wins) == len(scores) - 1:
            return system
    return None


def significant(pair: AcrossSeeds) -> bool:
    """Return whether a pair differs significantly by the corrected t test."""
    return pair.p_holm is not None and pair.p_holm < LEVEL


# ----------------------------------------------------------- power and detectable differences


def power(effect: float, seeds: int, level: float = LEVEL, freedom: int | None = None) -> float:
    """Return the power of a two-sided t test of a mean difference.

    Args:
        effect: true mean difference divided by the standard deviation of the differences.
        seeds: number of seeds, n.
        level: significance level of the test.
        freedom: degrees of freedom of the variance; None for n - 1, as in the paired t test.
    """
    freedom = seeds - 1 if freedom is None else freedom
    # The square of Student's t is F; its noncentral form covers both sides at once.
    critical = student_t(1 - level / 2, freedom) ** 2
    return float(1 - special.ncfdtr(1, freedom, seeds * effect**2, critical))


def detectable(sd: float, seeds: int, level: float = LEVEL, freedom: int | None = None) -> float:
    """Return the minimum true difference that is detected with power `POWER`.

    Args:
        sd: standard deviation of the difference between two systems of one seed.
        seeds: number of seeds.
        level: significance level of the test.
        freedom: degrees of freedom, see `power`.
    """
    low, high = 0.0, 1.0
    # Far out the noncentral F distribution is NaN: then no difference can be detected.
    while not (found := power(high, seeds, level, freedom)) >= POWER:
        if math.isnan(found):
            return math.inf
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (
            (middle, high) if power(middle, seeds, level, freedom) < POWER else (low, middle)
        )
    return sd * high


def seeds_for(difference: float, sd: float, level: float = LEVEL) -> int:
    """Return the smallest number of seeds that detects a true difference with power `POWER`."""
    effect = difference / sd
    # The normal approximation never needs more seeds than the t test.
    quantiles = special.ndtri([1 - level / 2, POWER])
    seeds = max(2, math.floor((float(quantiles.sum()) / effect) ** 2))
    while power(effect, seeds, level) < POWER:
        seeds += 1
    return seeds


def common_seeds(scores: Scores) -> list[int]:
    """Return the seeds that all systems have."""
    return sorted(set.intersection(*(set(values) for values in scores.values())))


def residual_variance(scores: Scores) -> Variance | None:
    """Return the residual mean square of scores by system and seed.

    It has (systems - 1) (seeds - 1) degrees of freedom and covers the seeds that all systems have.
    Twice this is the pooled variance of the difference between two systems of one seed.

    Returns:
        None for fewer than two systems or common seeds, or if nothing varies.
    """
    seeds = common_seeds(scores)
    if len(scores) < 2 or len(seeds) < 2:
        return None
    table = np.array([[values[seed] for seed in seeds] for values in scores.values()])
    residuals = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    freedom = (len(scores) - 1) * (len(seeds) - 1)
    return scattering(float((residuals**2).sum()) / freedom, freedom)


def scattering(value: float, freedom: int) -> Variance | None:
    """Return a variance; None if it is only rounding error."""
    return Variance(value, freedom) if math.sqrt(value) >= NO_SCATTER else None


def sensitivity(scores: Scores, wanted: float) -> Sensitivity | None:
    """Return the sensitivity of an experiment; None without two common seeds, or if nothing varies.

    Args:
        scores: scores of at least two systems.
        wanted: difference of interest, BLEU.
    """
    residual = residual_variance(scores)
    if residual is None:
        return None
    difference = Variance(2 * residual.value, residual.freedom)
    sd, (low, high) = difference.sd, difference.sd_interval
    seeds = len(common_seeds(scores))
    comparisons = math.comb(len(scores), 2)
    return Sensitivity(
        seeds=seeds,
        sd=sd,
        sd_interval=(low, high),
        detectable=detectable(sd, seeds),
        detectable_corrected=detectable(sd, seeds, LEVEL / comparisons),
        wanted=wanted,
        seeds_wanted=seeds_for(wanted, sd),
        seeds_interval=(seeds_for(wanted, low), seeds_for(wanted, high)),
    )
