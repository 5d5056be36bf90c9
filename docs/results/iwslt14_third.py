"""The tables and figures of iwslt14-third.md, made from the runs that are kept beside it.

    python docs/results/iwslt14_third.py [results/iwslt14-third]

Writes docs/results/iwslt14-third/tables and figures. Before, copies from the results given what is
kept of every finished run. The contrasts are those of the protocol. They are tested only when every
run of the primary systems is there.
"""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from alpha_dimt.core.files import write_text
from alpha_dimt.evaluation.across_seeds import Scores, compare_pairs
from alpha_dimt.evaluation.pooled import Pooled, contrasts, slope, within_variance
from alpha_dimt.evaluation.within_seed import LEVEL, holm
from alpha_dimt.report.charts import all_charts
from alpha_dimt.report.figures import svg
from alpha_dimt.report.study import read_study
from alpha_dimt.results import rows_of, run_frame, score_frame
from alpha_dimt.runs.read import BLEU, Run, read_runs
from alpha_dimt.tables.summary import RUN, bleu_by_run, by_system, likelihood_by_run
from alpha_dimt.tables.table import Table, markdown
from alpha_dimt.tables.table1 import write_table1
from alpha_dimt.tables.training import write_training_table
from alpha_dimt.tables.wording import p_text, signed, signed_interval

KEPT = Path(__file__).with_name("iwslt14-third")

PRIMARY = ("ml", "raml", "alpha0.5")
SEEDS, MOST_SEEDS = 6, 10
POOLED = ("ml", "raml", "alpha0.3", "alpha0.5", "alpha0.7")
"""The systems whose variance within systems is pooled."""
ALPHA = {"raml": 0.0, "alpha0.3": 0.3, "alpha0.5": 0.5, "alpha0.7": 0.7}
PLANNED = [("ml", "alpha0.5"), ("raml", "alpha0.5")]
ONLY_INTERVALS = [
    ("alpha0.5-references", "alpha0.5"),
    ("raml-k4", "alpha0.5-k4"),
    ("ml", "rf-c-ll"),
    ("ml", "ac-ll"),
]
TOO_MUCH = 0.16
"""BLEU; a larger pooled standard deviation of the primary systems adds seeds 7 to 10."""

BEAM, GREEDY, LIKELIHOOD, BREVITY = (
    "Test (beam 10)",
    "Test (greedy)",
    "Dev (nats per token)",
    "Brevity penalty (beam 10)",
)
SCORED = ("valid.greedy", "test.greedy", "test.beam")
DIGITS = {BEAM: 2, GREEDY: 2, LIKELIHOOD: 4, BREVITY: 4}
CHARTS = {"alpha", "learning_curves"}


def keep(results: Path) -> None:
    """Copy what is kept of every scored run, and the configurations of the searches."""
    shutil.copytree(results / "decoding", KEPT / "decoding", dirs_exist_ok=True)
    for about in results.glob("runs/*/*/run.json"):
        scores = [f"scores/{name}.json" for name in SCORED]
        if not all((about.parent / name).exists() for name in scores):
            continue
        names = ["config.json", "run.json", "metrics.jsonl", *scores]
        if about.parent.parent.name in PRIMARY:
            names.append("hypotheses/test.beam.txt")
        for name in names:
            copy = KEPT / about.parent.relative_to(results) / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(about.parent / name, copy)


def main() -> None:
    """Write all tables and figures."""
    folders = kept_runs(KEPT)
    if not folders:
        sys.exit(
            f"{KEPT}/runs: no finished run is kept; give the results folder of a study with one, "
            "such as results/iwslt14-third"
        )
    (KEPT / "tables").mkdir(exist_ok=True)
    (KEPT / "figures").mkdir(exist_ok=True)
    write_table1(folders, out=KEPT / "tables/table1")
    write_training_table(folders, out=KEPT / "tables/training")
    runs = read_runs(folders)
    write_text(KEPT / "tables/runs.md", markdown(run_table(runs)))
    found = columns(runs)
    if is_complete(found[BEAM]):
        write_text(KEPT / "tables/planned.md", markdown(planned_table(found)))
    charts = all_charts(read_study(folders))
    for name in CHARTS & charts.keys():
        write_text(KEPT / f"figures/{name}.svg", svg(charts[name]))


def kept_runs(folder: Path) -> list[Path]:
    """Return the folders of all runs, primary systems first."""
    found = [path.parent for path in folder.glob("runs/*/*/run.json")]
    order = [*PRIMARY, "alpha0.3", "alpha0.7"]

    def place(run: Path) -> tuple[int, str, int]:
        system = run.parent.name
        known = order.index(system) if system in order else len(order)
        return known, system, int(run.name.removeprefix("seed"))

    return sorted(found, key=place)


def is_complete(scores: Scores) -> bool:
    """Return whether every run of the primary systems is there, as the stop rule counts them.

    Args:
        scores: of test, with a beam of 10.
    """

    def has(seeds: int) -> bool:
        wanted = set(range(1, seeds + 1))
        return all(scores.get(system, {}).keys() >= wanted for system in PRIMARY)

    return has(SEEDS) and (scatter(scores) <= TOO_MUCH or has(MOST_SEEDS))


