"""Several seeds of each system: would other trainings say the same?

The seed is the unit. Systems of one seed start from the same weights, see the same batches and, of
one proposal, the same candidates, so two systems are compared by their differences seed by seed.
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
"""With which the least detectable difference is found."""

WANTED = 0.3
"""BLEU; a difference that would matter: the paper's gain of alpha = 0.5 over ML is 0.23."""

Scores = Mapping[str, Mapping[int, float]]
"""Of each system, the score of each seed."""

ALL_SIGNS = 20
"""Seeds up to which the sign-flip test goes through all signs: a million of them."""
RANDOM_SIGNS = 9_999
"""Draws of signs beyond."""

NO_SCATTER = 1e-9
"""BLEU; smaller deviations are those of rounding."""


@dataclass(frozen=True)
class AcrossSeeds:
    """The second system of a pair less the first, over the seeds that both have.

    What one seed cannot say is None.

    Attributes:
        pair: names.
        seeds: that both have.
        scores: means of both.
        value: mean difference.
        sd: sample standard deviation of the differences.
        interval: 95 %, of the mean difference, by Student's t.
        p_t: of the paired t test, two-sided.
        p_holm: the same, corrected for the number of pairs.
        p_flip: of the sign-flip test, two-sided; exact up to ALL_SIGNS seeds.
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
        """Its 95 % interval, by chi-square."""
        ends = special.chdtri(self.freedom, [LEVEL / 2, 1 - LEVEL / 2])
        low, high = (math.sqrt(self.value * self.freedom / end) for end in ends)
        return low, high


@dataclass(frozen=True)
class Sensitivity:
    """What an experiment of this size can find, from the spread between its seeds.

    Attributes:
        seeds: n.
        sd: of a difference between two systems of one seed, pooled over all pairs.
        sd_interval: 95 %, of it.
        detectable: the least true difference that one comparison finds with the power POWER.
        detectable_corrected: the same at the strictest level of Holm's correction.
        wanted: a difference of interest.
        seeds_wanted: that one comparison needs to find it.
        seeds_interval: the same at both ends of `sd_interval`.
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
    """Return the 95 % interval of a mean by Student's t; None of one value."""
    if len(values) < 2:
        return None
    half = student_t(1 - LEVEL / 2, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return mean(values) - half, mean(values) + half


def student_t(share: float, freedom: int) -> float:
    """Return the quantile of Student's t."""
    return float(special.stdtrit(freedom, share))


def compare_pairs(scores: Scores) -> list[AcrossSeeds]:
    """Compare every pair of systems, in the order given; pairs without a common seed are left out.

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
    """Return the two-sided p-value of mean 0; None where the differences do not scatter."""
    if stdev(differences) < NO_SCATTER:
        return None
    t = mean(differences) / stdev(differences) * math.sqrt(len(differences))
    return float(2 * special.stdtr(len(differences) - 1, -abs(t)))


def sign_flip(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of differences that are as likely of the other sign.

    Exact up to ALL_SIGNS seeds, of RANDOM_SIGNS random sets of signs beyond.
    """
    if len(differences) > ALL_SIGNS:
        return _random_sign_flip(differences)
    sums = np.zeros(1)
    for difference in differences:
        sums = np.concatenate([sums - difference, sums + difference])
    # The last sum has the signs as they are; sums that should equal it may differ by rounding.
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
    """Return the least p-value that the sign-flip test can give."""
    return 2.0 ** (1 - seeds) if seeds <= ALL_SIGNS else 2 / (RANDOM_SIGNS + 1)


def best_system(scores: Scores) -> str | None:
    """Return the system that is significantly better than every other one, if there is one."""
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
    """Return whether a pair differs by the corrected t test."""
    return pair.p_holm is not None and pair.p_holm < LEVEL


# ------------------------------------------------------------------- what could be found at all


def power(effect: float, seeds: int, level: float = LEVEL, freedom: int | None = None) -> float:
    """Return the power of a two-sided t test of a mean difference.

    Args:
        effect: true mean difference over the standard deviation of the differences.
        seeds: n.
        level: of the test.
        freedom: degrees of freedom of the variance; None: n - 1, those of the paired t test.
    """
    freedom = seeds - 1 if freedom is None else freedom
    # The square of Student's t is F; its noncentral form covers both sides at once.
    critical = student_t(1 - level / 2, freedom) ** 2
    return float(1 - special.ncfdtr(1, freedom, seeds * effect**2, critical))


def detectable(sd: float, seeds: int, level: float = LEVEL, freedom: int | None = None) -> float:
    """Return the least true difference that is found with the power POWER.

    Args:
        sd: standard deviation of a difference between two systems of one seed.
        seeds: n.
        level: of the test.
        freedom: see `power`.
    """
    low, high = 0.0, 1.0
    # Far out the distribution is no number, and such a difference is none either.
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
    """Return the least number of seeds that finds a true difference with the power POWER."""
    effect = difference / sd
    # The normal approximation never asks for more seeds than the t test.
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

    It has (systems - 1) (seeds - 1) degrees of freedom and is taken over the seeds that all systems
    have. Twice this is the pooled variance of the differences between two systems of one seed.

    Returns:
        None of fewer than two systems or common seeds, or where nothing scatters.
    """
    seeds = common_seeds(scores)
    if len(scores) < 2 or len(seeds) < 2:
        return None
    table = np.array([[values[seed] for seed in seeds] for values in scores.values()])
    residuals = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    freedom = (len(scores) - 1) * (len(seeds) - 1)
    return scattering(float((residuals**2).sum()) / freedom, freedom)


def scattering(value: float, freedom: int) -> Variance | None:
    """Return a variance; None where it is no more than rounding."""
    return Variance(value, freedom) if math.sqrt(value) >= NO_SCATTER else None


def sensitivity(scores: Scores, wanted: float) -> Sensitivity | None:
    """Return what the experiment can find; None without two seeds of all systems, or scatter.

    Args:
        scores: of at least two systems.
        wanted: the difference of interest, BLEU.
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
