"""Every pair of systems compared: tests within each seed and across seeds."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from alpha_dimt.errors import UserError
from alpha_dimt.evaluation.report import statistics_of
from alpha_dimt.evaluation.seeds import (
    POWER,
    AcrossSeeds,
    Sensitivity,
    compare_pairs,
    least_sign_flip,
    sensitivity,
    significant,
)
from alpha_dimt.evaluation.significance import (
    LEVEL,
    RESAMPLES,
    SEED,
    TRIALS,
    Difference,
    compare,
    holm,
    resample,
)
from alpha_dimt.layout import COLUMNS
from alpha_dimt.runs import (
    TESTED,
    Run,
    beam_width,
    flat,
    group,
    made_from_runs,
    read_run,
    scores_by_seed,
)
from alpha_dimt.table_formats import Cell, Row, Table, cells, write_tables
from alpha_dimt.tables import beam_header, formatted_interval

WANTED = 0.3
"""BLEU; a difference that would matter: the paper's gain of alpha = 0.5 over ML is 0.23."""

LARGEST = 100
"""BLEU; no difference is larger."""

MINUS = str.maketrans("-", "−")
FIELDS = (
    *("scored", "scope", "seeds", "system_a", "system_b", "score_a", "score_b"),
    *("difference", "sd", "low", "high", "test", "p", "p_holm", "significant"),
    *("remark", "metric", "signature", "corpus"),
)


@dataclass(frozen=True)
class WithinSeed:
    """One pair of one seed on one column of scores.

    Attributes:
        seed: of both.
        pair: names.
        difference: the second less the first.
        p_holm: of approximate randomisation, corrected for the pairs of this seed and column.
    """

    seed: int
    pair: tuple[str, str]
    difference: Difference
    p_holm: float


@dataclass(frozen=True)
class Column:
    """All comparisons on one column of scores.

    Attributes:
        scored: split and search, as in the names of files.
        header: what Table 1 calls it.
        within: pairs of each seed.
        across: pairs over seeds.
        sensitivity: what the experiment can find; None of one seed or system.
    """

    scored: str
    header: str
    within: list[WithinSeed]
    across: list[AcrossSeeds]
    sensitivity: Sensitivity | None


def write_significance(runs: Sequence[Path], *, reference: Path, out: Path) -> None:
    """Write {out}.csv, .json, .md, .tex and .html: every pair of systems, within and across seeds.

    Args:
        runs: folders of finished runs on one corpus, any number of seeds a system.
        reference: the tokenised test set, target side.
        out: path without suffix.

    Raises:
        UserError: a folder is not a finished, scored run, the runs do not fit together, or the
            hypotheses or the reference are not those that were scored.
    """
    systems = group([read_run(folder) for folder in runs])
    beam = beam_header(beam_width(runs[0]))
    columns = [
        compare_column(systems, column, reference, header)
        for column, header in zip(TESTED, ("Test (greedy)", beam), strict=True)
    ]
    about = systems[0][0]
    tables = [across_table(columns, about), within_table(columns, about)]
    write_tables(out, tables, csv=csv_text(columns, about), made_from=made_from_runs(flat(systems)))


def compare_column(
    systems: Sequence[Sequence[Run]],
    column: str,
    reference: Path,
    header: str,
) -> Column:
    """Compare all systems on one column of scores."""
    scored = COLUMNS[column]
    flat = [run for runs in systems for run in runs]
    statistics = [
        statistics_of(run.folder / "hypotheses" / f"{scored}.txt", reference) for run in flat
    ]
    resampled = resample(statistics)
    for run, again in zip(flat, resampled, strict=True):
        if abs(again.score - run.scores[column]) > 1e-6:
            raise UserError(
                f"{run.folder}: BLEU of hypotheses/{scored}.txt against {reference} is "
                f"{again.score:.2f}, but scores/{scored}.json says {run.scores[column]:.2f}; "
                "score the run anew"
            )

    within = []
    for seed in sorted({run.config.seed for run in flat}):
        of_seed = [
            (run.config.system, again)
            for run, again in zip(flat, resampled, strict=True)
            if run.config.seed == seed
        ]
        pairs = [
            ((first, second), compare(a, b)) for (first, a), (second, b) in combinations(of_seed, 2)
        ]
        corrected = holm([difference.p_randomisation for _, difference in pairs])
        within += [
            WithinSeed(seed, pair, difference, p)
            for (pair, difference), p in zip(pairs, corrected, strict=True)
        ]
    scores = scores_by_seed(systems, column)
    return Column(scored, header, within, compare_pairs(scores), sensitivity(scores, WANTED))


# -------------------------------------------------------------------------------------- CSV


