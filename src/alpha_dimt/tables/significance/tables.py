"""The tables of comparisons across seeds and within a seed, from the frame of all tests."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from alpha_dimt.evaluation.across_seeds import least_sign_flip
from alpha_dimt.evaluation.scatter import RUNAWAY_TIMES, RUNAWAY_TOKENS
from alpha_dimt.evaluation.within_seed import LEVEL, RESAMPLES, SEED, TRIALS
from alpha_dimt.results import rows_of
from alpha_dimt.runs.read import Run
from alpha_dimt.tables.significance.comparisons import Column, Spread
from alpha_dimt.tables.significance.rows import (
    ACROSS,
    BOOTSTRAP,
    PAIRED,
    RANDOMISATION,
    SIGN_FLIP,
    SLOPE,
    WITHIN,
)
from alpha_dimt.tables.table import Table
from alpha_dimt.tables.wording import (
    number,
    p_text,
    seeds_wanted,
    sensitivity_text,
    signed,
    signed_interval,
    with_sd,
)

SLOPE_NAME = "slope over α"
KEY = ["scored", "name"]
"""What a test over seeds is known by in a frame that is `named`."""


def across_table(
    tests: pd.DataFrame, columns: Sequence[Column], about: Run, mixed: str = ""
) -> Table:
    """Return the comparisons over seeds, paired seed by seed; for `mixed`, see `mixed_devices`."""
    headers = [
        *("Difference of", "Seeds", "First", "Second", "Difference"),
        *("95 % interval", "p (t)", "p (Holm)", "p (sign flip)"),
    ]
    across = named(tests[tests["scope"] == ACROSS], columns)
    shown = across[across["test"].isna() | across["test"].isin([PAIRED, f"{SLOPE}t"])]
    flips = across[across["test"] == SIGN_FLIP][[*KEY, "p"]].rename(columns={"p": "p_flip"})
    shown = shown.merge(flips, how="left", on=KEY)
    rows = [
        [
            one.name,
            one.seeds.replace(" ", ", "),
            number(one.score_b, f".{one.digits}f"),
            number(one.score_a, f".{one.digits}f"),
            with_sd(signed(one.difference, one.digits), one.sd, f".{one.digits}f"),
            signed_interval(one.low, one.high, one.digits),
            *map(p_text, (one.p, one.p_holm, one.p_flip)),
        ]
        for one in rows_of(shown)
    ]
    return Table(
        title="Across seeds",
        label="across-seeds",
        caption=(
            "Would other trainings show the difference on these sentences? BLEU on "
            f"{about.config.data.corpus.name}, and negative log-likelihood of the dev references "
            "(lower is better; of the checkpoint that is scored), systems paired seed by seed: "
            "mean difference ± sample standard deviation, its 95 % interval and p of the paired t "
            "test, p corrected for the number of pairs (Holm), p of the sign-flip test. Bold: the "
            f"corrected p is below {LEVEL:g}.{_slope_text(tests, columns[0].alpha)} {metric(about)}"
        ),
        grouped_by="Scores",
        rows=pd.DataFrame(rows, index=shown["header"], columns=headers),
        bold=significant_in(shown, headers),
        note=(
            " ".join(map(_found_text, filter(lambda column: column.spread, columns)))
            + _flip_note(tests.loc[tests["test"] == SIGN_FLIP, "seeds"])
            + (mixed and f" {mixed}")
        ),
    )


def within_table(tests: pd.DataFrame, columns: Sequence[Column], about: Run) -> Table:
    """Return the comparisons within each seed."""
    headers = [
        *("Difference of", "First", "Second", "Difference", "95 % interval"),
        *("p (bootstrap)", "p (randomisation)", "p (Holm)"),
    ]
    within = named(tests[tests["scope"] == WITHIN], columns)
    bootstrap = within.loc[within["test"] == BOOTSTRAP, [*KEY, "seeds", "low", "high", "p"]]
    shown = within[within["test"] == RANDOMISATION].drop(columns=["low", "high"])
    shown = shown.merge(bootstrap, on=[*KEY, "seeds"], suffixes=("", "_bootstrap"))
    rows = [
        [
            one.name,
            f"{one.score_b:.2f}",
            f"{one.score_a:.2f}",
            signed(one.difference),
            signed_interval(one.low, one.high),
            *map(p_text, (one.p_bootstrap, one.p, one.p_holm)),
        ]
        for one in rows_of(shown)
    ]
    groups = shown["header"] + ", seed " + shown["seeds"]
    return Table(
        title="Within a seed",
        label="within-seed",
        caption=(
            "Would other sentences show the difference between these trained models? BLEU on "
            f"{about.config.data.corpus.name} ({about.sizes['test.greedy']:,} sentences): "
            f"difference, its 95 % interval and two-sided p of the paired bootstrap "
            f"({RESAMPLES:,} resamples), two-sided p of approximate randomisation ({TRIALS:,} "
            f"trials; both as in sacreBLEU, generator's seed {SEED}), the latter corrected for the "
            f"pairs of one seed and column (Holm). Bold: the corrected p is below {LEVEL:g}. "
            f"{metric(about)}"
        ),
        grouped_by="Scores",
        rows=pd.DataFrame(rows, index=groups, columns=headers),
        bold=significant_in(shown, headers),
        note=(
            "Significant within a seed says that these two trained models differ, not that their "
            "objectives do: another seed is another training."
            + _floor_note(shown.groupby(["scored", "seeds"]).size().max() if len(shown) else 0)
        ),
    )


# ------------------------------------------------------------------------------------ parts


def named(tests: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """Return tests with `name`, what they are the difference of, and `header` and `digits`."""
    slopes = tests["test"].str.startswith(SLOPE, na=False)
    pairs = tests["system_b"] + " − " + tests["system_a"]
    shown = pd.DataFrame([(c.scored, c.header, c.digits) for c in columns])
    shown.columns = ["scored", "header", "digits"]
    return tests.assign(name=pairs.mask(slopes, SLOPE_NAME)).merge(shown, on="scored")


def significant_in(shown: pd.DataFrame, headers: list[str]) -> npt.NDArray[np.bool_]:
    """Return which cells are bold: differences that are significant."""
    bold = np.zeros((len(shown), len(headers)), bool)
    bold[:, headers.index("Difference")] = shown["significant"].eq(True)
    return bold


def metric(about: Run) -> str:
    """Return the definition of BLEU that the tables use."""
    return f"Metric: {about.definition} (sacreBLEU {about.signature})."


def _slope_text(tests: pd.DataFrame, alpha: Iterable[str]) -> str:
    """Return what the rows of slopes are, if there are any."""
    if not tests["test"].eq(f"{SLOPE}t").any():
        return ""
    return (
        f" The {SLOPE_NAME} is that of {', '.join(alpha)}, per unit of α; its p is that of "
        "the t test of the slopes of the seeds and is not corrected."
    )


def _found_text(column: Column) -> str:
    assert column.spread is not None
    text = f"{column.header}: {sensitivity_text(column.spread.sensitivity)}"
    if column.spread.sensitivity and column.spread_without:
        text += _without_runaways(column.spread, column.spread_without)
    return text


def _without_runaways(whole: Spread, without: Spread) -> str:
    """Return what the experiment could find, were it not for a few translations that run away."""
    count = whole.sentences - without.sentences
    sentences = f"{count:,} of {whole.sentences:,} sentences"
    said = (
        f" In {sentences} a translation of some run runs away (it has more than {RUNAWAY_TIMES} "
        f"times the tokens of its reference and {RUNAWAY_TOKENS} more)."
    )
    found = without.sensitivity
    if found is None:
        return said
    return said + (
        f" Without {'it' if count == 1 else 'them'} the difference scatters by {found.sd:.2f} "
        f"BLEU, {found.seeds} seeds find a true difference of {found.detectable:.2f}, and "
        f"{found.wanted:g} BLEU would need {seeds_wanted(found)}."
    )


def _flip_note(seeds: pd.Series) -> str:
    counts = {len(text.split()) for text in seeds}
    return "".join(
        f" The least p that the sign-flip test can give with {count} seeds is "
        f"{least_sign_flip(count):.2g}."
        for count in sorted(counts)
    )


def _floor_note(pairs: int) -> str:
    """Return a warning where so many pairs are corrected for that none can be significant."""
    least = pairs / (TRIALS + 1)
    if least < LEVEL:
        return ""
    return (
        f" {pairs:,} pairs of a seed are more than {TRIALS:,} trials can tell apart: the least "
        f"corrected p is {min(1.0, least):.2g}, so nothing is bold here."
    )
