"""Optimisers and how the learning rate moves."""

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from alpha_dimt.config.base import wrong
from alpha_dimt.config.registry import Kind, one_of

Beta = Annotated[float, Field(ge=0, lt=1)]


class OptimiserConfig(Kind):
    """An optimiser."""

    kinds: ClassVar[dict[str, Any]] = {}
    implementation: ClassVar[str] = ""
    """Import path of what makes a `training.optimisers.Optimiser` of these options and the largest
    norm of the gradient."""

    kind: str

    def sentence(self) -> str:
        """Return its name and its constants, for the report."""
        raise NotImplementedError


class SgdConfig(OptimiserConfig):
    """Plain SGD, as in the paper."""

    implementation: ClassVar[str] = "alpha_dimt.training.optimisers:plain_sgd"

    kind: Literal["sgd"]

    def sentence(self) -> str:
        """See `OptimiserConfig`."""
        return "SGD"


class AdamWConfig(OptimiserConfig):
    """AdamW (Loshchilov and Hutter, 2019); with a decay of 0, Adam (Kingma and Ba, 2015)."""

    implementation: ClassVar[str] = "alpha_dimt.training.optimisers:AdamW"

    kind: Literal["adamw"]
    beta1: Beta = Field(default=0.9, description="decay of the mean of gradients")
    beta2: Beta = Field(default=0.98, description="decay of the mean of squared gradients")
    epsilon: PositiveFloat = Field(
        default=1e-9, description="added to the root of the mean of squared gradients"
    )
    weight_decay: NonNegativeFloat = Field(
        default=0.0, description="decoupled: an update takes `learning_rate` times this off weights"
    )

    def sentence(self) -> str:
        """See `OptimiserConfig`."""
        return (
            f"AdamW (beta {self.beta1:g} and {self.beta2:g}, epsilon {self.epsilon:g}, weight "
            f"decay {self.weight_decay:g})"
        )


class RateConfig(Kind):
    """How the learning rate moves: a factor for each update, times `learning_rate`."""

    kinds: ClassVar[dict[str, Any]] = {}
    decays: ClassVar[bool] = False
    """Whether epochs without a new best BLEU lower the rate."""

    kind: str

    def factor(self, step: int) -> float:
        """Return the factor of an update, counted from 0."""
        raise NotImplementedError

    def sentence(self, rate: float, decay: float, lowest: float) -> str:
        """Return what the learning rate is, for the report.

        Args:
            rate: `training.learning_rate`.
            decay: `training.decay`.
            lowest: `training.min_learning_rate`.
        """
        raise NotImplementedError


class DevDecayConfig(RateConfig):
    """Constant, but lower after each epoch without a new best BLEU (`decay`), as in the paper."""

    decays: ClassVar[bool] = True

    kind: Literal["dev_decay"]

    def factor(self, step: int) -> float:
        """See `RateConfig`."""
        return 1.0

    def sentence(self, rate: float, decay: float, lowest: float) -> str:
        """See `RateConfig`."""
        return (
            f"a learning rate of {rate:g} that is multiplied by {decay:g} after each epoch without "
            f"a new best dev BLEU (down to {lowest:g})"
        )


class Warming(RateConfig):
    """What the schedules share that begin with small steps."""

    warmup: PositiveInt = Field(
        default=4000, description="updates in which the rate rises in proportion to their number"
    )


class InverseSquareRootConfig(Warming):
    """Rises over the warm-up, then falls with the inverse square root of the updates."""

    kind: Literal["inverse_square_root"]

    def factor(self, step: int) -> float:
        """See `RateConfig`."""
        done = step + 1
        return min(done / self.warmup, math.sqrt(self.warmup / done))

    def sentence(self, rate: float, decay: float, lowest: float) -> str:
        """See `RateConfig`."""
        return (
            f"a learning rate that rises to {rate:g} over {self.warmup:,} updates and then falls "
            "with the inverse square root of their number"
        )


class CosineConfig(Warming):
    """Rises over the warm-up, then falls to 0 along a cosine."""

    kind: Literal["cosine"]
    updates: PositiveInt = Field(description="updates until the rate is 0, warm-up included")

    @model_validator(mode="after")
    def _ends_after_the_warm_up(self) -> Self:
        if self.updates <= self.warmup:
            raise wrong(
                f"updates: {self.updates} is not above warmup ({self.warmup}); raise it, or lower "
                "warmup",
                "updates",
            )
        return self

    def factor(self, step: int) -> float:
        """See `RateConfig`."""
        done = step + 1
        if done <= self.warmup:
            return done / self.warmup
        fallen = min(1.0, (done - self.warmup) / (self.updates - self.warmup))
        return 0.5 * (1 + math.cos(math.pi * fallen))

    def sentence(self, rate: float, decay: float, lowest: float) -> str:
        """See `RateConfig`."""
        return (
            f"a learning rate that rises to {rate:g} over {self.warmup:,} updates and then falls "
            f"along a cosine, to 0 at update {self.updates:,}"
        )


if TYPE_CHECKING:
    Optimiser = OptimiserConfig
    Rate = RateConfig
else:
    Optimiser = one_of(OptimiserConfig, default="sgd")
    Rate = one_of(RateConfig, default="dev_decay")
