"""All tests as rows of a frame: full precision, one test a row."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import pandas as pd

from alpha_dimt.evaluation.across_seeds import (
    AcrossSeeds,
    Scores,
    compare_pairs,
    least_sign_flip,
    significant,
)
from alpha_dimt.evaluation.pooled import Pooled, Slope, pooled_pairs, slope
from alpha_dimt.evaluation.within_seed import (
    LEVEL,
    RESAMPLES,
    SEED,
    TRIALS,
    compare,
    holm,
)

FIELDS = [
    *("scored", "scope", "seeds", "system_a", "system_b", "score_a", "score_b"),
    *("difference", "sd", "low", "high", "test", "t", "df", "p", "p_holm", "significant"),
    *("remark", "metric", "signature", "corpus"),
]
ACROSS, WITHIN = "across seeds", "within a seed"
PAIRED, SIGN_FLIP = "paired t", "sign flip"
BOOTSTRAP, RANDOMISATION = "paired bootstrap", "approximate randomisation"
POOLED = "pooled t, "
WITHIN_SYSTEMS, BY_SEED = f"{POOLED}within systems", f"{POOLED}by seed"
REMARKS = {
    WITHIN_SYSTEMS: "all seeds of both; variance of all systems",
    BY_SEED: "seeds that all systems have; residual variance of all systems",
}
SLOPE = "slope over alpha: "
"""Stands before the name of the test of a slope, as POOLED before the variance of a pooled test."""


Row = dict[str, Any]


def across_rows(scores: Scores, alpha: Mapping[str, float]) -> Iterator[Row]:
    """Yield every test over seeds.

    Args:
        scores: of each system and seed.
        alpha: of the systems that a slope is of; empty: none.
    """
    pooled = {name: pooled_pairs(scores, by_seed=name == BY_SEED) for name in REMARKS}
    for pair in compare_pairs(scores):
        yield from _pair_rows(pair)
        names = {"system_a": pair.pair[0], "system_b": pair.pair[1]}
        for name, remark in REMARKS.items():
            if test := pooled[name].get(pair.pair):
                yield names | _pooled_row(test, name) | {"remark": remark}
    if alpha and (found := slope(scores, alpha)):
        yield from _slope_rows(found)


def within_rows(seed: int, models: pd.Series) -> Iterator[Row]:
    """Yield every test of one seed; `models` are resampled scores by system."""
    pairs = list(combinations(models.index, 2))
    differences = [compare(models[first], models[second]) for first, second in pairs]
    corrected = holm([difference.p_randomisation for difference in differences])
    for pair, found, p_holm in zip(pairs, differences, corrected, strict=True):
        base = {
            "scope": WITHIN,
            "seeds": str(seed),
            **_pair(pair, found.scores),
            "difference": found.value,
        }
        yield base | {
            **_interval((found.low, found.high)),
            "test": BOOTSTRAP,
            "p": found.p_bootstrap,
            "remark": f"two-sided; resamples {RESAMPLES}, generator's seed {SEED}",
        }
        yield base | {
            "test": "paired bootstrap of sacreBLEU",
            "p": found.p_sacrebleu,
            "remark": f"one-sided in effect; resamples {RESAMPLES}, generator's seed {SEED}",
        }
        yield base | {
            "test": RANDOMISATION,
            "p": found.p_randomisation,
            "p_holm": p_holm,
            "significant": p_holm < LEVEL,
            "remark": f"two-sided; trials {TRIALS}, generator's seed {SEED}",
        }


def _pair_rows(pair: AcrossSeeds) -> Iterator[Row]:
    base = {
        "scope": ACROSS,
        "seeds": " ".join(map(str, pair.seeds)),
        **_pair(pair.pair, pair.scores),
        "difference": pair.value,
        "sd": pair.sd,
    }
    if len(pair.seeds) == 1:
        yield base | {"remark": "one seed says nothing about others"}
    else:
        yield base | {
            **_interval(pair.interval),
            "test": PAIRED,
            "df": len(pair.seeds) - 1,
            "p": pair.p_t,
            "p_holm": pair.p_holm,
            "significant": significant(pair),
            "remark": "" if pair.p_t is not None else "the differences do not scatter: no t test",
        }
        least = least_sign_flip(len(pair.seeds))
        yield base | {
            "test": SIGN_FLIP,
            "p": pair.p_flip,
            "remark": f"the least that it can give: {least:g}",
        }


def _pooled_row(test: Pooled, name: str) -> Row:
    return {
        "scope": ACROSS,
        "difference": test.value,
        **_interval(test.interval),
        "test": name,
        "t": test.t,
        "df": test.freedom,
        "p": test.p,
        "p_holm": test.p_holm,
    }


def _slope_rows(slope: Slope) -> Iterator[Row]:
    remark = "per unit of alpha: " + ", ".join(f"{k} {v:g}" for k, v in slope.alpha.items())
    yield {
        "scope": ACROSS,
        "seeds": " ".join(map(str, slope.seeds)),
        "difference": slope.value,
        "sd": slope.sd,
        **_interval(slope.interval),
        "test": f"{SLOPE}t",
        "df": len(slope.seeds) - 1,
        "p": slope.p_t,
        "remark": remark,
    }
    for test, name in ((slope.pooled, WITHIN_SYSTEMS), (slope.pooled_by_seed, BY_SEED)):
        if test:
            yield _pooled_row(test, f"{SLOPE}{name}") | {"remark": remark}


def _pair(pair: tuple[str, str], scores: tuple[float, float]) -> Row:
    return dict(zip(("system_a", "system_b", "score_a", "score_b"), pair + scores, strict=True))


def _interval(ends: tuple[float, float] | None) -> dict[str, float | None]:
    return dict(zip(("low", "high"), ends or (None, None), strict=True))
