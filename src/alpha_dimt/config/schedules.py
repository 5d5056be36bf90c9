"""How alpha and tau move while training."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, NonNegativeFloat, model_validator

from alpha_dimt.config.base import Section


@dataclass(frozen=True)
class Moment:
    """When in a training something is asked for.

    Attributes:
        epoch: counted from 1.
        decays: epochs without a new best validation BLEU before this one.
    """

    epoch: int
    decays: int


class Moving(Section):
    """A value that moves while training."""

    start: NonNegativeFloat = Field(description="the first value")
    end: NonNegativeFloat = Field(description="the last value")

    def at(self, moment: Moment) -> float:
        """Return the value at a moment."""
        raise NotImplementedError


def value_at(value: Any, moment: Moment) -> Any:
    """Return the value of an option at a moment; a constant is always the same."""
    return value.at(moment) if isinstance(value, Moving) else value


class Linear(Moving):
    """A value that moves in a straight line over the first epochs, and then stays."""

    kind: Literal["linear"]
    epochs: Annotated[int, Field(ge=2)] = Field(description="the epoch that reaches `end`")

    def at(self, moment: Moment) -> float:
        """See `Moving`."""
        done = min((moment.epoch - 1) / (self.epochs - 1), 1.0)
        return self.start + done * (self.end - self.start)


class Stepping(Moving):
    """What the schedules share that move step by step."""

    step: float = Field(
        description="what is added; leads from `start` to `end`, so it is negative where `end` is "
        "lower"
    )

    @model_validator(mode="after")
    def _step_leads_to_the_end(self) -> Self:
        if self.start != self.end and self.step * (self.end - self.start) <= 0:
            raise ValueError(f"step {self.step:g} does not lead from start to end")
        return self

    def after(self, steps: int) -> float:
        """Return the value after some steps."""
        value = self.start + steps * self.step
        return min(value, self.end) if self.step > 0 else max(value, self.end)


class OnDecay(Stepping):
    """A value that takes a step after each epoch without a new best BLEU on the validation data.

    The learning rate decays then, too, as long as it is above its least value. This is when the
    authors' `alpha_increase` takes its steps.
    """

    kind: Literal["on_decay"]

    def at(self, moment: Moment) -> float:
        """See `Moving`."""
        return self.after(moment.decays)


class Increase(Stepping):
    """A value that takes a step at each epoch."""

    kind: Literal["increase"]

    def at(self, moment: Moment) -> float:
        """See `Moving`."""
        return self.after(moment.epoch - 1)


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
