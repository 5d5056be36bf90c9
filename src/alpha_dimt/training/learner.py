"""The contract between the training loop and what it trains.

The loop knows epochs, checkpoints and the stop rule; a learner knows networks, objectives and
optimisers. Another way of training (a critic beside the model, say) is another learner.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from alpha_dimt.config import RunConfig
from alpha_dimt.config.schedules import Moment
from alpha_dimt.core.errors import UserError
from alpha_dimt.data.batching import Batch
from alpha_dimt.data.encoded import Pairs
from alpha_dimt.models.base import TranslationModel
from alpha_dimt.training.binding import Bound
from alpha_dimt.training.optimisers import Optimiser


@dataclass(frozen=True)
class Update:
    """The result of one update.

    Attributes:
        metrics: scalars on the device, with the same names in every update. The loop logs their
            means over the updates of an epoch. They include `tokens` (target tokens) and `log_p`
            (their summed log-probability), which are logged as `train_nll_per_token`.
        diverged: whether this update or an earlier one was not finite; a scalar on the device.
    """

    metrics: dict[str, Tensor]
    diverged: Tensor


@dataclass(frozen=True)
class Setup:
    """What a learner is built from.

    Attributes:
        config: configuration of the run.
        bound: its objective.
        model: the network to train, not filled yet.
        pairs: training pairs.
        words: target vocabulary size.
        device: device to train on.
    """

    config: RunConfig
    bound: Bound
    model: TranslationModel
    pairs: Pairs
    words: int
    device: torch.device


class Learner(Protocol):
    """Owns networks and optimisers, and makes updates."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The networks by name; "model" is the one to validate, publish and translate with."""

    @property
    def optimisers(self) -> Mapping[str, Optimiser]:
        """The optimisers by name."""

    def begin(self, generator: torch.Generator) -> None:
        """Fill what is beside the model, once that has its first weights."""

    def trains_model(self, epoch: int) -> bool:
        """Return whether an epoch changes the model.

        One that does not says nothing of the learning rate, nor of when to stop.
        """

    def update(
        self, batch: Batch, at: Moment, *, step: int, learning_rate: float, diverged: Tensor
    ) -> Update:
        """Make one update; a no-op if this one or an earlier one is not finite.

        Args:
            batch: sources and candidates.
            at: moment of the training, for alpha and tau.
            step: number of earlier updates, over all epochs.
            learning_rate: learning rate of this update.
            diverged: whether an earlier update of the epoch was not finite; a scalar on the device.
        """


def require_token_states(model: TranslationModel) -> int:
    """Return the units of the states of a model's tokens.

    Raises:
        UserError: the model has none.
    """
    if model.state_size is None:
        raise UserError(
            f"{type(model).__name__} does not offer the states of its tokens, which this objective "
            "needs; write its token_states, and set state_size"
        )
    return model.state_size
