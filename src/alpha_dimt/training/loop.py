"""The training loop: one for every objective."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from alpha_dimt.config.schedules import Moment
from alpha_dimt.config.training import TrainingConfig
from alpha_dimt.core.errors import Stopped, UserError
from alpha_dimt.core.progress import EpochBar
from alpha_dimt.data.batching import Batch
from alpha_dimt.machine.device import peak_memory_mb
from alpha_dimt.models.attention_rnn.fused import Seq2Seq
from alpha_dimt.objectives import Loss
from alpha_dimt.training.binding import Bound
from alpha_dimt.training.candidates import Sampler, gold_probability, score
from alpha_dimt.training.checkpoints import Checkpoints
from alpha_dimt.training.optimisers import clipped_sgd
from alpha_dimt.training.signals import StopRequest
from alpha_dimt.training.state import State

Metrics = dict[str, float]

LOOK_EVERY = {"cpu": 1, "cuda": 100}
"""Updates between two looks at whether the training diverged; a look waits for the device."""


@dataclass(frozen=True)
class Task:
    """What one training is made of; nothing in here changes while it runs.

    Attributes:
        bound: the objective, and which candidates it needs.
        sampler: draws candidates from the model, if the objective needs them.
        batches: the batches of an epoch (counted from 1), the same ones in every call.
        validate: metrics of the model on the validation data; `valid_bleu_greedy` and
            `valid_nll_per_token` are two of them.
        recipe: learning rates, batch size, stop rule.
        seed: of the random streams.
    """

    bound: Bound
    sampler: Sampler | None
    batches: Callable[[int], Iterable[Batch]]
    validate: Callable[[Seq2Seq], Metrics]
    recipe: TrainingConfig
    seed: int


class Diverged(UserError):
    """The loss or its gradient is no longer finite."""


class Stopwatch:
    """Tells seconds since it was last asked; no matter what the time of day does."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def lap(self) -> float:
        """Return the seconds since the last lap."""
        before, self._at = self._at, time.monotonic()
        return self._at - before


def seed_update(seed: int, epoch: int, number: int) -> None:
    """Start the random streams (dropout, samples) of one update; none goes on over updates."""
    state = int(np.random.SeedSequence((seed, epoch, number)).generate_state(1)[0])
    # `torch.manual_seed` also notes, at half a millisecond, what devices never used will get.
    torch.default_generator.manual_seed(state)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(state)


def update(
    model: Seq2Seq, loss: Tensor, diverged: Tensor, *, learning_rate: float, clip_norm: float
) -> tuple[Tensor, Tensor]:
    """Make one update, unless loss or gradient are not finite now or were not before.

    Args:
        model: its parameters are moved.
        loss: to minimise.
        diverged: whether an earlier loss or gradient of the epoch was not finite.
        learning_rate: factor of the gradient.
        clip_norm: longer gradients are scaled to this norm.

    Returns:
        The norm of the gradient, and `diverged` with this update in it.
    """
    loss.backward()  # type: ignore[no-untyped-call]
    diverged = diverged | ~loss.detach().isfinite()
    norm = clipped_sgd(
        model.parameters(), learning_rate=learning_rate, clip_norm=clip_norm, unless=diverged
    )
    return norm, diverged | ~norm.isfinite()


def mean_figures(losses: Sequence[Loss]) -> dict[str, Tensor]:
    """Return the figures of an update: those of its loss, or their means over its chunks."""
    first, *others = losses
    if not others:
        return first.diagnostics
    return {
        name: torch.stack([loss.diagnostics[name] for loss in losses]).mean()
        for name in first.diagnostics
    }


