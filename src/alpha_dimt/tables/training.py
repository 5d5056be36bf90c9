"""The table of training: what each system cost, and how its weights behaved."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from alpha_dimt.core.errors import UserError
from alpha_dimt.runs.read import (
    Run,
    Training,
    beam_width,
    flat,
    group,
    made_from_runs,
    read_run,
    read_training,
    settings,
)
from alpha_dimt.tables.table import Row, Table, cells, write_tables
from alpha_dimt.tables.table1 import OURS, beam_header, spread


@dataclass(frozen=True)
class Column:
    """A figure of the table: its header, and the decimals that a person sees of it."""

    header: str
    decimals: int


COLUMNS = {
    "dev_greedy": Column("Dev (greedy)", 2),
    "test_greedy": Column("Test (greedy)", 2),
    "test_beam": Column("Test (beam)", 2),
    "ess": Column("ESS", 1),
    "group": Column("Candidates in a group", 1),
    "ess_fraction": Column("ESS fraction", 3),
    "reference_share": Column("Reference share", 3),
    "weight_entropy": Column("Weight entropy (nats)", 2),
    "gradient_norm": Column("Gradient norm", 2),
    "epochs": Column("Epochs", 0),
    "best_epoch": Column("Best epoch", 1),
    "ms_per_update": Column("ms an update", 1),
    "target_tokens_per_second": Column("Target tokens/s", 0),
    "wall_seconds": Column("Wall time (s)", 0),
    "peak_memory_mb": Column("Peak memory (MB)", 0),
}
# What the last epoch says of weights and gradients; not every objective has all of them.
OF_THE_LAST_EPOCH = ("ess", "ess_fraction", "reference_share", "weight_entropy", "gradient_norm")


@dataclass(frozen=True)
class Entry:
    """What the table needs of one training.

    Attributes:
        run: configuration and scores.
        figures: by column; those that the objective does not have are missing.
        circumstances: code, machine and libraries that made it, for the note.
    """

    run: Run
    figures: dict[str, float]
    circumstances: str


def write_training_table(runs: Sequence[Path], *, out: Path) -> None:
    """Write the table of training as {out}.csv, .json, .md, .tex and .html.

    Args:
        runs: folders of finished, scored runs on one corpus, any number of seeds a system.
        out: path without suffix.

    Raises:
        UserError: a folder is not a finished, scored run, or the runs do not fit together.
    """
    grouped = group([read_run(folder) for folder in runs])
    systems = [[entry_of(read_training(run)) for run in same] for same in grouped]
    write_tables(
        out,
        [layout(systems, beam_width(runs[0]))],
        csv=csv_text(systems),
        made_from=made_from_runs(flat(grouped)),
    )


# ---------------------------------------------------------------------------------- figures


def entry_of(training: Training) -> Entry:
    """Return what the table says of a training.

    Raises:
        UserError: its files are not what `train` writes.
    """
    try:
        return Entry(
            run=training.run,
            figures={**training.run.scores, **figures(training)},
            circumstances=circumstances(training),
        )
    except KeyError as error:
        raise UserError(
            f"{training.run.folder}: run.json or metrics.jsonl lack what `train` writes ({error}); "
            "train the run again"
        ) from error


def figures(training: Training) -> dict[str, float]:
    """Return the figures of one training by column, without scores."""
    about, records = training.about, training.epochs
    last = records[-1]["metrics"]
    values = {name: last[name] for name in OF_THE_LAST_EPOCH if name in last}
    if {"ess", "ess_fraction"} <= values.keys():  # a custom objective may have one of them
        values["group"] = values["ess"] / values["ess_fraction"]
    if (peak := training.peak_memory_mb()) is not None:
        values["peak_memory_mb"] = peak
    steps = [0, *(record["step"] for record in records)]
    timings = [record["timing"] for record in records]
    return {
        **values,
        "epochs": about["epochs"],
        "best_epoch": about["best"]["epoch"],
        "ms_per_update": median(
            1000 * (timing["epoch_seconds"] - timing["valid_seconds"]) / (after - before)
            for timing, before, after in zip(timings, steps, steps[1:], strict=False)
        ),
        "target_tokens_per_second": median(
            timing["target_tokens_per_second"] for timing in timings
        ),
        "wall_seconds": about["wall_seconds"],
    }


def circumstances(training: Training) -> str:
    """Return code, machine and libraries in words."""
    about, machine = training.about, training.about["machine"]
    return (
        f"alpha-dimt {about['code_version']}, PyTorch {about['libraries']['torch']}, "
        f"{about['precision']} products, {about['threads']} threads a training on "
        f"{machine['processor']} ({machine['cores']} cores, {machine['device']}), "
        f"batches of {training.config.training.batch_size} sources"
    )


# ----------------------------------------------------------------------------------- layout


def values_of(trainings: Sequence[Entry], column: str) -> list[float]:
    """Return a figure of every seed of a system; none if one of them lacks it."""
    values = [training.figures[column] for training in trainings if column in training.figures]
    return values if len(values) == len(trainings) else []


def csv_text(systems: Sequence[Sequence[Entry]]) -> str:
    """Return the table for a program: full precision, one system a row."""
    fields = ["system", "objective", "alpha", "tau", "n_seeds", "seeds"]
    fields += [f"{column}_{part}" for column in COLUMNS for part in ("mean", "sd")]
    fields += ["metric", "signature", "corpus", "circumstances"]
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    for trainings in systems:
        run = trainings[0].run
        row: dict[str, Any] = {
            "system": run.config.system,
            **settings(run.config),
            "n_seeds": len(trainings),
            "seeds": " ".join(str(training.run.config.seed) for training in trainings),
            "metric": run.definition,
            "signature": run.signature,
            "corpus": run.config.data.corpus.name,
            "circumstances": "; ".join(sorted({t.circumstances for t in trainings})),
        }
        for column in COLUMNS:
            if values := values_of(trainings, column):
                row[f"{column}_mean"], row[f"{column}_sd"] = spread(values)
        writer.writerow(row)
    return text.getvalue()


def layout(systems: Sequence[Sequence[Entry]], beam: int | None) -> Table:
    """Return the table for a person: mean and deviation of several seeds."""
    first = systems[0][0].run
    corpus = first.config.data.corpus.name
    caption = (
        f"On {corpus}. BLEU ({first.definition}, sacreBLEU {first.signature}) of the "
        "checkpoint with the best greedy dev BLEU. Effective sample size (ESS), reference share, "
        "weight entropy and gradient norm are means over the updates of the last epoch. Time of "
        "an update and target tokens (of all candidates) a second are medians over epochs, without "
        "validation; wall time is with it."
    )
    if any(len(trainings) > 1 for trainings in systems):
        caption += " Of several seeds: mean ± sample standard deviation."
    made = sorted({training.circumstances for trainings in systems for training in trainings})
    headers = {name: column.header for name, column in COLUMNS.items()}
    headers["test_beam"] = beam_header(beam)
    return Table(
        title="Training",
        label="training",
        caption=caption,
        grouped_by="Source",
        headers=("System", "α", "τ", "Seeds", *headers.values()),
        rows=[_row(trainings) for trainings in systems],
        note="ESS is how many equally weighted candidates a group is worth; a group is what the "
        "weights are normalised over, and objectives without such weights have none. Made by "
        + "; ".join(made)
        + ".",
    )


def _row(trainings: Sequence[Entry]) -> Row:
    config = trainings[0].run.config
    seeds = ", ".join(str(training.run.config.seed) for training in trainings)
    values = settings(config)
    figures = (
        _formatted(values_of(trainings, name), column.decimals) for name, column in COLUMNS.items()
    )
    return Row(
        f"{OURS} ({config.data.corpus.name})",
        cells(config.system, values["alpha"], values["tau"], seeds, *figures),
    )


def _formatted(values: Sequence[float], decimals: int) -> str:
    """Return mean and deviation; nothing of no values, no deviation of one."""
    if not values:
        return ""
    average, deviation = spread(values)
    text = f"{average:,.{decimals}f}"
    return text if deviation is None else f"{text} ± {deviation:,.{decimals}f}"
