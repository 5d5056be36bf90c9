import math
from itertools import product
from statistics import mean, stdev

import numpy as np
import pytest
from scipy import optimize, stats

from alpha_dimt.evaluation.across_seeds import (
    best_system,
    compare_pairs,
    detectable,
    interval,
    least_sign_flip,
    paired_t,
    power,
    seeds_for,
    sensitivity,
    sign_flip,
    significant,
)

# Student's t, two-sided 5 %, from a printed table.
T_2, T_4 = 4.303, 2.776


def test_the_interval_by_hand() -> None:
    values = [60.0, 61.0, 63.5]
    low, high = interval(values) or (0, 0)
    assert mean((low, high)) == pytest.approx(61.5)
    assert high - low == pytest.approx(2 * T_2 * stdev(values) / 3**0.5, rel=1e-3)
    assert interval([61.5]) is None


def test_one_seed_says_nothing() -> None:
    [pair] = compare_pairs({"ml": {1: 40.0}, "raml": {1: 41.0}})
    assert (pair.value, pair.sd, pair.interval) == (1, None, None)
    assert (pair.p_t, pair.p_holm, pair.p_flip) == (None, None, None)
    assert not significant(pair)
    assert sensitivity({"ml": {1: 40.0}, "raml": {1: 41.0}}, 0.3) is None
    assert best_system({"ml": {1: 40.0}, "raml": {1: 90.0}}) is None


def test_pairs_are_by_seed_and_corrected() -> None:
    scores = {
        "ml": {1: 40.0, 2: 41.0, 3: 42.0, 4: 39.0},
        "raml": {3: 43.1, 2: 42.0, 1: 40.9},
        "alpha0.5": {1: 40.2, 2: 40.6, 3: 42.3},
        "late": {9: 50.0},
    }
    pairs = compare_pairs(scores)
    assert [pair.pair for pair in pairs] == [
        *(("ml", "raml"), ("ml", "alpha0.5"), ("raml", "alpha0.5")),
    ]
    first = pairs[0]
    assert first.seeds == (1, 2, 3)
    assert first.value == pytest.approx(1.0)
    assert first.sd == pytest.approx(0.1)
    assert first.interval == pytest.approx(
        (1 - T_2 * 0.1 / 3**0.5, 1 + T_2 * 0.1 / 3**0.5), rel=1e-3
    )
    assert first.p_t is not None
    assert first.p_holm == pytest.approx(3 * first.p_t)
    assert first.p_flip == pytest.approx(0.25)
    assert significant(first)
    assert not significant(pairs[1])


def test_a_pair_is_more_certain_than_its_systems() -> None:
    # Both scatter by 2 from seed to seed, their difference does not.
    scores = {"a": {1: 38.0, 2: 40.0, 3: 42.0}, "b": {1: 38.5, 2: 40.6, 3: 42.5}}
    [pair] = compare_pairs(scores)
    assert pair.p_t is not None
    assert pair.p_t < 0.01


def test_differences_that_do_not_scatter() -> None:
    [pair] = compare_pairs({"a": {1: 1.0, 2: 2.0}, "b": {1: 1.0, 2: 2.0}})
    assert (pair.value, pair.sd, pair.p_t, pair.p_holm) == (0, 0, None, None)
    assert pair.p_flip == 1
    assert sensitivity({"a": {1: 1.0, 2: 2.0}, "b": {1: 1.0, 2: 2.0}}, 0.3) is None


def test_rounding_is_no_scatter() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        a = {seed: float(score) for seed, score in enumerate(rng.normal(40, 1, 3))}
        scores = {"a": a, "b": {seed: score + 0.3 for seed, score in a.items()}}
        [pair] = compare_pairs(scores)
        assert (pair.p_t, sensitivity(scores, 0.3)) == (None, None)


def test_what_no_test_of_this_size_can_find() -> None:
    # 19,900 comparisons of two seeds are beyond the range of the distribution function.
    assert detectable(0.5, 2, 0.05 / 19_900) == math.inf


def test_sign_flip_counts_all_signs() -> None:
    differences = [1.0, -2.0, 3.0, 4.0]
    sums = [
        sum(s * d for s, d in zip(signs, differences, strict=True))
        for signs in product((1, -1), repeat=4)
    ]
    expected = sum(abs(total) >= sum(differences) for total in sums) / len(sums)
    assert sign_flip(differences) == pytest.approx(expected)
    assert sign_flip([0.1, 0.2, -0.3]) == 1  # the sum of these is not quite 0
    assert sign_flip([0.1, 0.2, 0.3, 0.1, 0.5]) == pytest.approx(least_sign_flip(5))


def test_best_is_better_than_every_other_one() -> None:
    rng = np.random.default_rng(0)

    def seeds(level: float) -> dict[int, float]:
        return {seed: level + rng.normal(0, 0.05) for seed in range(1, 6)}

    assert best_system({"a": seeds(40), "b": seeds(42), "c": seeds(41)}) == "b"
    assert best_system({"a": seeds(42), "b": seeds(40), "c": seeds(41)}) == "a"
    # b and c are not told apart.
    equal = {"a": seeds(40), "b": seeds(42), "c": seeds(42)}
    assert best_system(equal) is None
    assert best_system({"alone": seeds(40)}) is None


def test_false_alarms_over_seeds_are_as_rare_as_the_level_says() -> None:
    # Three equal systems, 300 times: at least one significant pair in at most 5 % of them.
    rng = np.random.default_rng(1)
    alarms, single = 0, []
    for _ in range(300):
        common = rng.normal(40, 1, 4)  # what a seed does to all systems
        scores = {name: dict(enumerate(common + rng.normal(0, 0.4, 4))) for name in ("a", "b", "c")}
        pairs = compare_pairs(scores)
        alarms += any(map(significant, pairs))
        single.append((pairs[0].p_t or 0) < 0.05)
    assert alarms / 300 < 0.05 + 4 * 0.0126
    assert 0.05 - 3.5 * 0.0126 < np.mean(single) < 0.05 + 4 * 0.0126


