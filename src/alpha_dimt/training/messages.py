"""The messages that a training prints after each epoch."""

import math
from typing import Any

from alpha_dimt.config import RunConfig
from alpha_dimt.training.loop import Metrics
from alpha_dimt.training.state import State

COLLAPSED = 1.1
"""Effective sample size below which one candidate of a group has nearly all the weight."""


def print_epoch(progress: State) -> None:
    """Print the last epoch, and warn if its weights collapsed or BLEU is still 0."""
    record, schedule = progress.records[-1], progress.schedule
    print(_line(record), flush=True)
    if schedule.by_likelihood:
        new = "a new best" if schedule.best_epoch == schedule.epoch else "no new best"
        print(
            f"epoch {schedule.epoch}: validation BLEU is 0 so far, so the likelihood of the "
            f"validation data decides: {new}",
            flush=True,
        )
    if collapsed(record["metrics"]):
        print(
            f"warning: epoch {record['epoch']}: the weights have collapsed, with an effective "
            f"sample size of {record['metrics']['ess']:.2f} candidates; make weights more even (a "
            "higher tau, a lower sharpness) or try another alpha",
            flush=True,
        )


def epoch_of_run(config: RunConfig, progress: State) -> str:
    """Return a line about the last epoch among those of other runs."""
    record, schedule = progress.records[-1], progress.schedule
    return (
        f"{config.system} seed {config.seed}: epoch {record['epoch']} of at most "
        f"{config.training.max_epochs}, valid BLEU {record['metrics']['valid_bleu_greedy']:.2f} "
        f"(best {schedule.best:.2f}), {record['timing']['epoch_seconds']:.1f} s"
    )


def print_average(average: dict[str, Any]) -> None:
    """Print which epochs were averaged, and how good the mean is."""
    print(
        f"mean of the weights of epochs {', '.join(map(str, average['epochs']))}: valid BLEU "
        f"{average['valid_bleu_greedy']:.2f}, valid nll/token "
        f"{average.get('valid_nll_per_token', math.inf):.3f}",
        flush=True,
    )


def collapsed(metrics: Metrics) -> bool:
    """Return whether one of several candidates has nearly all the weight of a group."""
    several = metrics.get("ess_fraction", 1.0) < 1
    return several and metrics.get("ess", math.inf) < COLLAPSED


def _line(record: dict[str, Any]) -> str:
    metrics, timing = record["metrics"], record["timing"]
    return (
        f"epoch {record['epoch']}: valid BLEU {metrics['valid_bleu_greedy']:.2f}, "
        f"train nll/token {metrics['train_nll_per_token']:.3f}, "
        f"valid nll/token {metrics.get('valid_nll_per_token', math.inf):.3f}, "
        f"learning rate {metrics['learning_rate']:g}, "
        f"{timing['target_tokens_per_second']:,.0f} tokens/s, {timing['epoch_seconds']:.1f} s"
    )