def csv_text(columns: Sequence[Column], about: Run) -> str:
    """Return all tests for a program: full precision, one test a row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    for column in columns:
        shared = {
            "scored": column.scored,
            "metric": about.definition,
            "signature": about.signature,
            "corpus": about.config.data.corpus.name,
        }
        for pair in column.across:
            writer.writerows({**shared, **row} for row in _across_rows(pair))
        for one in column.within:
            writer.writerows({**shared, **row} for row in _within_rows(one))
    return text.getvalue()


def _across_rows(pair: AcrossSeeds) -> Iterable[dict[str, Any]]:
    low, high = pair.interval or ("", "")
    base = {
        "scope": "across seeds",
        "seeds": " ".join(map(str, pair.seeds)),
        **_pair(pair.pair, pair.scores),
        "difference": pair.value,
        "sd": pair.sd,
    }
    if len(pair.seeds) == 1:
        yield {**base, "remark": "one seed says nothing about others"}
        return
    yield {
        **base,
        "low": low,
        "high": high,
        "test": "paired t",
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


# ----------------------------------------------------------------------------------- tables


def across_table(columns: Sequence[Column], about: Run) -> Table:
    """Return the comparisons over seeds."""
    rows = []
    for column in columns:
        for pair in column.across:
            texts = [
                f"{pair.pair[1]} − {pair.pair[0]}",
                ", ".join(map(str, pair.seeds)),
                *(f"{score:.2f}" for score in pair.scores[::-1]),
            ]
            difference = signed(pair.value)
            if pair.sd is not None:
                difference += f" ± {pair.sd:.2f}"
            rows.append(
                Row(
                    column.header,
                    (
                        *cells(*texts),
                        Cell(difference, bold=significant(pair)),
                        *cells(
                            formatted_interval(pair.interval, "+").translate(MINUS),
                            *map(p_text, (pair.p_t, pair.p_holm, pair.p_flip)),
                        ),
                    ),
                )
            )
    return Table(
        title="Across seeds",
        label="across-seeds",
        caption=(
            f"Would other trainings show the difference on this test set? BLEU on "
            f"{about.config.data.corpus.name}, systems paired seed by seed: mean difference ± "
            "sample standard deviation, its 95 % interval and p of the paired t test, p corrected "
            "for the number of pairs (Holm), p of the sign-flip test. Bold: the corrected p "
            f"is below {LEVEL:g}. {_definition(about)}"
        ),
        grouped_by="Scores",
        headers=(
            *("Difference of", "Seeds", "First", "Second", "Difference"),
            *("95 % interval", "p (t)", "p (Holm)", "p (sign flip)"),
        ),
        rows=rows,
        note=" ".join(
            f"{column.header}: {sensitivity_text(column.sensitivity)}" for column in columns
        )
        + _flip_note(columns),
    )


def sensitivity_text(found: Sensitivity | None) -> str:
    """Return in words what the experiment could find."""
    if found is None:
        return (
            "nothing more can be said about other trainings: a minimal detectable difference takes "
            "two seeds that all systems have, with differences that scatter."
        )
    fewest, most = found.seeds_interval
    corrected = ""
    if found.detectable_corrected > LARGEST:
        corrected = ", and none at the strictest level of the correction"
    elif found.detectable_corrected > found.detectable:
        corrected = (
            f", of {found.detectable_corrected:.2f} at the strictest level of the correction"
        )
    return (
        f"between two systems of one seed the difference scatters by {found.sd:.2f} BLEU "
        f"(standard deviation, 95 % interval {found.sd_interval[0]:.2f} to "
        f"{found.sd_interval[1]:.2f}). {found.seeds} seeds find a true difference of "
        f"{found.detectable:.2f} BLEU with a probability of {100 * POWER:g} % in one comparison"
        f"{corrected}; {found.wanted:g} BLEU would need {found.seeds_wanted:,} seeds "
        f"({fewest:,} to {most:,})."
    )


def _flip_note(columns: Sequence[Column]) -> str:
    counts = {len(pair.seeds) for column in columns for pair in column.across} - {1}
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
                            formatted_interval((found.low, found.high), "+").translate(MINUS),
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
            f"(Holm). Bold: the corrected p is below {LEVEL:g}. {_definition(about)}"
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


def _definition(about: Run) -> str:
    return f"Metric: {about.definition} (sacreBLEU {about.signature})."


def signed(value: float) -> str:
    """Return a difference with its sign and two decimals."""
    return f"{value:+.2f}".translate(MINUS)


def p_text(p: float | None) -> str:
    """Return a p-value with three decimals; nothing where there is none."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.0005 else f"{p:.3f}"


def formatted_p(p: float) -> str:
    """Return a p-value as it stands in a sentence."""
    return f"p {p_text(p)}" if p < 0.0005 else f"p = {p_text(p)}"
