"""Means, deviations and intervals over the seeds of each system."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

import pandas as pd

from alpha_dimt.evaluation.across_seeds import Scores, interval
from alpha_dimt.results import epoch_frame, rows_of, run_frame
from alpha_dimt.runs.paths import COLUMNS
from alpha_dimt.runs.read import BLEU, Run
from alpha_dimt.tables.wording import OURS, interval_text, mean_sd

HEADERS = {"system": "System", "alpha": "α", "tau": "τ", "seeds": "Seeds"}
"""Of the columns that say who a system is."""
RUN = ["system", "seed"]
"""What a run is known by in every frame."""
BEST_EPOCH = "the checkpoint with the best greedy dev BLEU"
"""What is published unless weights are averaged."""
LIKELIHOOD = "valid_nll_per_token"
"""The negative log-likelihood of dev in metrics.jsonl and in run.json."""


def bleu_by_run(scores: pd.DataFrame) -> pd.DataFrame:
    """Return [runs, COLUMNS] BLEU from a frame of scores, by system and seed."""
    bleu = scores[scores["metric"] == BLEU]
    wide = bleu.assign(name=bleu["split"] + "." + bleu["search"]).pivot(
        index=RUN, columns="name", values="value"
    )
    return wide[list(COLUMNS.values())].set_axis(list(COLUMNS), axis="columns")


def likelihood_by_run(runs: Sequence[Run]) -> pd.Series:
    """Return the negative log-likelihood of dev of the weights that are published.

    Returns:
        By system and seed, in nats a token; NaN of a run that does not say it.
    """
    best = run_frame(runs)[[*RUN, "best_epoch", "average_nll"]]
    best = best.rename(columns={"best_epoch": "epoch"})
    best["averages"] = [run.config.training.average is not None for run in runs]
    epochs = epoch_frame(runs).reindex(columns=[*RUN, "epoch", LIKELIHOOD])
    found = best.merge(epochs, how="left", on=[*RUN, "epoch"]).set_index(RUN)
    of_average = found["average_nll"].astype(float)
    return found[LIKELIHOOD].mask(found["averages"], of_average)


def by_system(values: pd.Series) -> Scores:
    """Return values by system and seed as the tests over seeds take them."""
    scores: dict[str, dict[int, float]] = {}
    for one in rows_of(values.rename("value").reset_index()):
        scores.setdefault(one.system, {})[one.seed] = one.value
    return scores


def summarise(runs: pd.DataFrame, figures: pd.DataFrame) -> pd.DataFrame:
    """Return one row a system with the statistics of each figure over its seeds.

    Args:
        runs: one row a run, see `results.run_frame`.
        figures: by system and seed.

    Returns:
        system, objective, alpha, tau, corpus; n_seeds and seeds, as text; of each figure _mean, _sd
        (sample standard deviation), _low and _high (95 % interval of the mean by Student's t). A
        figure that one seed lacks is NaN, and so is what takes two seeds where there is one.
    """
    systems = runs.groupby("system", observed=True)
    about = systems[["objective", "alpha", "tau", "corpus"]].first()
    about["n_seeds"] = systems.size().astype("Int64")
    about["seeds"] = systems["seed"].agg(lambda seeds: " ".join(map(str, seeds)))
    statistics = figures.groupby("system", observed=True).agg(list(STATISTICS.values()))
    statistics.columns = [f"{figure}_{name}" for figure in figures for name in STATISTICS]
    return about.join(statistics).reset_index()


def computed_by(run: Any) -> str:
    """Return what computed a run: the name of its GPU, or "cpu"; from a row of `run_frame`."""
    return str(run.device if pd.isna(run.gpu) else run.gpu)


def published_weights(runs: Sequence[Run]) -> str:
    """Return which weights the scores of some runs are of."""
    kinds = {
        run.config.training.average.sentence() if run.config.training.average else BEST_EPOCH
        for run in runs
    }
    return " or, where a system averages, ".join(sorted(kinds, key=lambda kind: kind != BEST_EPOCH))


def mixed_devices(runs: pd.DataFrame) -> str:
    """Return a sentence if runs were computed on different devices or in different precisions.

    Args:
        runs: one row a run, see `results.run_frame`.
    """
    kinds = Counter(f"{computed_by(run)} in {run.precision}" for run in rows_of(runs))
    if len(kinds) < 2:
        return ""
    counts = ", ".join(f"{kind}: {count} runs" for kind, count in sorted(kinds.items()))
    return (
        f"The runs were not computed alike ({counts}). Rounding differs between devices and "
        "precisions, which alone can move a score."
    )


# By the standard library, which rounds a sum once: pandas' mean and std differ in the last digit.
def _mean(values: pd.Series) -> float:
    return float(mean(values))


def _sd(values: pd.Series) -> float:
    return float("nan") if values.hasnans or len(values) < 2 else stdev(values)


def _low(values: pd.Series) -> float:
    return _end(values, 0)


def _high(values: pd.Series) -> float:
    return _end(values, 1)


def _end(values: pd.Series, which: int) -> float:
    ends = None if values.hasnans else interval(list(values))
    return float("nan") if ends is None else ends[which]


STATISTICS: Mapping[str, Any] = {"mean": _mean, "sd": _sd, "low": _low, "high": _high}


def texts_of(
    summary: pd.DataFrame, forms: Mapping[str, str], *, intervals: bool = False
) -> pd.DataFrame:
    """Return a summary for people.

    Args:
        summary: one row a system, see `summarise`.
        forms: figures that are shown, and the format of their numbers.
        intervals: whether intervals are shown, too.

    Returns:
        Texts, one row a system, the index saying that it is ours and of which corpus. The columns
        are those of HEADERS, and one a figure, followed by {figure}_interval where these are shown.
    """
    texts = summary[list(HEADERS)].astype(str)
    texts["seeds"] = texts["seeds"].str.replace(" ", ", ")
    for figure, form in forms.items():
        mean, sd, low, high = (summary[f"{figure}_{name}"] for name in STATISTICS)
        texts[figure] = [mean_sd(*values, form) for values in zip(mean, sd, strict=True)]
        if intervals:
            texts[f"{figure}_interval"] = [
                interval_text(*ends, form) for ends in zip(low, high, strict=True)
            ]
    return texts.set_index(f"{OURS} (" + summary["corpus"] + ")")