def columns(runs: Sequence[Run]) -> dict[str, Scores]:
    """Return the scores of every run by what is compared, system and seed."""
    bleu, scores = bleu_by_run(score_frame(runs)), score_frame(runs)
    beam = scores[(scores["metric"] == BLEU) & (scores["split"] == "test")]
    beam = beam[beam["search"] == "beam"].set_index(RUN)
    return {
        BEAM: by_system(bleu["test_beam"]),
        GREEDY: by_system(bleu["test_greedy"]),
        LIKELIHOOD: by_system(likelihood_by_run(runs)),
        BREVITY: by_system(beam["brevity_penalty"]),
    }


def scatter(scores: Scores) -> float:
    """Return the pooled standard deviation that the stop rule asks for: of the first six seeds."""
    first = {
        system: {seed: score for seed, score in scores[system].items() if seed <= SEEDS}
        for system in PRIMARY
    }
    found = within_variance(first)
    assert found is not None, "scores of different seeds differ"
    return found.sd


def run_table(runs: Sequence[Run]) -> Table:
    """Return a row a run: its epochs, scores, time, processor and code."""
    about = run_frame(runs).set_index(RUN)
    bleu = bleu_by_run(score_frame(runs)).loc[about.index]
    rows = [
        {
            "System": system,
            "Seed": str(seed),
            "Epochs": str(run.epochs),
            "Best epoch": str(run.best_epoch),
            "Dev (greedy)": f"{scores.dev_greedy:.2f}",
            GREEDY: f"{scores.test_greedy:.2f}",
            BEAM: f"{scores.test_beam:.2f}",
            "Minutes": f"{run.wall_seconds / 60:.0f}",
            "Ended (UTC)": f"{run.ended:%Y-%m-%d %H:%M}",
            "Processor": f"{run.processor}, {run.precision}",
            "Code": run.code_version,
        }
        for (system, seed), run, scores in zip(
            about.index, rows_of(about), rows_of(bleu), strict=True
        )
    ]
    return Table(
        title="Runs",
        label="runs",
        caption=f"{len(runs)} runs. BLEU: {runs[0].definition}.",
        grouped_by="Corpus",
        rows=pd.DataFrame(rows, index=["iwslt14-third"] * len(rows)),
        note="One thread each. Minutes include pauses, when other work had the machine.",
    )


def planned_table(found: Mapping[str, Scores]) -> Table:
    """Return every comparison that the protocol names, with the tests that it names.

    Args:
        found: see `columns`.
    """
    rows, groups, bold = [], [], []
    for header, scores in found.items():
        by_seed = header == LIKELIHOOD
        names = PRIMARY if by_seed else POOLED
        pool = {name: scores[name] for name in names if name in scores}
        tests = contrasts(pool, [{a: -1.0, b: 1.0} for a, b in PLANNED], by_seed=by_seed)
        corrected = holm([test.p for test in tests])
        pairs = {one.pair: one for one in compare_pairs(scores)}
        for (first, second), test, p in zip(PLANNED, tests, corrected, strict=True):
            pair = pairs.get((first, second)) or pairs[second, first]
            others = ["" if one is None else f"{one:.3f}" for one in (pair.p_t, pair.p_flip)]
            rows.append([*_texts(f"{second} − {first}", test, header), p_text(p), *others])
            bold.append(header == BEAM and p < LEVEL)
        if header == BEAM:
            further = _further(scores, pool)
            rows += further
            bold += [False] * len(further)
        groups += [header] * (len(rows) - len(groups))
    headers = ["Difference of", "Difference", "95 % interval", "t", "df", "p", "p (Holm)"]
    table = pd.DataFrame(rows, index=groups, columns=[*headers, "p (paired t)", "p (sign flip)"])
    marks = [[strong and name == "Difference" for name in table.columns] for strong in bold]
    return Table(
        title="Planned comparisons",
        label="planned",
        caption="Student's t against a pooled variance, as the protocol says.",
        grouped_by="Scores",
        rows=table,
        note="Bold: a primary contrast that is significant. The slope is per unit of alpha. "
        f"Standard deviation within the primary systems, seeds 1 to {SEEDS}: "
        f"{scatter(found[BEAM]):.2f} BLEU (above {TOO_MUCH}, the stop rule adds seeds).",
        bold=pd.DataFrame(marks).to_numpy(dtype=bool),
    )


def _further(scores: Scores, pool: Scores) -> list[list[str]]:
    """Return the rows of the slope and of the differences that only get an interval."""
    rows = []
    if ALPHA.keys() <= pool.keys() and (found := slope(pool, ALPHA)) and found.pooled:
        rows.append([*_texts("slope over α", found.pooled, BEAM), "", "", ""])
    for first, second in ONLY_INTERVALS:
        if {first, second} <= scores.keys():
            # Another system than the five adds its own scatter to the pool.
            pooled = {**pool, first: scores[first], second: scores[second]}
            [test] = contrasts(pooled, [{first: -1.0, second: 1.0}], by_seed=False)
            *texts, _ = _texts(f"{second} − {first}", test, BEAM)
            rows.append([*texts, "", "", "", ""])
    return rows


def _texts(name: str, test: Pooled, header: str) -> list[str]:
    digits = DIGITS[header]
    return [
        name,
        signed(test.value, digits),
        signed_interval(*test.interval, digits),
        signed(test.t),
        str(test.freedom),
        p_text(test.p),
    ]


if __name__ == "__main__":
    if sys.argv[1:]:
        keep(Path(sys.argv[1]))
    main()
