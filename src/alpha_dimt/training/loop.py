"""The training loop: one for every objective."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from alpha_dimt.config import Training
from alpha_dimt.data.batching import Batch
from alpha_dimt.errors import UserError
from alpha_dimt.model.seq2seq import Seq2Seq
from alpha_dimt.training.candidates import Sampler, gold_probability, score
from alpha_dimt.training.methods import Method
from alpha_dimt.training.sgd import clipped_sgd
from alpha_dimt.training.state import State

Metrics = dict[str, float]


@dataclass(frozen=True)
class Task:
    """What one training is made of; nothing in here changes while it runs.

    Attributes:
        method: the objective, and which candidates it wants.
        sampler: draws candidates from the model, if the method wants them.
        batches: the batches of an epoch (counted from 1).
        validate: metrics of the model on the validation data; `valid_bleu_greedy` is one of them.
        recipe: learning rates, batch size, stop rule.
        seed: of the random streams.
    """

    method: Method
    sampler: Sampler | None
    batches: Callable[[int], Iterable[Batch]]
    validate: Callable[[Seq2Seq], Metrics]
    recipe: Training
    seed: int


def train_epoch(
    model: Seq2Seq,
    task: Task,
    state: State,
    device: torch.device,
) -> tuple[Metrics, int, int]:
    """Make one pass over the data; return mean metrics, updates and target tokens."""
    model.train()
    epoch = state.schedule.epoch + 1
    torch.manual_seed(task.seed * 10_007 + epoch)  # dropout and samples
    method = task.method
    objective = method.objective(epoch, state.schedule.decays)
    sums: Metrics = {}
    updates = tokens = 0
    log_p_sum = 0.0
    for number, batch in enumerate(task.batches(epoch), start=1):
        gold = method.gold_decay and gold_probability(method.gold_decay, state.step + updates)
        parts = score(model, batch, device, sampler=task.sampler, gold=gold, chunk=method.chunk)
        losses = [objective(part) for part in parts]
        value = torch.stack([loss.value for loss in losses]).sum()
        value.backward()  # type: ignore[no-untyped-call]
        norm = clipped_sgd(
            model.parameters(),
            learning_rate=state.schedule.learning_rate,
            clip_norm=task.recipe.clip_norm,
        )
        if not torch.isfinite(norm):
            raise UserError(
                f"epoch {epoch}, batch {number}: the gradient is {norm.item()}; "
                "lower training.learning_rate or training.clip_norm"
            )
        updates, tokens = updates + 1, tokens + sum(int(part.lengths.sum()) for part in parts)
        log_p_sum += sum(float(part.log_p.detach().sum()) for part in parts)
        figures = {"train_loss": value.detach(), "gradient_norm": norm, **losses[0].diagnostics}
        for name, figure in figures.items():
            sums[name] = sums.get(name, 0.0) + float(figure)
    means = {name: total / updates for name, total in sums.items()}
    return {**means, "train_nll_per_token": -log_p_sum / tokens}, updates, tokens


def fit(
    model: Seq2Seq,
    task: Task,
    state: State,
    *,
    device: torch.device,
    after_epoch: Callable[[State], None],
) -> str:
    """Train until the stop rule; return its name. `after_epoch` sees the state after each epoch."""
    while (reason := state.schedule.stopped(task.recipe)) is None:
        started = time.monotonic()
        rate, epoch = state.schedule.learning_rate, state.schedule.epoch + 1
        metrics, updates, tokens = train_epoch(model, task, state, device)
        trained = time.monotonic()
        metrics |= {"learning_rate": rate} | task.validate(model)
        validated = time.monotonic()
        state.step += updates
        state.schedule = state.schedule.after(metrics["valid_bleu_greedy"], task.recipe)
        if state.schedule.best_epoch == epoch:
            state.best = {name: value.clone() for name, value in model.state_dict().items()}
        state.seconds += validated - started
        state.records.append(
            {
                "time_ms": time.time_ns() // 1_000_000,
                "epoch": epoch,
                "step": state.step,
                "metrics": metrics,
                "timing": {
                    "epoch_seconds": validated - started,
                    "valid_seconds": validated - trained,
                    "target_tokens_per_second": tokens / (trained - started),
                },
            }
        )
        after_epoch(state)
    return reason
