"""How alpha and tau move while training."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, NonNegativeFloat, model_validator

from alpha_dimt.config.base import Section


class Linear(Section):
    """A value that moves in a straight line over the first epochs, and then stays."""

    kind: Literal["linear"]
    start: NonNegativeFloat
    end: NonNegativeFloat
    epochs: Annotated[int, Field(ge=2)] = Field(description="epoch at which `end` is reached")


class Stepping(Section):
    """What the schedules share that move step by step."""

    start: NonNegativeFloat
    step: float = Field(description="added each time; negative where `end` is below `start`")
    end: NonNegativeFloat = Field(description="the value never goes past this")

    @model_validator(mode="after")
    def _step_leads_to_the_end(self) -> Self:
        if self.start != self.end and self.step * (self.end - self.start) <= 0:
            raise ValueError(f"step {self.step:g} does not lead from start to end")
        return self


class OnDecay(Stepping):
    """A value that takes a step after each epoch without a new best BLEU on the validation data.

    The learning rate decays then, too, as long as it is above its least value. This is when the
    authors' `alpha_increase` takes its steps.
    """

    kind: Literal["on_decay"]


class Increase(Stepping):
    """A value that takes a step at each epoch."""

    kind: Literal["increase"]


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