def train_epoch(
    model: Seq2Seq,
    task: Task,
    state: State,
    device: torch.device,
    after_update: Callable[[Batch], None] = lambda batch: None,
) -> tuple[Metrics, int, int]:
    """Make the rest of one pass over the data, from where `state` stands.

    Returns:
        Mean metrics, updates and target tokens of the whole epoch.

    Raises:
        Diverged: `state` and the weights are those before the update that would have been bad.
    """
    model.train()
    epoch, done, needs = state.schedule.epoch + 1, state.updates, task.bound.needs
    objective = task.bound.objective(Moment(epoch, state.schedule.decays))
    diverged = torch.zeros((), dtype=torch.bool, device=device)

    def look() -> None:
        if diverged:
            raise Diverged(
                f"epoch {epoch}, batch {state.updates + 1}: the loss or its gradient is not "
                "finite, this update was not made; lower training.learning_rate or "
                "training.clip_norm"
            )

    for number, batch in enumerate(islice(task.batches(epoch), done, None), start=done + 1):
        seed_update(task.seed, epoch, number)
        gold = needs.gold_decay and gold_probability(needs.gold_decay, state.step + number - 1)
        parts = score(model, batch, device, sampler=task.sampler, gold=gold, chunk=needs.chunk)
        losses = [objective(part) for part in parts]
        loss = torch.stack([part.value for part in losses]).sum()
        norm, diverged = update(
            model,
            loss,
            diverged,
            learning_rate=state.schedule.learning_rate,
            clip_norm=task.recipe.clip_norm,
        )
        figures = {
            **mean_figures(losses),
            "updates": torch.ones_like(norm),
            "tokens": torch.stack([part.lengths.sum() for part in parts]).sum(),
            "log_p": torch.stack([part.log_p.detach().sum() for part in parts]).sum(),
            "train_loss": loss.detach(),
            "gradient_norm": norm,
        }
        state.sums.add(figures, unless=diverged)
        if number % LOOK_EVERY[device.type] == 0:
            look()
        after_update(batch)
    look()
    sums = state.sums.read()
    updates, tokens, log_p = (sums.pop(name) for name in ("updates", "tokens", "log_p"))
    means = {name: total / updates for name, total in sums.items()}
    return {**means, "train_nll_per_token": -log_p / tokens}, int(updates), int(tokens)


def fit(
    model: Seq2Seq,
    task: Task,
    state: State,
    *,
    device: torch.device,
    checkpoints: Checkpoints,
    stop: StopRequest,
    bar: EpochBar,
    after_epoch: Callable[[State], None],
) -> str:
    """Train until the stop rule; return its name. `after_epoch` sees the state after each epoch.

    Raises:
        Diverged, Stopped: the state so far is in the last checkpoint.
    """
    watch = Stopwatch()

    def after_update(batch: Batch) -> None:
        state.epoch_seconds += watch.lap()
        bar.update(int(batch.target_lengths.sum()))  # counted here: the device is not asked
        if checkpoints.due():
            checkpoints.save(state, model)
        stop.obey()

    while (reason := state.schedule.stopped(task.recipe)) is None:
        rate = state.schedule.learning_rate
        try:
            with bar.epoch(state.schedule.epoch + 1, done=state.updates):
                metrics, updates, tokens = train_epoch(model, task, state, device, after_update)
            trained = state.epoch_seconds + watch.lap()
            with stop.obeyed_at_once():
                metrics |= {"learning_rate": rate} | task.validate(model)
        except (Diverged, Stopped):
            checkpoints.save(state, model)
            raise
        validated = trained + watch.lap()
        timing = {
            "epoch_seconds": validated,
            "valid_seconds": validated - trained,
            "target_tokens_per_second": tokens / trained,
            "peak_memory_mb": peak_memory_mb(device),
        }
        state.end_epoch(metrics, updates, timing, task.recipe)
        if odd := sorted(metrics.keys() - state.records[-1]["metrics"].keys()):
            print(
                f"warning: epoch {state.schedule.epoch}: {', '.join(odd)} is not finite and is "
                "left out of metrics.jsonl",
                flush=True,
            )
        checkpoints.save(state, model, best=state.schedule.best_epoch == state.schedule.epoch)
        after_epoch(state)
    return reason
