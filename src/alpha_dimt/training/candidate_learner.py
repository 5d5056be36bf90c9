"""The learner for all objectives on candidates: score them, weight them, make one update."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from alpha_dimt.config.schedules import Moment
from alpha_dimt.core.errors import UserError
from alpha_dimt.data.batching import Batch
from alpha_dimt.kernels import send
from alpha_dimt.models.base import TranslationModel
from alpha_dimt.objectives import Loss, Scored
from alpha_dimt.training.binding import Bound
from alpha_dimt.training.learner import Setup, Update
from alpha_dimt.training.optimisers import Optimiser, build_optimiser
from alpha_dimt.training.rollout import Rollout, choose_rollout, gold_probability, mixed_inputs


@dataclass(frozen=True)
class CandidateLearner:
    """Trains one model on candidates of the reference, of a proposal and of the model itself.

    Attributes:
        model: network to train.
        bound: objective, and the candidates that it needs.
        rollout: draws candidates from the model; None if the objective needs none.
        optimiser: optimiser of the model.
        device: device of the model.
    """

    model: TranslationModel
    bound: Bound
    rollout: Rollout | None
    optimiser: Optimiser
    device: torch.device

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The one network; see `Learner`."""
        return {"model": self.model}

    @property
    def optimisers(self) -> Mapping[str, Optimiser]:
        """The one optimiser; see `Learner`."""
        return {"model": self.optimiser}

    def begin(self, generator: torch.Generator) -> None:
        """Do nothing: there is only the model; see `Learner`."""

    def trains_model(self, epoch: int) -> bool:
        """Return that every epoch does; see `Learner`."""
        return True

    def update(
        self, batch: Batch, at: Moment, *, step: int, learning_rate: float, diverged: Tensor
    ) -> Update:
        """Make one update; see `Learner`."""
        needs, objective = self.bound.needs, self.bound.objective(at)
        gold = needs.gold_decay and gold_probability(needs.gold_decay, step)
        parts = score(
            self.model,
            batch,
            self.device,
            rollout=self.rollout,
            gold=gold,
            chunk=needs.chunk,
            with_mean=needs.mean_log_p,
        )
        losses = [objective(part) for part in parts]
        loss = torch.stack([part.value for part in losses]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        diverged = diverged | ~loss.detach().isfinite()
        norm = self.optimiser.step(
            self.model.parameters(), learning_rate=learning_rate, unless=diverged
        )
        metrics = {
            **mean_metrics(losses),
            "tokens": torch.stack([part.lengths.sum() for part in parts]).sum(),
            "log_p": torch.stack([part.log_p.detach().sum() for part in parts]).sum(),
            "train_loss": loss.detach(),
            "gradient_norm": norm,
        }
        return Update(metrics, diverged | ~norm.isfinite())


def build(setup: Setup) -> CandidateLearner:
    """Return the learner of a system on candidates."""
    return CandidateLearner(
        setup.model,
        bound=setup.bound,
        rollout=choose_rollout(setup.config, setup.bound.needs, setup.pairs, setup.words),
        optimiser=build_optimiser(setup.config.training),
        device=setup.device,
    )


def mean_metrics(losses: Sequence[Loss]) -> dict[str, Tensor]:
    """Return the metrics of an update: those of its loss, or their means over its chunks."""
    first, *others = losses
    if not others:
        return first.diagnostics
    return {
        name: torch.stack([loss.diagnostics[name] for loss in losses]).mean()
        for name in first.diagnostics
    }


def score(
    model: TranslationModel,
    batch: Batch,
    device: torch.device,
    *,
    rollout: Rollout | None = None,
    gold: float | None = None,
    chunk: int | None = None,
    with_mean: bool = False,
) -> list[Scored]:
    """Return the candidates of a mini-batch with their log-probabilities.

    Args:
        model: computes the log-probabilities.
        batch: sources and candidates.
        device: device of the model.
        rollout: draws further candidates from the model.
        gold: probability of gold inputs in scheduled sampling; None for gold inputs only.
        chunk: number of steps to score as one chunk, as in the authors' code; None to score whole
            candidates.
        with_mean: fill in `Scored.mean_log_p`; not together with `chunk`.

    Returns:
        One entry per chunk, or a single one without `chunk`.
    """

    # Copies to the device do not block, so batches are sent while earlier updates are still being
    # computed. Lengths stay on the CPU: decisions based on them need no answer from the device.
    (source,) = send([torch.from_numpy(batch.source)], device)
    encoded = model.encode(source, torch.from_numpy(batch.source_lengths))
    if rollout is not None:
        batch = rollout.draw(model, encoded, batch)
    shape = batch.reward.shape
    lengths = torch.from_numpy(batch.target_lengths)
    if chunk is None:
        counts = lengths[None]
    else:
        starts = torch.arange(0, batch.target.shape[1] - 1, chunk)[:, None]
        counts = (lengths - starts).clamp(0, chunk)
    arrays = (batch.target, batch.reward, batch.log_q0, batch.reference)
    target, reward, log_q0, reference, counts = send(
        [*(torch.from_numpy(array) for array in arrays), counts], device
    )
    inputs = None if gold is None else mixed_inputs(model, encoded, target, gold)
    tokens = model.token_log_probs(encoded, target, lengths, inputs=inputs)
    parts = tokens.per_row()[None] if chunk is None else tokens.per_chunk(chunk)
    mean_log_p = None
    if with_mean:
        if tokens.mean is None:
            raise UserError(
                f"{type(model).__name__} offers no mean over the vocabulary, which label smoothing "
                "needs; set label_smoothing: 0"
            )
        mean_log_p = replace(tokens, log_p=tokens.mean()).per_row().view(shape)
    log_q0 = log_q0.to(parts.dtype)
    if rollout is not None and rollout.proposal is not None:
        # All candidates together are a sample from the mixture of both distributions.
        share = rollout.stored / (rollout.stored + rollout.samples)
        log_model = parts[0].detach().view(shape) + math.log(1 - share)
        log_q0 = torch.logaddexp(log_q0 + math.log(share), log_model)
    first = Scored.of(
        parts[0].view(shape),
        target=target,
        lengths=counts[0],
        reward=reward,
        log_q0=log_q0,
        reference=reference,
        mean_log_p=mean_log_p,
    )
    return [
        replace(first, log_p=log_p.view(shape), lengths=count.view(shape))
        for log_p, count in zip(parts, counts, strict=True)
    ]
