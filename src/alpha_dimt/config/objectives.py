"""The systems of an experiment: one objective each."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from alpha_dimt.config.base import Fraction, Name, Reward, Section
from alpha_dimt.config.names import OptionName
from alpha_dimt.config.schedules import FractionSchedule, PositiveSchedule, Schedule


class System(Section):
    """What every system may set beside its objective."""

    from_proposal: ClassVar[bool] = False
    """Whether candidates of the proposal are trained on."""

    start: Name | None = Field(
        default=None, description="start from the best weights of this system (same seed)"
    )
    training: dict[str, Any] = Field(
        default_factory=dict, description="keys of `training` that differ for this system"
    )
    proposal: dict[str, Any] = Field(
        default_factory=dict, description="keys of `proposal` that differ for this system"
    )


class Ml(System):
    """Maximum likelihood on the references (Eq. 1)."""

    objective: Literal["ml"]


class ScheduledSampling(System):
    """Maximum likelihood with the model's own words as inputs (Bengio et al., 2015)."""

    objective: Literal["scheduled_sampling"]
    k: PositiveFloat = Field(
        default=500.0, description="after i updates a gold input has probability k/(k + exp(i/k))"
    )


class Weighted(System):
    """What the off-policy objectives share; the defaults are those of Table 1 here."""

    from_proposal: ClassVar[bool] = True

    tau: PositiveFloat | PositiveSchedule = Field(
        default=3.0, description="temperature of q, proportional to exp(r / tau)"
    )
    normalise: Literal["source", "batch"] = Field(
        default="batch", description="Z over the candidates of one source (Eq. 15) or the batch"
    )
    log_p: Literal["sum", "mean", "padded_mean"] = Field(
        default="mean",
        description="log p in the weight: summed over the sentence (Eq. 14), divided by its "
        "length, or by the longest in the batch (the authors' code)",
    )
    log_q0: bool = Field(default=False, description="divide the weight by q0 (Eq. 15)")
    chunk: PositiveInt | None = Field(
        default=None, description="weights anew for each chunk of so many steps (the authors': 32)"
    )
    samples: NonNegativeInt = Field(
        default=0, description="candidates drawn from the model beside those of the proposal"
    )

    @model_validator(mode="after")
    def _whole_sentences(self) -> Self:
        if self.chunk and self.samples:
            raise ValueError("chunk and samples cannot be used together")
        return self


class Raml(Weighted):
    """RAML (Eq. 4): alpha = 0."""

    objective: Literal["raml"]
    weights: Literal["importance", "uniform"] = Field(
        default="importance",
        description="uniform: the candidates come from q itself (proposal hamming_payoff)",
    )

    @model_validator(mode="after")
    def _uniform_weights_have_no_group(self) -> Self:
        if self.weights == "uniform" and (self.chunk or self.samples):
            raise ValueError("weights: uniform takes neither chunk nor samples")
        return self


class Alpha(Weighted):
    """alpha-DiMT (Eq. 13 to 15)."""

    objective: Literal["alpha"]
    alpha: Fraction | FractionSchedule


class OnPolicy(System):
    """What the objectives on the model's own samples share."""

    samples: PositiveInt = Field(default=8, description="K, candidates drawn from the model")
    reward: Reward = Field(default="bleu", description="as proposal.reward")


class AlphaOnPolicy(OnPolicy):
    """alpha-DiMT on the model's own samples; alpha = 1 is the policy gradient with entropy."""

    objective: Literal["alpha_on_policy"]
    samples: Annotated[int, Field(ge=2)] = Field(
        default=8, description="K, candidates drawn from the model"
    )
    alpha: Fraction | FractionSchedule
    tau: PositiveFloat | PositiveSchedule = 0.1


class PolicyGradient(OnPolicy):
    """REINFORCE with a leave-one-out baseline (Eq. 2), with entropy where tau > 0 (Eq. 3)."""

    objective: Literal["policy_gradient"]
    tau: NonNegativeFloat | Schedule = Field(default=0.0, description="weight of the entropy")


class MinimumRisk(OnPolicy):
    """Minimum risk training (Shen et al., 2016); the reference is one of the candidates."""

    objective: Literal["mrt"]
    sharpness: PositiveFloat = Field(default=0.005, description="exponent of p in Q")


class GnmtMixture(OnPolicy):
    """ml_weight times maximum likelihood plus the policy gradient (Wu et al., 2016)."""

    objective: Literal["gnmt_mixture"]
    ml_weight: NonNegativeFloat = 0.017
    samples: PositiveInt = Field(default=15, description="K, candidates drawn from the model")
    reward: Reward = Field(default="gleu", description="as proposal.reward")


class Custom(System):
    """A function of one's own: `Scored` and options in, `Loss` out."""

    objective: Literal["custom"]
    function: str = Field(
        pattern=r"^[\w.]+:\w+$", description="importable module and function, module:function"
    )
    options: dict[OptionName, float | str | bool] = Field(
        default_factory=dict, description="keyword arguments of the function"
    )
    candidates: Literal["reference", "proposal", "model"] = Field(
        default="proposal", description="where the candidates come from"
    )
    samples: PositiveInt = Field(default=8, description="candidates, where they are the model's")
    reward: Reward = Field(default="bleu", description="of the model's samples")


Mixable = Annotated[
    Raml | Alpha | AlphaOnPolicy | PolicyGradient | MinimumRisk | Custom,
    Field(discriminator="objective"),
]


class Interpolated(System):
    """ml_weight times maximum likelihood plus (1 - ml_weight) times another objective."""

    objective: Literal["interpolated"]
    ml_weight: Fraction
    other: Mixable

    @model_validator(mode="after")
    def _one_system(self) -> Self:
        for name in System.model_fields:
            if getattr(self.other, name):
                raise ValueError(f"{name} belongs to the system, not to other")
        return self


Objective = Annotated[
    Ml
    | ScheduledSampling
    | Raml
    | Alpha
    | AlphaOnPolicy
    | PolicyGradient
    | MinimumRisk
    | GnmtMixture
    | Custom
    | Interpolated,
    Field(discriminator="objective"),
]


def mixes_samples(objective: Objective) -> bool:
    """Return whether samples of the model are weighted together with candidates of the proposal."""
    weighted = objective.other if isinstance(objective, Interpolated) else objective
    return isinstance(weighted, Weighted) and weighted.samples > 0


def from_proposal(objective: Objective) -> bool:
    """Return whether an objective trains on candidates of the proposal."""
    if isinstance(objective, Interpolated):
        return from_proposal(objective.other)
    if isinstance(objective, Custom):
        return objective.candidates == "proposal"
    return objective.from_proposal
