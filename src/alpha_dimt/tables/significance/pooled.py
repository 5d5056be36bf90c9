"""The tables of pooled tests, and of what the scatter between seeds is made of."""

import math
from collections.abc import Sequence

import pandas as pd

from alpha_dimt.evaluation.across_seeds import POWER, detectable
from alpha_dimt.evaluation.scatter import Scatter
from alpha_dimt.results import rows_of
from alpha_dimt.runs.read import Run
from alpha_dimt.tables.significance.comparisons import Column
from alpha_dimt.tables.significance.rows import POOLED, SLOPE
from alpha_dimt.tables.significance.tables import KEY, metric, named
from alpha_dimt.tables.table import Table
from alpha_dimt.tables.wording import MINUS, interval_text, p_text, signed, signed_interval


def pooled_table(tests: pd.DataFrame, columns: Sequence[Column], about: Run) -> Table:
    """Return the comparisons over seeds against a variance that is pooled over all systems."""
    pooled = named(tests[tests["test"].str.contains(POOLED, na=False)], columns)
    pooled["variance"] = pooled["test"].str.removeprefix(SLOPE)
    # What the test that is shown in full takes its variance from.
    first = {column.scored: column.variance for column in columns}
    is_first = pooled["variance"] == pooled["scored"].map(first)
    other = pooled.loc[~is_first, [*KEY, "p", "p_holm"]]
    shown = pooled[is_first].merge(other, how="left", on=KEY, suffixes=("", "_other"))
    rows = [
        [
            one.name,
            one.variance.removeprefix(POOLED),
            signed(one.difference, one.digits),
            signed_interval(one.low, one.high, one.digits),
            signed(one.t),
            str(one.df),
            *map(p_text, (one.p, one.p_holm, one.p_other, one.p_holm_other)),
        ]
        for one in rows_of(shown)
    ]
    headers = [
        *("Difference of", "Variance", "Difference", "95 % interval", "t", "df", "p"),
        *("p (Holm)", "p (other)", "p (other, Holm)"),
    ]
    return Table(
        title="Across seeds, pooled",
        label="across-seeds-pooled",
        caption=(
            "The same question, if all systems scatter alike: then the variance is that of all "
            "systems together. Within systems: the variance of a system's scores over its seeds. "
            "By seed: what remains of it when what a seed does to all systems is taken off. "
            "Difference, its 95 % interval, t, degrees of freedom, p and p corrected for the "
            "number of pairs (Holm) with the variance that is named; p and corrected p with the "
            "other one. Nothing is bold here: the paired t test decides what is significant. "
            f"{metric(about)}"
        ),
        grouped_by="Scores",
        rows=pd.DataFrame(rows, index=shown["header"], columns=headers),
        note=" ".join([*_correlations(columns), *_found(columns)]),
    )


def _correlations(columns: Sequence[Column]) -> list[str]:
    found = [
        f"{column.header} {signed(correlation.value)} ({signed_interval(*correlation.interval)})"
        for column in columns
        if (correlation := column.correlation)
    ]
    if not found:
        return ["The tests take two seeds of a system, with scores that scatter."]
    return [
        f"Correlation of two systems of one seed (95 % interval): {', '.join(found)}. The "
        "higher it is, the more pairing by seed gains."
    ]


def _found(columns: Sequence[Column]) -> list[str]:
    """Return what the pooled tests of BLEU could find."""
    found = []
    for column in columns:
        if column.spread and column.spread.scatter and column.spread.sensitivity:
            between, seeds = column.spread.scatter.between, column.spread.sensitivity.seeds
            least = detectable(math.sqrt(2) * between.sd, seeds, freedom=between.freedom)
            found.append(
                f"{column.header}: with the variance within systems {seeds} seeds find a true "
                f"difference of {least:.2f} BLEU with a probability of {100 * POWER:g} % in one "
                "comparison."
            )
    return found


def scatter_table(columns: Sequence[Column], about: Run) -> Table:
    """Return what the scatter of BLEU between seeds is made of."""
    groups, rows = [], []
    for column in columns:
        header = column.header
        for spread in filter(None, (column.spread, column.spread_without)):
            if spread is column.spread_without and column.spread:
                count = column.spread.sentences - spread.sentences
                header += f" without {count:,} sentence{'s' * (count > 1)}"
            parts = _parts(spread.scatter) if spread.scatter else []
            rows += parts
            groups += [header] * len(parts)
    return Table(
        title="Scatter",
        label="scatter",
        caption=(
            "What do the scores of a system scatter by from seed to seed, and why? Variance of "
            "BLEU between seeds, pooled over the systems, with the 95 % interval of its standard "
            "deviation; the part of it that the sentences of test account for (half the bootstrap "
            "variance of the difference between two seeds); and the rest, which would remain on a "
            "test set without end; chance can put it below 0. Last, for comparison: by how much "
            "another test set moves the score of one model; most of this moves all models alike. "
            f"{metric(about)}"
        ),
        grouped_by="Scores",
        rows=pd.DataFrame(rows, groups, ["Part", "Variance", "Standard deviation", "Share"]),
        note=(
            "Sentences are left out where a translation of some run runs away."
            if any(column.spread_without for column in columns)
            else ""
        ),
    )


def _parts(found: Scatter) -> list[list[str]]:
    whole = found.between
    between = f"{whole.sd:.2f} ({interval_text(*whole.sd_interval)})"
    return [
        ["between seeds of a system", f"{whole.value:.3f}", between, ""],
        _part("the sentences of test", found.sentences, whole.value),
        _part("the trainings: the rest", found.trainings, whole.value),
        ["another test set", f"{found.single:.3f}", f"{math.sqrt(found.single):.2f}", ""],
    ]


def _part(name: str, value: float, whole: float) -> list[str]:
    sd = f"{math.sqrt(value):.2f}" if value >= 0 else ""
    share = f"{100 * value / whole:.0f} %"
    return [name, f"{value:.3f}".translate(MINUS), sd, share.translate(MINUS)]
