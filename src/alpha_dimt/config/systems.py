"""What every system may set, and what every objective says of itself."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field, PositiveInt

from alpha_dimt.config.base import Name, Section
from alpha_dimt.config.proposals import DistributionConfig
from alpha_dimt.config.registry import Kind
from alpha_dimt.config.rewards import Reward
from alpha_dimt.config.schedules import Moment, value_at


@dataclass(frozen=True)
class Needs:
    """Which candidates a loss takes, and how they are scored.

    The candidates of a source are, in this order: the reference, those of the proposal, samples.

    Attributes:
        reference: whether the reference is the first candidate.
        proposal: whether the proposal's candidates are among them.
        samples: candidates drawn from the model.
        epsilon: of `beam_candidates`, which finds them; None: they are samples.
        reward: of these samples; None where the proposal's candidates decide it.
        gold_decay: k of scheduled sampling's inverse sigmoid decay; None: gold inputs only.
        chunk: steps after which weights are computed again; None: one weight a sentence.
        mean_log_p: whether the loss takes the mean over the vocabulary of log p.
    """

    reference: bool = False
    proposal: bool = False
    samples: int = 0
    epsilon: float | None = None
    reward: Reward | None = None
    gold_decay: float | None = None
    chunk: int | None = None
    mean_log_p: bool = False


class System(Section):
    """What every system may set beside its objective."""

    start: Name | None = Field(
        default=None, description="start from the best weights of this system (same seed)"
    )
    training: dict[str, Any] = Field(
        default_factory=dict,
        description="keys of `training` but `device`, with other values for this system",
    )
    proposal: dict[str, Any] = Field(
        default_factory=dict, description="keys of `proposal` with other values for this system"
    )
    seeds: PositiveInt | None = Field(
        default=None,
        exclude=True,  # other runs of a system are no part of what one of them is
        description="runs of this system at most, with the first of `seeds`; null: one with each",
    )


class ObjectiveConfig(System, Kind):
    """An objective: the loss, its options, and the candidates that it takes."""

    tag: ClassVar[str] = "objective"
    kinds: ClassVar[dict[str, Any]] = {}
    loss: ClassVar[str] = ""
    """Import path of the loss, a pure function of scored candidates."""
    takes: ClassVar[tuple[str, ...]] = ()
    """The options that are arguments of the loss, by the same names."""
    learner: ClassVar[str] = "alpha_dimt.training.candidate_learner:build"
    """Import path of the function that builds the learner from a `Setup`."""
    mixable: ClassVar[bool] = True
    """Whether `interpolated` may combine it with maximum likelihood."""

    objective: str

    @property
    def implementation(self) -> str:
        """The import path of the loss that these options choose."""
        return self.loss

    def arguments(self, at: Moment) -> dict[str, Any]:
        """Return the keyword arguments of the loss; options of an objective stand for its loss."""
        return {name: value_at(getattr(self, name), at) for name in self.takes}

    def needs(self) -> Needs:
        """Return which candidates the loss takes."""
        raise NotImplementedError

    def hyperparameters(self, distribution: DistributionConfig | None) -> dict[str, Any]:
        """Return alpha and tau for tables, constants or schedules; without those it has not.

        Args:
            distribution: of the proposal; None for objectives without one.
        """
        return {name: getattr(self, name) for name in ("alpha", "tau") if hasattr(self, name)}
