"""Compare two trained systems on one test set: would other sentences give the same result?

Both tests of sacreBLEU, on the same draws (its generator and seed), for all systems at once. The
draws belong to the test set and not to the pair, so every system is resampled once and every pair
is then a subtraction. Besides the p-value that sacreBLEU prints, the result has the interval of the
difference and a two-sided p-value: sacreBLEU's bootstrap is one-sided in effect, as
docs/explanation/significance.md shows.

Shapes: N sentences, 10 statistics (`metrics.sentence_statistics`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alpha_dimt.evaluation.metrics import bleu_of

RESAMPLES = 1_000
TRIALS = 10_000
SEED = 12_345
"""sacreBLEU's defaults."""

LEVEL = 0.05
"""Significance level of every test and interval: 5 % false positives, 95 % intervals."""

# BLEU values that differ by less are equal: they come from the same integer counts.
_EQUAL = 1e-9
_BLOCK = 250  # draws computed at once; limits memory

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Resampled:
    """BLEU of one system on a test set and on its resamples.

    Attributes:
        score: BLEU on the test set.
        bootstrap: [RESAMPLES] BLEU on sentences drawn with replacement.
        total: [10] statistics of the test set.
        half: [TRIALS, 10] statistics of a random half of the sentences, which the systems of a
            pair exchange.
    """

    score: float
    bootstrap: Floats
    total: Floats
    half: Floats


@dataclass(frozen=True)
class Difference:
    """The second system of a pair minus the first, on one test set.

    Attributes:
        scores: BLEU of both systems.
        value: difference.
        low: lower end of its 95 % interval, by percentiles of the paired bootstrap.
        high: upper end of that interval.
        p_bootstrap: two-sided p-value of the paired bootstrap.
        p_sacrebleu: p-value of the same resamples as sacreBLEU prints it; one-sided in effect.
        p_randomisation: two-sided p-value of approximate randomisation; as sacreBLEU prints it,
            except that ties count as no difference.
    """

    scores: tuple[float, float]
    value: float
    low: float
    high: float
    p_bootstrap: float
    p_sacrebleu: float
    p_randomisation: float


def resample(systems: Sequence[Floats]) -> list[Resampled]:
    """Resample one test set, with the same draws for every system.

    Args:
        systems: for each system, [N, 10] statistics of its translations.
    """
    sentences = len(systems[0])
    joined = np.concatenate(systems, axis=1)  # [N, systems * 10]

    rng = np.random.default_rng(SEED)
    drawn = []
    for start in range(0, RESAMPLES, _BLOCK):
        rows = min(_BLOCK, RESAMPLES - start)
        picks = rng.integers(sentences, size=(rows, sentences))
        flat = (picks + sentences * np.arange(rows)[:, None]).ravel()
        counts = np.bincount(flat, minlength=rows * sentences).reshape(rows, sentences)
        drawn.append(counts.astype(np.float64) @ joined)

    rng = np.random.default_rng(SEED)
    chosen = rng.integers(2, size=(TRIALS, sentences), dtype=bool)
    halves = [
        chosen[start : start + _BLOCK].astype(np.float64) @ joined
        for start in range(0, TRIALS, _BLOCK)
    ]

    parts = len(systems)
    bootstrap = bleu_of(np.concatenate(drawn).reshape(RESAMPLES, parts, 10))
    half = np.concatenate(halves).reshape(TRIALS, parts, 10)
    totals = [statistics.sum(axis=0) for statistics in systems]
    return [
        Resampled(float(bleu_of(total)), bootstrap[:, i], total, half[:, i])
        for i, total in enumerate(totals)
    ]


def compare(first: Resampled, second: Resampled) -> Difference:
    """Test whether two systems that were resampled together differ."""
    value = second.score - first.score
    differences = second.bootstrap - first.bootstrap
    low, high = np.quantile(differences, [LEVEL / 2, 1 - LEVEL / 2])
    # Under the null hypothesis the differences vary around 0 as they do around their mean.
    scatter = np.abs(differences - differences.mean())
    sizes = np.abs(differences)
    exchanged = bleu_of(first.total - first.half + second.half) - bleu_of(
        second.total - second.half + first.half
    )
    size = abs(value)
    return Difference(
        scores=(first.score, second.score),
        value=value,
        low=float(low),
        high=float(high),
        p_bootstrap=_p_value(scatter >= size - _EQUAL),
        p_sacrebleu=_p_value(sizes - sizes.mean() > size),
        p_randomisation=_p_value(np.abs(exchanged) >= size - _EQUAL),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values with Holm's (1979) correction for their number, in the order given."""
    ranks = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    stepped = np.maximum.accumulate(np.minimum(1, factors * np.asarray(p_values)[ranks]))
    corrected = np.empty(len(p_values))
    corrected[ranks] = stepped
    return [float(p) for p in corrected]


def _p_value(as_large: npt.NDArray[np.bool_]) -> float:
    """Return the share of draws as large as the observed difference, which counts as a draw."""
    return (int(as_large.sum()) + 1) / (len(as_large) + 1)
