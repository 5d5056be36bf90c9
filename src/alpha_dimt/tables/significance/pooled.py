"""The tables of pooled tests, and of what the scatter between seeds is made of."""

import math
from collections.abc import Sequence

from alpha_dimt.evaluation.across_seeds import POWER, detectable
from alpha_dimt.evaluation.pooled import Pooled
from alpha_dimt.evaluation.scatter import Scatter
from alpha_dimt.runs.read import Run
from alpha_dimt.tables.significance.columns import Column, Spread
from alpha_dimt.tables.significance.tables import SLOPE
from alpha_dimt.tables.significance.text import definition, p_text, signed, signed_interval
from alpha_dimt.tables.table import Row, Table, cells

PRIMARY = {False: "within systems", True: "by seed"}
"""What the pooled test that is shown in full takes its variance from, by `Column.by_seed`."""


def pooled_table(columns: Sequence[Column], about: Run) -> Table:
    """Return the comparisons over seeds against a variance that is pooled over all systems."""
    rows = []
    for column in columns:
        over = column.over
        tests = [
            (f"{pair.pair[1]} − {pair.pair[0]}", over.pooled, over.pooled_by_seed, pair.pair)
            for pair in over.pairs
        ]
        shown = [
            (name, within.get(pair), by_seed.get(pair)) for name, within, by_seed, pair in tests
        ]
        if over.slope:
            shown.append((SLOPE, over.slope.pooled, over.slope.pooled_by_seed))
        rows += [row for one in shown if (row := _row(column, *one))]
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
            f"{definition(about)}"
        ),
        grouped_by="Scores",
        headers=(
            *("Difference of", "Variance", "Difference", "95 % interval", "t", "df", "p"),
            *("p (Holm)", "p (other)", "p (other, Holm)"),
        ),
        rows=rows,
        note=" ".join([*_correlations(columns), *_found(columns)]),
    )


def _row(column: Column, name: str, within: Pooled | None, by_seed: Pooled | None) -> Row | None:
    first, second = (by_seed, within) if column.by_seed else (within, by_seed)
    if first is None:
        return None
    return Row(
        column.header,
        cells(
            name,
            PRIMARY[column.by_seed],
            signed(first.value, column.digits),
            signed_interval(first.interval, column.digits),
            signed(first.t),
            str(first.freedom),
            *map(p_text, (first.p, first.p_holm)),
            *map(p_text, (second.p, second.p_holm) if second else (None, None)),
        ),
    )


def _correlations(columns: Sequence[Column]) -> list[str]:
    found = [
        f"{column.header} {signed(correlation.value)} ({signed_interval(correlation.interval)})"
        for column in columns
        if (correlation := column.over.correlation)
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
    rows = []
    for column in columns:
        if column.spread:
            rows += _parts(column.header, column.spread)
        if column.spread and column.spread_without:
            count = column.spread.sentences - column.spread_without.sentences
            header = f"{column.header} without {count:,} sentence{'s' * (count > 1)}"
            rows += _parts(header, column.spread_without)
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
            f"{definition(about)}"
        ),
        grouped_by="Scores",
        headers=("Part", "Variance", "Standard deviation", "Share"),
        rows=rows,
        note=(
            "Sentences are left out where a translation of some run runs away."
            if any(column.spread_without for column in columns)
            else ""
        ),
    )


def _parts(header: str, spread: Spread) -> list[Row]:
    found = spread.scatter
    if found is None:
        return []
    low, high = found.between.sd_interval
    between = f"{found.between.sd:.2f} ({low:.2f} to {high:.2f})"
    return [
        Row(header, cells("between seeds of a system", f"{found.between.value:.3f}", between, "")),
        _part(header, "the sentences of test", found.sentences, found),
        _part(header, "the trainings: the rest", found.trainings, found),
        Row(
            header,
            cells("another test set", f"{found.single:.3f}", f"{math.sqrt(found.single):.2f}", ""),
        ),
    ]


def _part(header: str, name: str, value: float, found: Scatter) -> Row:
    sd = f"{math.sqrt(value):.2f}" if value >= 0 else ""
    share = f"{100 * value / found.between.value:.0f} %"
    return Row(header, cells(name, f"{value:.3f}".replace("-", "−"), sd, share.replace("-", "−")))