@pytest.mark.parametrize("seeds", [3, 8])
def test_the_power_is_what_simulation_finds(seeds: int) -> None:
    effect = detectable(1, seeds)
    drawn = np.random.default_rng(0).normal(effect, 1, (20_000, seeds))
    t = drawn.mean(axis=1) / drawn.std(axis=1, ddof=1) * seeds**0.5
    critical = {3: T_2, 8: 2.365}[seeds]
    assert np.mean(np.abs(t) > critical) == pytest.approx(0.8, abs=0.012)


def test_the_power_with_a_pooled_variance_is_what_simulation_finds() -> None:
    # Five systems of three seeds that scatter by 1; the first two differ.
    freedom = 5 * 2
    difference = detectable(2**0.5, 3, freedom=freedom)
    assert difference < 0.6 * detectable(2**0.5, 3)
    drawn = np.random.default_rng(0).normal(0, 1, (20_000, 5, 3))
    drawn[:, 1] += difference
    variance = drawn.var(axis=2, ddof=1).mean(axis=1)
    means = drawn.mean(axis=2)
    t = (means[:, 1] - means[:, 0]) / np.sqrt(variance * 2 / 3)
    assert np.mean(np.abs(t) > stats.t.ppf(0.975, freedom)) == pytest.approx(0.8, abs=0.012)


def test_the_formula_of_the_documentation_is_close() -> None:
    # (t(0.975) + t(0.8)) sd / sqrt(n), with n - 1 = 4 degrees of freedom.
    assert detectable(0.5, 5) == pytest.approx((T_4 + 0.941) * 0.5 / 5**0.5, rel=0.02)


def test_seeds_wanted_are_just_enough() -> None:
    count = seeds_for(0.3, 0.5)
    assert power(0.6, count) >= 0.8 > power(0.6, count - 1)
    assert count == 24
    assert seeds_for(5, 0.01) == 2
    assert detectable(0.5, count) <= 0.3 < detectable(0.5, count - 1)


def test_sensitivity_pools_the_pairs() -> None:
    rng = np.random.default_rng(2)
    common = rng.normal(40, 2, 6)
    scores = {name: dict(enumerate(common + rng.normal(0, 0.4, 6))) for name in "abcd"}
    found = sensitivity(scores, 0.3)
    assert found is not None
    variances = [(pair.sd or 0) ** 2 for pair in compare_pairs(scores)]
    assert found.sd == pytest.approx(mean(variances) ** 0.5)
    assert found.sd_interval[0] < found.sd < found.sd_interval[1]
    assert found.seeds == 6
    assert found.detectable < found.detectable_corrected
    assert found.seeds_interval[0] <= found.seeds_wanted <= found.seeds_interval[1]
    assert found.seeds_wanted == seeds_for(0.3, found.sd)


SAME = {"rel": 1e-12, "abs": 1e-15}


@pytest.mark.parametrize("seeds", [2, 3, 5, 12, 13, 14, 40])
@pytest.mark.parametrize("level", [0.05, 0.05 / 45])
def test_the_figures_are_those_of_scipy_stats(seeds: int, level: float) -> None:
    differences = np.random.default_rng(seeds).normal(0.3, 0.5, seeds).tolist()
    t_test = stats.ttest_1samp(differences, 0)
    assert interval(differences) == pytest.approx(tuple(t_test.confidence_interval()), **SAME)
    assert paired_t(differences) == pytest.approx(t_test.pvalue, **SAME)

    critical = stats.f.isf(level, 1, seeds - 1)

    def by_scipy(effect: float) -> float:
        return float(stats.ncf.sf(critical, 1, seeds - 1, seeds * effect**2))

    for effect in (0.01, 0.3, 1, 3):
        assert power(effect, seeds, level) == pytest.approx(by_scipy(effect), **SAME)
    found = optimize.brentq(lambda effect: by_scipy(effect) - 0.8, 0, 1000, rtol=1e-14)
    assert detectable(2, seeds, level) == pytest.approx(2 * found, rel=1e-11)


@pytest.mark.parametrize("seeds", [2, 3, 8, 16])
@pytest.mark.parametrize("digits", [1, 6])
def test_the_sign_flip_test_is_that_of_scipy_stats(seeds: int, digits: int) -> None:
    # Differences of one digit make sums that are equal but for the last digits.
    drawn = np.random.default_rng(seeds).normal(0.3, 0.5, seeds).round(digits)
    test = stats.permutation_test(
        (drawn,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    assert sign_flip(drawn.tolist()) == pytest.approx(test.pvalue, **SAME)


def test_beyond_all_signs_the_least_p_is_that_of_the_draws() -> None:
    assert sign_flip([1.0 + i / 10 for i in range(21)]) == least_sign_flip(21) == 2e-4
    assert least_sign_flip(20) < 2e-6


def test_the_interval_of_the_spread_is_that_of_scipy_stats() -> None:
    scores = {name: {1: a, 2: b, 3: c} for name, a, b, c in [("a", 1, 2, 4), ("b", 2, 1, 3)]}
    found = sensitivity(scores, 0.3)
    assert found is not None
    ends = found.sd * np.sqrt(2 / stats.chi2.ppf([0.975, 0.025], 2))
    assert found.sd_interval == pytest.approx(tuple(ends), **SAME)
    normal = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert found.seeds_wanted >= (normal * found.sd / 0.3) ** 2 > found.seeds_wanted * 0.9
