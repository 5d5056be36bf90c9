"""All tests as a frame: full precision, one test a row."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from alpha_dimt.evaluation.across_seeds import AcrossSeeds, least_sign_flip, significant
from alpha_dimt.evaluation.pooled import Pooled, Slope
from alpha_dimt.evaluation.within_seed import LEVEL, RESAMPLES, SEED, TRIALS
from alpha_dimt.runs.read import Run
from alpha_dimt.tables.significance.comparisons import Column, WithinSeed

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
SLOPE = "slope over alpha: "
"""Stands before the name of the test of a slope, as POOLED before the variance of a pooled test."""


def tests_frame(columns: Sequence[Column], about: Run) -> pd.DataFrame:
    """Return one row a test, with the columns of FIELDS; what a test does not say is missing.

    Args:
        columns: in their order.
        about: run, for what all have in common.
    """
    rows = []
    for column in columns:
        bleu = column.spread is not None
        shared = {
            "scored": column.scored,
            "metric": about.definition if bleu else "negative log-likelihood, nats per token",
            "signature": about.signature if bleu else "",
            "corpus": about.config.data.corpus.name,
        }
        tests = [row for pair in column.over.pairs for row in _across_rows(pair, column)]
        if column.over.slope:
            tests += _slope_rows(column.over.slope)
        tests += [row for one in column.within for row in _within_rows(one)]
        rows += [shared | row for row in tests]
    texts = dict.fromkeys(("seeds", "system_a", "system_b", "test"), object)
    return pd.DataFrame(rows, columns=FIELDS).astype({"df": "Int64", **texts})


def _across_rows(pair: AcrossSeeds, column: Column) -> Iterator[dict[str, Any]]:
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
    names = {"system_a": pair.pair[0], "system_b": pair.pair[1]}
    if test := column.over.pooled.get(pair.pair):
        remark = "all seeds of both; variance of all systems"
        yield names | _pooled_row(test, WITHIN_SYSTEMS) | {"remark": remark}
    if test := column.over.pooled_by_seed.get(pair.pair):
        remark = "seeds that all systems have; residual variance of all systems"
        yield names | _pooled_row(test, BY_SEED) | {"remark": remark}


def _pooled_row(test: Pooled, name: str) -> dict[str, Any]:
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


def _slope_rows(slope: Slope) -> Iterator[dict[str, Any]]:
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


def _within_rows(one: WithinSeed) -> Iterator[dict[str, Any]]:
    found = one.difference
    base = {
        "scope": WITHIN,
        "seeds": str(one.seed),
        **_pair(one.pair, found.scores),
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
        "p_holm": one.p_holm,
        "significant": one.p_holm < LEVEL,
        "remark": f"two-sided; trials {TRIALS}, generator's seed {SEED}",
    }


def _pair(pair: tuple[str, str], scores: tuple[float, float]) -> dict[str, Any]:
    return dict(zip(("system_a", "system_b", "score_a", "score_b"), pair + scores, strict=True))


def _interval(ends: tuple[float, float] | None) -> dict[str, float | None]:
    return dict(zip(("low", "high"), ends or (None, None), strict=True))
