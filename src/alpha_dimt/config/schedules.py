"""How alpha and tau move while training."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat

from alpha_dimt.config.section import Section


class Linear(Section):
    """A value that moves in a straight line over the first epochs, and then stays."""

    kind: Literal["linear"]
    start: NonNegativeFloat
    end: NonNegativeFloat
    epochs: Annotated[int, Field(ge=2)] = Field(description="epoch at which `end` is reached")


class OnDecay(Section):
    """A value that takes a step at each decay of the learning rate."""

    kind: Literal["on_decay"]
    start: NonNegativeFloat
    step: float = Field(description="added at each decay; may be negative")
    end: NonNegativeFloat = Field(description="the value never goes past this")


class Increase(Section):
    """A value that takes a step at each epoch (the authors' unused `alpha_increase`)."""

    kind: Literal["increase"]
    start: NonNegativeFloat
    step: float = Field(description="added at each epoch; may be negative")
    end: NonNegativeFloat = Field(description="the value never goes past this")


Schedule = Annotated[Linear | OnDecay | Increase, Field(discriminator="kind")]


def _at_most_one(schedule: Linear | OnDecay | Increase) -> Linear | OnDecay | Increase:
    if max(schedule.start, schedule.end) > 1:
        raise ValueError("start and end must not be above 1")
    return schedule


def _above_zero(schedule: Linear | OnDecay | Increase) -> Linear | OnDecay | Increase:
    if min(schedule.start, schedule.end) <= 0:
        raise ValueError("start and end must be above 0")
    return schedule


FractionSchedule = Annotated[Schedule, AfterValidator(_at_most_one)]
PositiveSchedule = Annotated[Schedule, AfterValidator(_above_zero)]
