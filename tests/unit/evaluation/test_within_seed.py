import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU
from sacrebleu.significance import PairedTest

from alpha_dimt.evaluation.metrics import bleu_of, multi_bleu, sentence_statistics
from alpha_dimt.evaluation.score_files import statistics_of
from alpha_dimt.evaluation.within_seed import Difference, compare, holm, resample

WORDS = [f"w{i}" for i in range(12)]


def sentences(rng: np.random.Generator, count: int) -> list[str]:
    return [" ".join(rng.choice(WORDS, rng.integers(5, 15))) for _ in range(count)]


def noisy(rng: np.random.Generator, references: list[str], rate: float) -> list[str]:
    """Return the references with some words replaced."""
    return [
        " ".join(rng.choice(WORDS) if rng.random() < rate else word for word in line.split())
        for line in references
    ]


def difference(first: list[str], second: list[str], references: list[str]) -> Difference:
    return compare(*resample([sentence_statistics(text, references) for text in (first, second)]))


def test_sums_of_statistics_score_as_multi_bleu_does() -> None:
    rng = np.random.default_rng(0)
    references = [*sentences(rng, 30), "a\u2028b c d e", "short"]
    hypotheses = [*noisy(rng, references[:-2], 0.3), "a\u2028b c d f", ""]
    statistics = sentence_statistics(hypotheses, references)
    for rows in (slice(None), slice(3, 9), slice(31, 32)):
        expected = multi_bleu(hypotheses[rows], references[rows]).value
        assert bleu_of(statistics[rows].sum(axis=0)) == pytest.approx(expected, abs=1e-9)
    assert (bleu_of(np.stack([statistics[:4].sum(0), statistics.sum(0)]))).shape == (2,)


def test_the_p_values_are_those_of_sacrebleu() -> None:
    rng = np.random.default_rng(1)
    references = sentences(rng, 120)
    first, second = (noisy(rng, references, rate) for rate in (0.30, 0.27))
    found = difference(first, second, references)
    metric = {"BLEU": BLEU(tokenize="none", smooth_method="none", force=True)}
    systems = [("first", first), ("second", second)]
    expected = {
        test: PairedTest(systems, metric, [references], test_type=test)()[1]["BLEU"][1]
        for test in ("bs", "ar")
    }
    assert found.p_sacrebleu == pytest.approx(expected["bs"].p_value, abs=1e-12)
    assert found.p_randomisation == pytest.approx(expected["ar"].p_value, abs=1e-12)
    assert 0.01 < found.p_randomisation < 0.9  # neither test is trivial here
    assert found.scores[1] == pytest.approx(expected["bs"].score)


def test_the_published_outputs() -> None:
    folder = os.environ.get("ALPHA_DIMT_TEST_DATA")
    if folder is None:
        pytest.skip("set ALPHA_DIMT_TEST_DATA to a folder with the published outputs")
    reference = Path(folder, "iwslt14-prepared", "test.en.gz")
    found = compare(
        *resample(
            [
                statistics_of(Path(folder, "iwslt14-published", f"{name}.beam10.en.gz"), reference)
                for name in ("ml", "alpha0.5")
            ]
        )
    )
    assert found.value == pytest.approx(0.227, abs=0.001)
    assert found.p_sacrebleu == pytest.approx(0.054, abs=0.001)
    # Two-sided, neither test finds the difference.
    assert found.p_bootstrap == pytest.approx(0.13, abs=0.02)
    assert found.p_randomisation == pytest.approx(0.116, abs=0.005)
    assert found.low < 0 < found.high


def random_statistics(rng: np.random.Generator, difficulty: np.ndarray) -> np.ndarray:
    """Return statistics of a system that matches as many n-grams as the difficulty lets it."""
    lengths = np.full(len(difficulty), 12)
    matched = [rng.binomial(lengths, difficulty)]
    for _ in range(3):
        matched.append(rng.binomial(matched[-1], 0.6))
    totals = [lengths - n for n in range(4)]
    return np.stack([lengths, lengths, *matched, *totals], axis=1).astype(float)


def test_false_alarms_are_as_rare_as_the_level_says() -> None:
    # Two systems of one quality, 400 times: 5 % of the tests should be below 0.05, and 5 % of the
    # intervals should miss 0; the bounds are 4 standard errors away.
    rng = np.random.default_rng(2)
    found = []
    for _ in range(20):
        difficulty = rng.uniform(0.5, 0.9, 100)
        drawn = resample([random_statistics(rng, difficulty) for _ in range(40)])
        found += [compare(drawn[i], drawn[i + 1]) for i in range(0, 40, 2)]

    def rate(alarms: list[bool]) -> float:
        return float(np.mean(alarms))

    low, high = 0.05 - 4 * 0.011, 0.05 + 4 * 0.011
    assert low < rate([one.p_randomisation < 0.05 for one in found]) < high
    assert low < rate([one.p_bootstrap < 0.05 for one in found]) < high
    assert low < rate([not one.low < 0 < one.high for one in found]) < high
    # sacreBLEU's bootstrap is one-sided in effect: twice as many.
    assert rate([one.p_sacrebleu < 0.05 for one in found]) > 0.065


def test_a_real_difference_is_found() -> None:
    rng = np.random.default_rng(3)
    references = sentences(rng, 300)
    first, second = (noisy(rng, references, rate) for rate in (0.4, 0.2))
    found = difference(first, second, references)
    assert found.value > 5
    assert 0 < found.low < found.value < found.high
    assert found.p_bootstrap < 0.002
    assert found.p_randomisation < 0.0002
    turned = difference(second, first, references)
    assert turned.value == -found.value
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))
    assert turned.p_randomisation == pytest.approx(found.p_randomisation)


def test_equal_systems_do_not_differ() -> None:
    rng = np.random.default_rng(4)
    references = sentences(rng, 50)
    text = noisy(rng, references, 0.3)
    found = difference(text, text, references)
    assert (found.value, found.low, found.high) == (0, 0, 0)
    assert (found.p_bootstrap, found.p_randomisation) == (1, 1)


def test_one_sentence_and_empty_translations() -> None:
    found = difference(["", ""], ["", ""], ["a b c d", "e"])
    assert (found.scores, found.p_randomisation) == ((0, 0), 1)
    found = difference(["a b c d"], ["a b c x"], ["a b c d"])
    assert found.p_randomisation == 1  # one sentence: both orders are equally likely


def test_a_pair_is_compared_alike_whatever_else_is_resampled() -> None:
    rng = np.random.default_rng(5)
    references = sentences(rng, 40)
    texts = [noisy(rng, references, 0.3) for _ in range(3)]
    drawn = resample([sentence_statistics(text, references) for text in texts])
    assert compare(drawn[0], drawn[2]) == difference(texts[0], texts[2], references)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_between_no_correction_and_bonferroni(p_values: list[float]) -> None:
    corrected = holm(p_values)
    for p, after in zip(p_values, corrected, strict=True):
        assert p <= after <= min(1, p * len(p_values)) + 1e-12
    # The order is kept: a smaller p-value never gets a larger corrected one.
    assert [after for _, after in sorted(zip(p_values, corrected, strict=True))] == sorted(
        corrected
    )
