from itertools import combinations
from statistics import mean

import numpy as np
import pytest
from scipy import stats

from alpha_dimt.evaluation.across_seeds import Scores, residual_variance
from alpha_dimt.evaluation.pooled import pooled_pairs, seed_correlation, slope, within_variance
from alpha_dimt.evaluation.within_seed import holm

SAME = {"rel": 1e-9, "abs": 1e-13}
# A balanced table by hand: rows are systems, columns seeds.
HAND = {
    "a": {1: 1.0, 2: 2.0, 3: 6.0},
    "b": {1: 3.0, 2: 5.0, 3: 7.0},
}


def drawn(seed: int, *, systems: int = 4, seeds: int = 3, common: float = 1.0) -> Scores:
    rng = np.random.default_rng(seed)
    shared = rng.normal(40, common, seeds)
    return {f"s{i}": dict(enumerate(shared + rng.normal(0, 0.4, seeds))) for i in range(systems)}


def table(scores: Scores) -> np.ndarray:
    return np.array([list(values.values()) for values in scores.values()])


def test_the_variances_by_hand() -> None:
    # Within: (4 + 1 + 9 + 4 + 0 + 4) / 4; residuals -1/2, 0... of the differences 2, 3, 1.
    within, residual = within_variance(HAND), residual_variance(HAND)
    assert within is not None
    assert residual is not None
    assert (within.value, within.freedom) == (pytest.approx(22 / 4), 4)
    # The variance of the differences is 1, and twice the residual mean square.
    assert (residual.value, residual.freedom) == (pytest.approx(1 / 2), 2)


def test_the_tests_by_hand() -> None:
    within = pooled_pairs(HAND, by_seed=False)["a", "b"]
    assert within.value == pytest.approx(2)
    assert within.t == pytest.approx(2 / (22 / 4 * 2 / 3) ** 0.5)
    assert within.freedom == 4
    by_seed = pooled_pairs(HAND, by_seed=True)["a", "b"]
    assert by_seed.t == pytest.approx(2 / (1 / 2 * 2 / 3) ** 0.5)
    assert by_seed.freedom == 2


def test_of_two_systems_they_are_the_t_tests_of_scipy() -> None:
    scores = drawn(0, systems=2, seeds=5)
    first, second = table(scores)
    [within] = pooled_pairs(scores, by_seed=False).values()
    [by_seed] = pooled_pairs(scores, by_seed=True).values()
    for found, expected in (
        (within, stats.ttest_ind(second, first)),
        (by_seed, stats.ttest_rel(second, first)),
    ):
        assert found.t == pytest.approx(expected.statistic, **SAME)
        assert found.p == found.p_holm == pytest.approx(expected.pvalue, **SAME)
        assert found.interval == pytest.approx(tuple(expected.confidence_interval()), **SAME)


def test_all_pairs_together_are_the_analysis_of_variance() -> None:
    # The mean of t squared over all pairs is F of the systems.
    scores = drawn(1, systems=5, seeds=4)
    groups = table(scores)
    squares = [test.t**2 for test in pooled_pairs(scores, by_seed=False).values()]
    assert mean(squares) == pytest.approx(stats.f_oneway(*groups).statistic, **SAME)
    # Two ways, in one regression on indicators of systems and seeds.
    k, n = groups.shape
    rows = [
        [i == a for a in range(k)] + [j == b for b in range(n)] for i in range(k) for j in range(n)
    ]
    _, left, rank, _ = np.linalg.lstsq(np.array(rows, float), groups.ravel(), rcond=None)
    assert left.size == 0  # the indicators depend on each other
    design = np.array(rows, float)[:, :-1]
    _, [left], rank, _ = np.linalg.lstsq(design, groups.ravel(), rcond=None)
    residual = residual_variance(scores)
    assert residual is not None
    assert (residual.value, residual.freedom) == (
        pytest.approx(left / (k * n - rank)),
        k * n - rank,
    )


def test_holm_counts_the_pairs() -> None:
    for by_seed in (False, True):
        found = pooled_pairs(drawn(2), by_seed=by_seed)
        assert list(found) == list(combinations(["s0", "s1", "s2", "s3"], 2))
        assert [test.p_holm for test in found.values()] == holm([t.p for t in found.values()])


def test_systems_with_other_seeds() -> None:
    scores = {**drawn(3, systems=3), "few": {1: 40.0}, "other": {7: 40.0, 8: 41.0}}
    within = pooled_pairs(scores, by_seed=False)
    variance = within_variance(scores)
    assert variance is not None
    assert variance.freedom == 3 * 2 + 0 + 1
    test = within["s0", "few"]
    assert test.value == pytest.approx(40 - mean(scores["s0"].values()))
    error = (variance.value * (1 / 3 + 1)) ** 0.5
    assert test.t == pytest.approx(test.value / error)
    # No seed is common to all.
    assert pooled_pairs(scores, by_seed=True) == {}
    del scores["few"], scores["other"]
    uneven = {**scores, "s0": {**scores["s0"], 9: 99.0}}
    assert pooled_pairs(uneven, by_seed=True) == pooled_pairs(scores, by_seed=True)


