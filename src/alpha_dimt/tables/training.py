"""The table of training: what each system cost, and how its weights behaved."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from alpha_dimt.core.errors import UserError
from alpha_dimt.results import epoch_frame, rows_of, run_frame, score_frame
from alpha_dimt.runs.read import Run, beam_width, made_from_runs, read_runs
from alpha_dimt.tables.summary import (
    HEADERS,
    RUN,
    bleu_by_run,
    computed_by,
    published_weights,
    summarise,
    texts_of,
)
from alpha_dimt.tables.table import Table, write_tables
from alpha_dimt.tables.wording import bleu_headers

# Figures for people: header, and how many decimals.
FIGURES = {
    **{column: (header, ".2f") for column, header in bleu_headers(None).items()},
    "ess": ("ESS", ",.1f"),
    "group": ("Candidates in a group", ",.1f"),
    "ess_fraction": ("ESS fraction", ",.3f"),
    "reference_share": ("Reference share", ",.3f"),
    "weight_entropy": ("Weight entropy (nats)", ",.2f"),
    "gradient_norm": ("Gradient norm", ",.2f"),
    "explained_variance": ("Explained variance", ",.2f"),
    "td_error": ("TD error", ",.3f"),
    "valid_bleu_sampled": ("Dev BLEU of samples", ",.2f"),
    "epochs": ("Epochs", ",.0f"),
    "best_epoch": ("Best epoch", ",.1f"),
    "ms_per_update": ("ms an update", ",.1f"),
    "target_tokens_per_second": ("Target tokens/s", ",.0f"),
    "wall_seconds": ("Wall time (s)", ",.0f"),
    "peak_memory_mb": ("Peak memory (MB)", ",.0f"),
}
# What the last epoch says of weights and gradients; not every objective has all of them.
OF_THE_LAST_EPOCH = [
    *("ess", "ess_fraction", "reference_share", "weight_entropy", "gradient_norm"),
    *("explained_variance", "td_error", "valid_bleu_sampled"),
]
SHOWN_IF_THERE = ["explained_variance", "td_error", "valid_bleu_sampled"]
# What every training says; peak memory was not measured at first.
NEEDED = [
    *("epochs", "best_epoch", "wall_seconds", "ms_per_update", "target_tokens_per_second"),
    *("code_version", "torch", "precision", "threads", "processor", "cores", "device"),
]
FIELDS = [
    *("system", "objective", "alpha", "tau", "n_seeds", "seeds"),
    *(f"{figure}_{name}" for figure in FIGURES for name in ("mean", "sd")),
    *("metric", "signature", "corpus", "circumstances"),
]


def write_training_table(folders: Sequence[Path], *, out: Path) -> None:
    """Write the table of training as {out}.csv, .json, .md, .tex and .html.

    Args:
        folders: of finished, scored runs on one corpus, any number of seeds a system.
        out: path without suffix.

    Raises:
        UserError: a folder is not a finished, scored run, or the runs do not fit together.
    """
    runs = read_runs(folders)
    first = runs[0]
    about = run_frame(runs)
    figures = figures_of(about, epoch_frame(runs)).join(bleu_by_run(score_frame(runs)))
    systems = summarise(about, figures[list(FIGURES)])
    made = circumstances(about)
    of_system = made.groupby(about["system"].to_numpy(), sort=False)
    numbers = systems.assign(
        metric=first.definition,
        signature=first.signature,
        circumstances=[joined(texts) for _, texts in of_system],
    )
    write_tables(
        out,
        [training_table(systems, joined(made), runs, beam_width(folders[0]))],
        numbers=numbers[FIELDS],
        made_from=made_from_runs(runs),
    )


# ---------------------------------------------------------------------------------- figures


def figures_of(runs: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Return the figures of each training by system and seed, without scores.

    Raises:
        UserError: a run does not say what every training says.
    """
    timing = ["step", "epoch_seconds", "valid_seconds", "target_tokens_per_second"]
    epochs = epochs.reindex(columns=[*RUN, *OF_THE_LAST_EPOCH, *timing, "peak_memory_mb"])
    updates = epochs.groupby(RUN, observed=True)["step"].diff().fillna(epochs["step"])
    seconds = epochs["epoch_seconds"] - epochs["valid_seconds"]
    by_run = epochs.assign(ms_per_update=1000 * seconds / updates).groupby(RUN, observed=True)
    figures = epochs.drop_duplicates(RUN, keep="last").set_index(RUN)[OF_THE_LAST_EPOCH]
    figures["group"] = figures["ess"] / figures["ess_fraction"]
    figures = figures.join(by_run[["ms_per_update", "target_tokens_per_second"]].median())
    figures = figures.join(by_run["peak_memory_mb"].max()).join(runs.set_index(RUN))
    for folder, lacking in zip(figures["folder"], figures[NEEDED].isna().to_numpy(), strict=True):
        if lacking.any():
            names = ", ".join(name for name, lacks in zip(NEEDED, lacking, strict=True) if lacks)
            raise UserError(
                f"{folder}: run.json or metrics.jsonl lack what `train` writes ({names}); train "
                "the run again"
            )
    return figures


def circumstances(runs: pd.DataFrame) -> pd.Series:
    """Return code, machine and libraries of each run in words."""
    return pd.Series(
        f"alpha-dimt {run.code_version}, PyTorch {run.torch}, {run.precision} products, "
        f"{run.threads} threads a training on {run.processor} ({run.cores} cores, "
        f"{computed_by(run)}), "
        f"batches of {run.batch_size} {run.batch_type}"
        for run in rows_of(runs)
    )


def joined(texts: pd.Series) -> str:
    """Return the different ones of some texts."""
    return "; ".join(sorted(set(texts)))


# ----------------------------------------------------------------------------------- layout


def training_table(
    systems: pd.DataFrame, made: str, runs: Sequence[Run], beam: int | None
) -> Table:
    """Return the table for a person: mean and deviation of several seeds.

    Args:
        systems: one row each, with the statistics of FIGURES.
        made: circumstances of all.
        runs: the runs, for what they have in common.
        beam: width.
    """
    first = runs[0]
    caption = (
        f"On {first.config.data.corpus.name}. BLEU ({first.definition}, sacreBLEU "
        f"{first.signature}) of {published_weights(runs)}. Effective sample "
        "size (ESS), reference share, weight entropy and gradient norm are means over the updates "
        "of the last epoch. Time of an update and target tokens (of all candidates) a second are "
        "medians over epochs, without validation; wall time is with it."
    )
    if (systems["n_seeds"] > 1).any():
        caption += " Of several seeds: mean ± sample standard deviation."
    headers = HEADERS | {name: header for name, (header, _) in FIGURES.items()} | bleu_headers(beam)
    forms = {name: form for name, (_, form) in FIGURES.items()}
    for name in SHOWN_IF_THERE:
        if systems[f"{name}_mean"].isna().all():
            del forms[name]
    rows = texts_of(systems, forms)
    return Table(
        title="Training",
        label="training",
        caption=caption,
        grouped_by="Source",
        rows=rows.rename(columns=headers),
        note="ESS is how many equally weighted candidates a group is worth; a group is what the "
        "weights are normalised over, and objectives without such weights have none. Made by "
        f"{made}.",
    )
