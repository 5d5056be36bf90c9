"""The tables of comparisons across seeds and within a seed."""

from collections import Counter
from collections.abc import Sequence

from alpha_dimt.evaluation.across_seeds import AcrossSeeds, least_sign_flip, significant
from alpha_dimt.evaluation.pooled import Slope
from alpha_dimt.evaluation.within_seed import LEVEL, RESAMPLES, SEED, TRIALS
from alpha_dimt.runs.read import Run
from alpha_dimt.tables.significance.columns import Column
from alpha_dimt.tables.significance.text import (
    definition,
    p_text,
    sensitivity_text,
    signed,
    signed_interval,
    without_runaways_text,
)
from alpha_dimt.tables.table import Cell, Row, Table, cells

SLOPE = "slope over α"


def across_table(columns: Sequence[Column], about: Run) -> Table:
    """Return the comparisons over seeds, paired seed by seed."""
    rows = []
    for column in columns:
        rows += [_pair_row(column, pair) for pair in column.over.pairs]
        if column.over.slope:
            rows.append(_slope_row(column, column.over.slope))
    return Table(
        title="Across seeds",
        label="across-seeds",
        caption=(
            "Would other trainings show the difference on these sentences? BLEU on "
            f"{about.config.data.corpus.name}, and negative log-likelihood of the dev references "
            "(lower is better; of the checkpoint that is scored), systems paired seed by seed: "
            "mean difference ± sample standard deviation, its 95 % interval and p of the paired t "
            "test, p corrected for the number of pairs (Holm), p of the sign-flip test. Bold: the "
            f"corrected p is below {LEVEL:g}.{_slope_text(columns)} {definition(about)}"
        ),
        grouped_by="Scores",
        headers=(
            *("Difference of", "Seeds", "First", "Second", "Difference"),
            *("95 % interval", "p (t)", "p (Holm)", "p (sign flip)"),
        ),
        rows=rows,
        note=" ".join(map(_found_text, filter(lambda column: column.spread, columns)))
        + _flip_note(columns),
    )


def _pair_row(column: Column, pair: AcrossSeeds) -> Row:
    digits = column.digits
    difference = signed(pair.value, digits)
    if pair.sd is not None:
        difference += f" ± {pair.sd:.{digits}f}"
    return Row(
        column.header,
        (
            *cells(
                f"{pair.pair[1]} − {pair.pair[0]}",
                ", ".join(map(str, pair.seeds)),
                *(f"{score:.{digits}f}" for score in pair.scores[::-1]),
            ),
            Cell(difference, bold=significant(pair)),
            *cells(
                signed_interval(pair.interval, digits),
                *map(p_text, (pair.p_t, pair.p_holm, pair.p_flip)),
            ),
        ),
    )


def _slope_row(column: Column, slope: Slope) -> Row:
    digits = column.digits
    value = signed(slope.value, digits)
    if slope.sd is not None:
        value += f" ± {slope.sd:.{digits}f}"
    seeds = ", ".join(map(str, slope.seeds))
    interval = signed_interval(slope.interval, digits)
    return Row(
        column.header,
        cells(SLOPE, seeds, "", "", value, interval, p_text(slope.p_t), "", ""),
    )


def _slope_text(columns: Sequence[Column]) -> str:
    """Return what the rows of slopes are, if there are any."""
    slope = next((column.over.slope for column in columns if column.over.slope), None)
    if slope is None:
        return ""
    return (
        f" The {SLOPE} is that of {', '.join(slope.alpha)}, per unit of α; its p is that of the t "
        "test of the slopes of the seeds and is not corrected."
    )


def _found_text(column: Column) -> str:
    assert column.spread is not None
    text = f"{column.header}: {sensitivity_text(column.spread.sensitivity)}"
    if column.spread.sensitivity and column.spread_without:
        text += without_runaways_text(column.spread, column.spread_without)
    return text


def _flip_note(columns: Sequence[Column]) -> str:
    counts = {len(pair.seeds) for column in columns for pair in column.over.pairs} - {1}
    return "".join(
        f" The least p that the sign-flip test can give with {count} seeds is "
        f"{least_sign_flip(count):.2g}."
        for count in sorted(counts)
    )


def within_table(columns: Sequence[Column], about: Run) -> Table:
    """Return the comparisons within each seed."""
    rows = []
    for column in columns:
        for one in column.within:
            found = one.difference
            first, second = found.scores
            rows.append(
                Row(
                    f"{column.header}, seed {one.seed}",
                    (
                        *cells(f"{one.pair[1]} − {one.pair[0]}", f"{second:.2f}", f"{first:.2f}"),
                        Cell(signed(found.value), bold=one.p_holm < LEVEL),
                        *cells(
                            signed_interval((found.low, found.high)),
                            p_text(found.p_bootstrap),
                            p_text(found.p_randomisation),
                            p_text(one.p_holm),
                        ),
                    ),
                )
            )
    return Table(
        title="Within a seed",
        label="within-seed",
        caption=(
            "Would other sentences show the difference between these trained models? BLEU on "
            f"{about.config.data.corpus.name} ({about.sizes[1]:,} sentences): difference, its "
            f"95 % interval and two-sided p of the paired bootstrap ({RESAMPLES:,} resamples), "
            f"two-sided p of approximate randomisation ({TRIALS:,} trials; both as in sacreBLEU, "
            f"generator's seed {SEED}), the latter corrected for the pairs of one seed and column "
            f"(Holm). Bold: the corrected p is below {LEVEL:g}. {definition(about)}"
        ),
        grouped_by="Scores",
        headers=(
            *("Difference of", "First", "Second", "Difference", "95 % interval"),
            *("p (bootstrap)", "p (randomisation)", "p (Holm)"),
        ),
        rows=rows,
        note=(
            "Significant within a seed says that these two trained models differ, not that their "
            "objectives do: another seed is another training." + _floor_note(columns)
        ),
    )


def _floor_note(columns: Sequence[Column]) -> str:
    """Return a warning where so many pairs are corrected for that none can be significant."""
    pairs = max(
        (n for column in columns for n in Counter(one.seed for one in column.within).values()),
        default=0,
    )
    least = pairs / (TRIALS + 1)
    if least < LEVEL:
        return ""
    return (
        f" {pairs:,} pairs of a seed are more than {TRIALS:,} trials can tell apart: the least "
        f"corrected p is {min(1.0, least):.2g}, so nothing is bold here."
    )
