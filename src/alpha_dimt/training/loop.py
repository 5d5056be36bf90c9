"""The training loop: epochs, checkpoints and the stop rule, for every learner."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch

from alpha_dimt.config.schedules import Moment
from alpha_dimt.config.training import TrainingConfig
from alpha_dimt.core.errors import Stopped, UserError
from alpha_dimt.core.progress import EpochBar
from alpha_dimt.data.batching import Batch
from alpha_dimt.machine.device import peak_memory_mb
from alpha_dimt.training.checkpoints import Checkpoints
from alpha_dimt.training.learner import Learner
from alpha_dimt.training.signals import StopSignal
from alpha_dimt.training.state import State

Metrics = dict[str, float]

CHECK_EVERY = {"cpu": 1, "cuda": 100}
"""Updates between two checks for divergence; a check waits for the device."""


@dataclass(frozen=True)
class Task:
    """The constant inputs of the loop.

    Attributes:
        batches: returns the batches of an epoch (counted from 1), the same ones in every call.
        validate: returns metrics of the network "model" on the validation data, including
            `valid_bleu_greedy` and `valid_nll_per_token`.
        recipe: learning rates, batch size, stop rule.
        seed: seed of the random streams.
    """

    batches: Callable[[int], Iterable[Batch]]
    validate: Callable[[Any], Metrics]
    recipe: TrainingConfig
    seed: int


class Diverged(UserError):
    """The loss or its gradient is no longer finite."""


class Stopwatch:
    """Measures laps in seconds with a monotonic clock."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def lap(self) -> float:
        """Return the seconds since the last lap."""
        before, self._at = self._at, time.monotonic()
        return self._at - before


def seed_update(seed: int, epoch: int, number: int) -> None:
    """Seed the random streams (dropout, samples) of one update; none carries over to the next."""
    state = int(np.random.SeedSequence((seed, epoch, number)).generate_state(1)[0])
    # `torch.manual_seed` would also queue seeds for unused devices, which takes half a millisecond.
    torch.default_generator.manual_seed(state)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(state)


def train_epoch(
    learner: Learner,
    task: Task,
    state: State,
    device: torch.device,
    after_update: Callable[[Batch], None] = lambda batch: None,
) -> tuple[Metrics, int, int]:
    """Finish the current pass over the data, starting from `state`.

    Returns:
        Mean metrics, number of updates and target tokens of the whole epoch.

    Raises:
        Diverged: `state` and the weights are those before the first non-finite update.
    """
    for network in learner.networks.values():
        network.train()
    epoch, done, rate = state.schedule.epoch + 1, state.updates, state.schedule.learning_rate
    at = Moment(epoch, state.schedule.decays)
    diverged = torch.zeros((), dtype=torch.bool, device=device)

    def check_divergence() -> None:
        if diverged:
            raise Diverged(
                f"epoch {epoch}, batch {state.updates + 1}: the loss or its gradient is not "
                "finite, so this update was skipped; lower training.learning_rate or "
                "training.clip_norm"
            )

    for number, batch in enumerate(islice(task.batches(epoch), done, None), start=done + 1):
        seed_update(task.seed, epoch, number)
        step = state.step + number - 1
        update = learner.update(
            batch,
            at,
            step=step,
            learning_rate=rate * task.recipe.schedule.factor(step),
            diverged=diverged,
        )
        diverged = update.diverged
        state.sums.add(update.metrics | {"updates": torch.ones((), device=device)}, unless=diverged)
        if number % CHECK_EVERY[device.type] == 0:
            check_divergence()
        after_update(batch)
    check_divergence()
    sums = state.sums.read()
    updates, tokens, log_p = (sums.pop(name) for name in ("updates", "tokens", "log_p"))
    means = {name: total / updates for name, total in sums.items()}
    return {**means, "train_nll_per_token": -log_p / tokens}, int(updates), int(tokens)


def fit(
    learner: Learner,
    task: Task,
    state: State,
    *,
    device: torch.device,
    checkpoints: Checkpoints,
    stop: StopSignal,
    bar: EpochBar,
    before_checkpoint: Callable[[State], None] = lambda state: None,
    after_epoch: Callable[[State], None],
) -> str:
    """Train until the stop rule applies, and return its name.

    After each epoch, `before_checkpoint` and `after_epoch` are called with the state, before and
    after the checkpoint is written.

    Raises:
        Diverged, Stopped: the state so far is in the last checkpoint.
    """
    watch = Stopwatch()

    def after_update(batch: Batch) -> None:
        state.epoch_seconds += watch.lap()
        bar.update(int(batch.target_lengths.sum()))  # summed on the host: no synchronisation
        if checkpoints.due():
            checkpoints.save(state, learner)
        stop.raise_if_set()

    while (reason := state.schedule.stopped(task.recipe)) is None:
        rate = state.schedule.learning_rate
        try:
            with bar.epoch(state.schedule.epoch + 1, done=state.updates):
                metrics, updates, tokens = train_epoch(learner, task, state, device, after_update)
            trained = state.epoch_seconds + watch.lap()
            rate *= task.recipe.schedule.factor(state.step + updates - 1)  # of the last update
            with stop.raised_at_once():
                metrics |= {"learning_rate": rate} | task.validate(learner.networks["model"])
        except (Diverged, Stopped):
            checkpoints.save(state, learner)
            raise
        validated = trained + watch.lap()
        timing = {
            "epoch_seconds": validated,
            "valid_seconds": validated - trained,
            "target_tokens_per_second": tokens / trained,
            "peak_memory_mb": peak_memory_mb(device),
        }
        held = not learner.trains_model(state.schedule.epoch + 1)
        state.end_epoch(metrics, updates, timing, task.recipe, held=held)
        if dropped := sorted(metrics.keys() - state.records[-1]["metrics"].keys()):
            print(
                f"warning: epoch {state.schedule.epoch}: {', '.join(dropped)} is not finite and is "
                "left out of metrics.jsonl",
                flush=True,
            )
        before_checkpoint(state)
        checkpoints.save(state, learner, best=state.schedule.best_epoch == state.schedule.epoch)
        after_epoch(state)
    return reason