def test_what_does_not_scatter_has_no_test() -> None:
    for scores in ({"a": {1: 1.0}, "b": {1: 2.0}}, {"a": {1: 1.0, 2: 1.0}, "b": {1: 2.0, 2: 2.0}}):
        assert pooled_pairs(scores, by_seed=False) == pooled_pairs(scores, by_seed=True) == {}
        assert seed_correlation(scores) is None
    assert seed_correlation({"a": {1: 1.0, 2: 3.0}}) is None


def test_false_alarms_are_as_rare_as_the_level_says() -> None:
    # Four equal systems of three seeds, 600 times, with nothing in common within a seed.
    single, any_pair = {False: 0, True: 0}, {False: 0, True: 0}
    for seed in range(600):
        scores = drawn(seed, common=0)
        for by_seed in (False, True):
            tests = pooled_pairs(scores, by_seed=by_seed)
            single[by_seed] += tests["s0", "s1"].p < 0.05
            any_pair[by_seed] += min(test.p_holm or 1 for test in tests.values()) < 0.05
    for by_seed in (False, True):
        assert 0.05 - 3.5 * 0.0089 < single[by_seed] / 600 < 0.05 + 3.5 * 0.0089
        assert any_pair[by_seed] / 600 < 0.05 + 3.5 * 0.0089


def test_what_a_seed_does_to_all_makes_the_unpaired_test_careful() -> None:
    alarms, found = {False: 0, True: 0}, {False: 0, True: 0}
    for seed in range(300):
        equal = drawn(seed, common=2)
        better = {**equal, "s1": {key: value + 1.5 for key, value in equal["s1"].items()}}
        for by_seed in (False, True):
            alarms[by_seed] += pooled_pairs(equal, by_seed=by_seed)["s0", "s1"].p < 0.05
            found[by_seed] += pooled_pairs(better, by_seed=by_seed)["s0", "s1"].p < 0.05
    assert alarms[False] <= 0.01 * 300
    assert 0.05 - 3.5 * 0.0126 < alarms[True] / 300 < 0.05 + 3.5 * 0.0126
    assert found[True] > 0.9 * 300 > 300 / 2 > found[False]


ALPHA = {"s0": 0.0, "s1": 0.3, "s2": 0.5, "s3": 0.7}


def test_the_slope_is_that_of_least_squares() -> None:
    scores = {**drawn(5), "ml": dict(enumerate([40.0, 41.0, 42.5]))}
    found = slope(scores, ALPHA)
    assert found is not None
    alphas, values = list(ALPHA.values()), table(scores)[:4]
    by_seed = [stats.linregress(alphas, column).slope for column in values.T]
    assert found.seeds == (0, 1, 2)
    assert found.value == pytest.approx(mean(by_seed), **SAME)
    t_test = stats.ttest_1samp(by_seed, 0)
    assert found.p_t == pytest.approx(t_test.pvalue, **SAME)
    assert found.interval == pytest.approx(tuple(t_test.confidence_interval()), **SAME)
    # Against pooled variances: the error of a slope is s / sqrt(n Sxx).
    square = 3 * sum((a - mean(alphas)) ** 2 for a in alphas)
    for test, variance in (
        (found.pooled, within_variance(scores)),
        (found.pooled_by_seed, residual_variance(scores)),
    ):
        assert test is not None
        assert variance is not None
        assert test.value == pytest.approx(found.value, **SAME)
        assert test.t == pytest.approx(found.value / (variance.value / square) ** 0.5, **SAME)
        assert (test.freedom, test.p_holm) == (variance.freedom, None)


def test_the_slope_of_one_seed_has_no_test() -> None:
    found = slope({name: {1: 2 * alpha} for name, alpha in ALPHA.items()}, ALPHA)
    assert found is not None
    assert (found.value, found.sd, found.p_t) == (pytest.approx(2), None, None)
    assert found.pooled is found.pooled_by_seed is None
    assert slope({name: {i: 1.0} for i, name in enumerate(ALPHA)}, ALPHA) is None


def test_the_correlation_of_a_seed() -> None:
    # Of two systems it is their covariance over the mean of their variances.
    expected = np.cov(*table(HAND))
    found = seed_correlation(HAND)
    assert found is not None
    assert found.value == pytest.approx(2 * expected[0, 1] / (expected[0, 0] + expected[1, 1]))
    assert found.interval[0] < found.value < found.interval[1]


def test_the_interval_of_the_correlation_covers_it() -> None:
    covered = 0
    for seed in range(400):
        found = seed_correlation(drawn(seed, seeds=4, common=0.4))  # 1/2
        assert found is not None
        covered += found.interval[0] < 0.5 < found.interval[1]
    assert 0.95 - 3.5 * 0.0109 < covered / 400 < 0.95 + 3.5 * 0.0109
