"""Finished runs as pandas frames: for notebooks, and what all tables and figures are made from.

    from alpha_dimt import results
    study = results.load("results/toy")
    study.scores.groupby(["system", "metric"], observed=True)["value"].mean()

`system` is a categorical column in all frames: groups, pivots and plots keep the order of the
configuration. Give `observed=True` to `groupby`, as pandas 3 does by default.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json
from alpha_dimt.runs.read import Run, hyperparameters, read_epochs, read_run


@dataclass(frozen=True)
class Results:
    """The finished runs of one results folder.

    Attributes:
        runs: one row a run, see `run_frame`.
        epochs: one row an epoch of a run, see `epoch_frame`.
        scores: one row a score of a run, see `score_frame`.
    """

    runs: pd.DataFrame
    epochs: pd.DataFrame
    scores: pd.DataFrame


def load(folder: Path | str) -> Results:
    """Read the finished runs of results/{corpus}; they need not be scored.

    Systems come in the order of tables/table1.json, which is that of the configuration, and those
    that are not in it (or all, where there is no such file yet) by name. Seeds are sorted.

    Args:
        folder: results of one corpus, with the folder `runs`.

    Raises:
        UserError: there is no finished run, or a file of a run is missing or damaged, or its files
            do not belong together.
    """
    folder = Path(folder)
    found = [read_run(path.parent, scored=False) for path in folder.glob("runs/*/*/run.json")]
    if not found:
        raise UserError(
            f"{folder}: there is no finished run (runs/SYSTEM/SEED/run.json); give the results "
            "folder of a corpus, such as results/toy, or run the workflow"
        )
    order = _configured_order(folder / "tables/table1.json")
    order += sorted({run.config.system for run in found} - set(order))
    runs = sorted(found, key=lambda run: (order.index(run.config.system), run.config.seed))
    return Results(run_frame(runs), epoch_frame(runs), score_frame(runs))


def _configured_order(table: Path) -> list[str]:
    if not table.exists():
        return []
    try:
        return list(dict.fromkeys(name.split("/")[0] for name, _ in read_json(table)["made_from"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{table}: this is not what `alpha-dimt table` writes ({error}); make it again"
        ) from error


def run_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """Return one row a run; what its files do not say is missing (NaN).

    Columns:
        system, seed: who it is.
        objective: its kind.
        alpha, tau: as text, "start to end" of a schedule, empty where it has none.
        corpus: its name.
        run_key: fingerprint of the configuration.
        folder: of the run.
        epochs: how many were trained.
        best_epoch: the one whose weights are kept, unless weights are averaged.
        average_nll: negative log-likelihood of dev of averaged weights, nats a token; None without.
        parameters: how many the model has.
        batch_size, batch_type: sources or tokens of a batch.
        wall_seconds: of training, with validation.
        ended: time, UTC.
        precision, threads: of the training.
        processor, cores, device, operating_system: of the machine.
        gpu: name of the GPU that computed it.
        code_version, torch: of this package and of PyTorch.

    Raises:
        UserError: run.json is not what `train` writes.
    """
    return _frame(runs, [[_facts(run)] for run in runs])


def _facts(run: Run) -> dict[str, Any]:
    about, config = run.about, run.config
    try:
        machine = about.get("machine", {})
        return {
            **hyperparameters(config),
            "corpus": config.data.corpus.name,
            "run_key": about["run_key"],
            "folder": str(run.folder),
            "epochs": about.get("epochs"),
            "best_epoch": about.get("best", {}).get("epoch"),
            "average_nll": about.get("average", {}).get("valid_nll_per_token"),
            "parameters": about.get("parameters"),
            "batch_size": config.training.batch_size,
            "batch_type": config.training.batch_type,
            "wall_seconds": about.get("wall_seconds"),
            "ended": pd.Timestamp(float(about.get("ended_ms", math.nan)), unit="ms", tz="UTC"),
            "precision": about.get("precision"),
            "threads": about.get("threads"),
            **{name: machine.get(name) for name in ("processor", "cores", "device")},
            "gpu": machine.get("gpu"),
            "operating_system": machine.get("system"),
            "code_version": about.get("code_version"),
            "torch": about.get("libraries", {}).get("torch"),
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(
            f"{run.folder}/run.json: this is not what `train` writes ({error}); train the run again"
        ) from error


def epoch_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """Return one row an epoch of a run, from metrics.jsonl.

    Columns:
        system, seed, epoch: epochs count from 1.
        step: updates until its end.
        one a metric, such as train_loss, gradient_norm, learning_rate, valid_bleu_greedy (a
            percentage), valid_nll_per_token (nats), ess, ess_fraction, weight_entropy (nats); NaN
            where an objective has none.
        epoch_seconds, valid_seconds: the first with validation.
        target_tokens_per_second: of all candidates, without validation.
        peak_memory_mb: of the process so far, 10^6 bytes.

    Raises:
        UserError: metrics.jsonl is missing, damaged, empty or was changed since.
    """
    return _frame(runs, [[_epoch(run, record) for record in read_epochs(run)] for run in runs])


def _epoch(run: Run, record: Any) -> dict[str, Any]:
    try:
        place = {"epoch": record["epoch"], "step": record.get("step")}
        # Place again at the end: it wins over a metric of the same name.
        return {**place, **record["metrics"], **record.get("timing", {}), **place}
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{run.folder}/metrics.jsonl: this is not what `train` writes ({error}); train the run "
            "again"
        ) from error


def score_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """Return one row a score of a run, from scores/*.json; none of a run without scores.

    Columns:
        system, seed: of the run.
        split, search: valid or test; greedy or beam.
        metric: multi_bleu (that of the tables), sacrebleu, chrf or ter.
        value: a percentage; of TER edits by 100 words of the reference.
        brevity_penalty, length_ratio: of BLEU, else NaN.
        definition, signature: of the metric in words, and by sacreBLEU.
    """
    columns = [
        *("system", "seed", "split", "search", "metric", "value", "brevity_penalty"),
        *("length_ratio", "definition", "signature"),
    ]
    return _frame(runs, [run.scores for run in runs], columns)


def _frame(
    runs: Sequence[Run],
    rows: Sequence[Sequence[dict[str, Any]]],
    columns: list[str] | None = None,
) -> pd.DataFrame:
    """Return the rows of each run, its system and seed before them."""
    named = []
    for run, of_run in zip(runs, rows, strict=True):
        name = {"system": run.config.system, "seed": run.config.seed}
        named += [name | row | name for row in of_run]
    frame = pd.DataFrame(named, columns=columns)
    systems = list(dict.fromkeys(run.config.system for run in runs))
    return frame.assign(system=pd.Categorical(frame["system"], systems))


def rows_of(frame: pd.DataFrame) -> Iterator[Any]:
    """Yield the rows of a frame, its columns as attributes."""
    yield from frame.itertuples(index=False)
