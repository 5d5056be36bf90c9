"""All tests for a program: full precision, one test a row."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from alpha_dimt.evaluation.across_seeds import AcrossSeeds, least_sign_flip, significant
from alpha_dimt.evaluation.pooled import Pooled, Slope
from alpha_dimt.evaluation.within_seed import LEVEL, RESAMPLES, SEED, TRIALS
from alpha_dimt.runs.read import Run
from alpha_dimt.tables.significance.columns import Column, WithinSeed

FIELDS = (
    *("scored", "scope", "seeds", "system_a", "system_b", "score_a", "score_b"),
    *("difference", "sd", "low", "high", "test", "t", "df", "p", "p_holm", "significant"),
    *("remark", "metric", "signature", "corpus"),
)
ACROSS = "across seeds"
WITHIN_SYSTEMS = "pooled t, within systems"
BY_SEED = "pooled t, by seed"


def csv_text(columns: Sequence[Column], about: Run) -> str:
    """Return the tests as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    for column in columns:
        bleu = column.spread is not None
        shared = {
            "scored": column.scored,
            "metric": about.definition if bleu else "negative log-likelihood, nats per token",
            "signature": about.signature if bleu else "",
            "corpus": about.config.data.corpus.name,
        }
        for pair in column.over.pairs:
            writer.writerows({**shared, **row} for row in _across_rows(pair, column))
        if column.over.slope:
            writer.writerows({**shared, **row} for row in _slope_rows(column.over.slope))
        for one in column.within:
            writer.writerows({**shared, **row} for row in _within_rows(one))
    return text.getvalue()


def _across_rows(pair: AcrossSeeds, column: Column) -> Iterable[dict[str, Any]]:
    low, high = pair.interval or ("", "")
    base = {
        "scope": ACROSS,
        "seeds": " ".join(map(str, pair.seeds)),
        **_pair(pair.pair, pair.scores),
        "difference": pair.value,
        "sd": pair.sd,
    }
    if len(pair.seeds) == 1:
        yield {**base, "remark": "one seed says nothing about others"}
    else:
        yield {
            **base,
            "low": low,
            "high": high,
            "test": "paired t",
            "df": len(pair.seeds) - 1,
            "p": pair.p_t,
            "p_holm": pair.p_holm,
            "significant": significant(pair),
            "remark": "" if pair.p_t is not None else "the differences do not scatter: no t test",
        }
        least = least_sign_flip(len(pair.seeds))
        yield {
            **base,
            "test": "sign flip",
            "p": pair.p_flip,
            "remark": f"the least that it can give: {least:g}",
        }
    names = {"system_a": pair.pair[0], "system_b": pair.pair[1]}
    if test := column.over.pooled.get(pair.pair):
        remark = "all seeds of both; variance of all systems"
        yield {**names, **_pooled_row(test, WITHIN_SYSTEMS), "remark": remark}
    if test := column.over.pooled_by_seed.get(pair.pair):
        remark = "seeds that all systems have; residual variance of all systems"
        yield {**names, **_pooled_row(test, BY_SEED), "remark": remark}


def _pooled_row(test: Pooled, name: str) -> dict[str, Any]:
    return {
        "scope": ACROSS,
        "difference": test.value,
        "low": test.interval[0],
        "high": test.interval[1],
        "test": name,
        "t": test.t,
        "df": test.freedom,
        "p": test.p,
        "p_holm": test.p_holm,
    }


def _slope_rows(slope: Slope) -> Iterable[dict[str, Any]]:
    low, high = slope.interval or ("", "")
    remark = "per unit of alpha: " + ", ".join(f"{k} {v:g}" for k, v in slope.alpha.items())
    yield {
        "scope": ACROSS,
        "seeds": " ".join(map(str, slope.seeds)),
        "difference": slope.value,
        "sd": slope.sd,
        "low": low,
        "high": high,
        "test": "slope over alpha: t",
        "df": len(slope.seeds) - 1,
        "p": slope.p_t,
        "remark": remark,
    }
    for test, name in ((slope.pooled, WITHIN_SYSTEMS), (slope.pooled_by_seed, BY_SEED)):
        if test:
            yield {**_pooled_row(test, f"slope over alpha: {name}"), "remark": remark}


def _within_rows(one: WithinSeed) -> Iterable[dict[str, Any]]:
    difference = one.difference
    base = {
        "scope": "within a seed",
        "seeds": one.seed,
        **_pair(one.pair, difference.scores),
        "difference": difference.value,
    }
    yield {
        **base,
        "low": difference.low,
        "high": difference.high,
        "test": "paired bootstrap",
        "p": difference.p_bootstrap,
        "remark": f"two-sided; resamples {RESAMPLES}, generator's seed {SEED}",
    }
    yield {
        **base,
        "test": "paired bootstrap of sacreBLEU",
        "p": difference.p_sacrebleu,
        "remark": f"one-sided in effect; resamples {RESAMPLES}, generator's seed {SEED}",
    }
    yield {
        **base,
        "test": "approximate randomisation",
        "p": difference.p_randomisation,
        "p_holm": one.p_holm,
        "significant": one.p_holm < LEVEL,
        "remark": f"two-sided; trials {TRIALS}, generator's seed {SEED}",
    }


def _pair(pair: tuple[str, str], scores: tuple[float, float]) -> dict[str, Any]:
    return {
        "system_a": pair[0],
        "system_b": pair[1],
        "score_a": scores[0],
        "score_b": scores[1],
    }
