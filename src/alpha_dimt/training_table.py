"""The table of training: what each system cost, and how its weights behaved."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from alpha_dimt.config import RunConfig
from alpha_dimt.errors import UserError
from alpha_dimt.files import read_json, read_json_lines
from alpha_dimt.table_formats import Row, Table, cells, html, latex, markdown, to_json
from alpha_dimt.tables import (
    OURS,
    Run,
    beam_header,
    beam_width,
    group,
    read_run,
    settings,
    spread,
    write_formats,
)

TITLE = "Training"


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
class Training:
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
    trainings = {folder: read_training(folder) for folder in runs}
    systems = [
        [trainings[run.folder] for run in same]
        for same in group([training.run for training in trainings.values()])
    ]
    table = layout(systems, beam_width(runs[0]))
    texts = {
        "csv": csv_text(systems),
        "json": to_json([table]),
        "md": markdown(table),
        "tex": latex(table),
        "html": html(TITLE, [table]),
    }
    write_formats(texts, out)


# ------------------------------------------------------------------------------------- read


def read_training(folder: Path) -> Training:
    """Read what a finished run says of its training.

    Raises:
        UserError: a file is missing, or is not what `train` and `evaluate` write.
    """
    run, about = read_run(folder), read_json(folder / "run.json")
    records = read_json_lines(folder / "metrics.jsonl")
    try:
        return Training(
            run, {**run.scores, **figures(about, records)}, circumstances(run.config, about)
        )
    except (KeyError, IndexError) as error:
        raise UserError(
            f"{folder}: run.json or metrics.jsonl lack what `train` writes ({error}); "
            "train the run anew"
        ) from error


def figures(about: dict[str, Any], records: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the figures of one training.

    Args:
        about: run.json.
        records: of metrics.jsonl, one an epoch.
    """
    last = records[-1]["metrics"]
    values = {name: last[name] for name in OF_THE_LAST_EPOCH if name in last}
    if "ess" in values:
        values["group"] = values["ess"] / values["ess_fraction"]
    steps = [0, *(record["step"] for record in records)]
    timings = [record["timing"] for record in records]
    # Runs of before it was measured do not have it.
    peaks = [timing["peak_memory_mb"] for timing in timings if "peak_memory_mb" in timing]
    if peaks:
        values["peak_memory_mb"] = max(peaks)
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


def circumstances(config: RunConfig, about: dict[str, Any]) -> str:
    """Return code, machine and libraries in words."""
    machine = about["machine"]
    return (
        f"alpha-dimt {about['code_version']}, PyTorch {about['libraries']['torch']}, "
        f"{about['precision']} products, {about['threads']} threads a training on "
        f"{machine['processor']} ({machine['cores']} cores, {machine['device']}), "
        f"batches of {config.training.batch_size} sources"
    )


# ----------------------------------------------------------------------------------- layout


def values_of(trainings: Sequence[Training], column: str) -> list[float]:
    """Return a figure of every seed of a system; none if one of them lacks it."""
    values = [training.figures[column] for training in trainings if column in training.figures]
    return values if len(values) == len(trainings) else []


def csv_text(systems: Sequence[Sequence[Training]]) -> str:
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


def layout(systems: Sequence[Sequence[Training]], beam: int | None) -> Table:
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
        title=TITLE,
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


def _row(trainings: Sequence[Training]) -> Row:
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
