import numpy as np
import pytest

from alpha_dimt.evaluation.metrics import sentence_statistics
from alpha_dimt.evaluation.scatter import runaways, scatter
from alpha_dimt.evaluation.within_seed import Resampled, resample

NOTHING = np.zeros(10)


def model(score: float, bootstrap: list[float]) -> Resampled:
    return Resampled(score, np.array(bootstrap), NOTHING, NOTHING)


def test_the_parts_by_hand() -> None:
    # Between: variances 2 and 8 with one degree of freedom each. Sentences: half the variances of
    # the differences (0, 2, 4: 4) and (0, 0, 6: 12).
    systems = [
        [model(40, [0, 0, 0]), model(42, [0, 2, 4])],
        [model(41, [1, 2, 3]), model(45, [1, 2, 9])],
        [model(30, [1, 2, 3])],
    ]
    found = scatter(systems)
    assert found is not None
    assert (found.between.value, found.between.freedom) == (pytest.approx(5), 2)
    assert found.sentences == pytest.approx((4 / 2 + 12 / 2) / 2)
    assert found.trainings == pytest.approx(5 - 4)
    assert found.single == pytest.approx((0 + 4 + 1 + 19 + 1) / 5)
    assert scatter([systems[0][:1], systems[1][1:]]) is None


def test_more_seeds_count_as_their_degrees_of_freedom() -> None:
    three = [model(40, [0, 0]), model(41, [0, 2]), model(42, [0, 4])]
    two = [model(40, [0, 0]), model(40.5, [0, 1])]
    found = scatter([three, two])
    assert found is not None
    assert found.between.value == pytest.approx((2 * 1 + 0.125) / 3)
    # Differences of 2, 4 and 2 have variances 2, 8 and 2; the other one 1/2.
    assert found.sentences == pytest.approx((2 * (2 + 8 + 2) / 3 / 2 + 0.25) / 3)


def corpus(
    rng: np.random.Generator, models: int, sentences: int, scatter_of_models: float
) -> list[list[Resampled]]:
    """Return models that are right on other words, and better or worse as a whole."""
    words = [f"w{i}" for i in range(30)]
    references = [" ".join(rng.choice(words, 8)) for _ in range(sentences)]
    hypotheses = []
    for _ in range(models):
        rate = 0.3 + rng.normal(0, scatter_of_models)
        hypotheses.append(
            [
                " ".join(rng.choice(words) if rng.random() < rate else w for w in line.split())
                for line in references
            ]
        )
    return [resample([sentence_statistics(lines, references) for lines in hypotheses])]


def test_equal_models_scatter_by_the_sentences_alone() -> None:
    found = scatter(corpus(np.random.default_rng(0), 24, 120, 0.0))
    assert found is not None
    low, high = (end**2 for end in found.between.sd_interval)
    assert low < found.sentences < high
    unequal = scatter(corpus(np.random.default_rng(0), 24, 120, 0.06))
    assert unequal is not None
    assert unequal.sentences < unequal.between.sd_interval[0] ** 2


def test_what_runs_away() -> None:
    references = ["a b c", "a b c", "a " * 60, "a b"]
    long = ["w " * 56, "w " * 57, "w " * 170, "a b"]
    short = ["a b c", "a b c", "a " * 171, "a b"]
    both = [sentence_statistics(lines, references) for lines in (long, short)]
    assert runaways(both[:1]).tolist() == [False, True, False, False]
    assert runaways(both).tolist() == [False, True, True, False]
