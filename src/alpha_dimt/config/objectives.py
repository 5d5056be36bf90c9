"""The objectives, one class of options each.

A class is the only place that knows its objective: it names the loss, and says which arguments and
which candidates the loss takes. Its docstring is what the report says of a system.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from alpha_dimt.config.base import Fraction, Since
from alpha_dimt.config.names import OptionName
from alpha_dimt.config.proposals import DistributionConfig
from alpha_dimt.config.registry import one_of
from alpha_dimt.config.rewards import Reward
from alpha_dimt.config.schedules import (
    FractionSchedule,
    Moment,
    PositiveSchedule,
    Schedule,
)
from alpha_dimt.config.systems import Needs, ObjectiveConfig, System
from alpha_dimt.core.imports import IMPORT_PATH


class MlConfig(ObjectiveConfig):
    """Maximum likelihood on the references (Eq. 1)."""

    loss: ClassVar[str] = "alpha_dimt.objectives.losses:maximum_likelihood"
    mixable: ClassVar[bool] = False

    objective: Literal["ml"]
    label_smoothing: Annotated[float, Field(ge=0, lt=1), Since("0.1.0")] = Field(
        default=0.0,
        description="0 to below 1; share of each target that is spread evenly over the vocabulary",
    )

    def arguments(self, at: Moment) -> dict[str, Any]:
        """See `ObjectiveConfig`."""
        return {"label_smoothing": self.label_smoothing} if self.label_smoothing else {}

    def needs(self) -> Needs:
        """See `ObjectiveConfig`."""
        return Needs(reference=True, mean_log_p=self.label_smoothing > 0)


class ScheduledSamplingConfig(ObjectiveConfig):
    """Maximum likelihood with the model's own words as inputs (Bengio et al., 2015)."""

    loss: ClassVar[str] = "alpha_dimt.objectives.losses:maximum_likelihood"
    mixable: ClassVar[bool] = False

    objective: Literal["scheduled_sampling"]
    k: PositiveFloat = Field(
        default=500.0,
        description="after i updates a gold input has probability k / (k + exp(i / k))",
    )

    def needs(self) -> Needs:
        """See `ObjectiveConfig`."""
        return Needs(reference=True, gold_decay=self.k)


class OffPolicyConfig(ObjectiveConfig):
    """What the off-policy objectives share; the defaults are those of Table 1 here."""

    loss: ClassVar[str] = "alpha_dimt.objectives.losses:alpha_divergence"
    takes: ClassVar[tuple[str, ...]] = ("tau",)

    tau: PositiveFloat | PositiveSchedule = Field(
        default=3.0,
        description="temperature of q(y), proportional to exp(r / tau); above 0, or a schedule",
    )
    normalise: Literal["source", "batch"] = Field(
        default="batch",
        description="the group: all candidates of a `source` (Eq. 15) or of the mini-`batch` (the "
        "authors' code)",
    )
    log_p: Literal["sum", "mean", "padded_mean"] = Field(
        default="mean",
        description="log p in the weight: the `sum` over the sentence (Eq. 14), divided by its "
        "length (`mean`), or by the longest of the mini-batch (`padded_mean`, the authors' code)",
    )
    log_q0: bool = Field(default=False, description="whether log q0 is subtracted (Eq. 15)")
    chunk: PositiveInt | None = Field(
        default=None,
        description="compute weights again for each chunk of this many steps; the authors' code: "
        "32. Not together with `samples`",
    )
    samples: NonNegativeInt = Field(
        default=0,
        description="candidates of the model beside those of the proposal; log q0 is then that of "
        "the mixture. Not with `substitutes: block`",
    )

    @model_validator(mode="after")
    def _whole_sentences(self) -> Self:
        if self.chunk and self.samples:
            raise ValueError("chunk and samples cannot be used together")
        return self

    def arguments(self, at: Moment) -> dict[str, Any]:
        """See `ObjectiveConfig`."""
        return {
            **super().arguments(at),
            "normaliser": self.normalise,
            "log_p": self.log_p,
            "log_q0": self.log_q0,
        }

    def needs(self) -> Needs:
        """See `ObjectiveConfig`."""
        return Needs(proposal=True, samples=self.samples, chunk=self.chunk)


class RamlConfig(OffPolicyConfig):
    """RAML (Eq. 4): alpha = 0."""

    objective: Literal["raml"]
    weights: Literal["importance", "uniform"] = Field(
        default="importance",
        description="`uniform`: the candidates come from q itself, as "
        "`proposal: {distribution: {kind: hamming_payoff}}` draws them, whose `tau` is then the "
        "temperature. Neither `chunk` nor `samples`",
    )

    @model_validator(mode="after")
    def _uniform_weights_have_no_group(self) -> Self:
        if self.weights == "uniform" and (self.chunk or self.samples):
            raise ValueError("weights: uniform takes neither chunk nor samples")
        return self

    @property
    def implementation(self) -> str:
        """See `ObjectiveConfig`."""
        return MlConfig.loss if self.weights == "uniform" else self.loss

    def arguments(self, at: Moment) -> dict[str, Any]:
        """See `ObjectiveConfig`."""
        if self.weights == "uniform":
            return {}
        return {"alpha": 0.0, **super().arguments(at)}

    def hyperparameters(self, distribution: DistributionConfig | None) -> dict[str, Any]:
        """See `ObjectiveConfig`; on samples of q itself, tau is that of the distribution."""
        if self.weights == "uniform":
            return {"alpha": 0, **(distribution.hyperparameters() if distribution else {})}
        return {"alpha": 0, "tau": self.tau}


class AlphaConfig(OffPolicyConfig):
    """alpha-DiMT (Eq. 13 to 15)."""

    takes: ClassVar[tuple[str, ...]] = ("alpha", "tau")

    objective: Literal["alpha"]
    alpha: Fraction | FractionSchedule = Field(description="0 to 1, or a schedule")


class OnPolicyConfig(ObjectiveConfig):
    """What the objectives on the model's own samples share."""

    samples: PositiveInt = Field(default=8, description="K, candidates a source")
    reward: Reward = Field(default="bleu", description="as `proposal.reward`")

    def needs(self) -> Needs:
        """See `ObjectiveConfig`."""
        return Needs(samples=self.samples, reward=self.reward)


class OnPolicyDivergenceConfig(OnPolicyConfig):
    """What the divergences from q share that are estimated on the model's own candidates."""

    samples: Annotated[int, Field(ge=2)] = Field(
        default=8, description="K, candidates a source; at least 2"
    )
    tau: PositiveFloat | PositiveSchedule = Field(
        default=0.1, description="temperature; above 0, or a schedule"
    )


class AlphaOnPolicyConfig(OnPolicyDivergenceConfig):
    """alpha-DiMT on the model's own samples; alpha = 1 is the policy gradient with entropy."""

    loss: ClassVar[str] = "alpha_dimt.objectives.losses:on_policy_alpha"
    takes: ClassVar[tuple[str, ...]] = ("alpha", "tau")

    objective: Literal["alpha_on_policy"]
    alpha: Fraction | FractionSchedule = Field(description="0 to 1, or a schedule")


class FDivergenceConfig(OnPolicyDivergenceConfig):
    """A divergence from q beside the alpha family, on the model's own samples."""

    loss: ClassVar[str] = "alpha_dimt.objectives.divergences:f_divergence"
    takes: ClassVar[tuple[str, ...]] = ("divergence", "tau")

    objective: Literal["f_divergence"]
    divergence: Literal[
        "chi_square", "reverse_chi_square", "jensen_shannon", "total_variation", "tail_adaptive"
    ] = Field(
        description="`chi_square` (alpha = -1) and `reverse_chi_square` (alpha = 2), "
        "`jensen_shannon`, `total_variation`; `tail_adaptive`: weights by the rank of q / p (Wang "
        "et al., 2018), which cannot collapse"
    )


class PolicyGradientConfig(OnPolicyConfig):
    """REINFORCE with a leave-one-out baseline (Eq. 2), with entropy where tau > 0 (Eq. 3)."""

    loss: ClassVar[str] = "alpha_dimt.objectives.losses:policy_gradient"
    takes: ClassVar[tuple[str, ...]] = ("tau",)

    objective: Literal["policy_gradient"]
    tau: NonNegativeFloat | Schedule = Field(
        default=0.0, description="weight of the entropy, or a schedule"
    )


class AlphaBeamConfig(OnPolicyDivergenceConfig):
    """alpha-DiMT on the candidates of a randomised beam; with rewards 0 and 1, RANDOMER."""

    loss: ClassVar[str] = "alpha_dimt.objectives.losses:alpha_divergence"
    takes: ClassVar[tuple[str, ...]] = ("alpha", "tau")

    objective: Literal["alpha_beam"]
    samples: Annotated[int, Field(ge=2)] = Field(
        default=8, description="K, width of the beam; at least 2"
    )
    alpha: Fraction | FractionSchedule = Field(description="0 to 1, or a schedule")
    epsilon: Fraction = Field(
        default=0.15,
        description="probability with which a place in the beam goes to a random continuation "
        "instead of the best one that is left (Guu et al., 2017)",
    )

    def arguments(self, at: Moment) -> dict[str, Any]:
        """See `ObjectiveConfig`; a beam has no q0."""
        return {
            **super().arguments(at),
            "normaliser": "source",
            "log_p": "sum",
            "log_q0": False,
        }

    def needs(self) -> Needs:
        """See `ObjectiveConfig`."""
        return replace(super().needs(), epsilon=self.epsilon)


class MinimumRiskConfig(OnPolicyConfig):
    """Minimum risk training (Shen et al., 2016); the reference is one of the candidates."""

    loss: ClassVar[str] = "alpha_dimt.objectives.losses:minimum_risk"
    takes: ClassVar[tuple[str, ...]] = ("sharpness",)

    objective: Literal["mrt"]
    sharpness: PositiveFloat = Field(default=0.005, description="exponent of p in Q")
    beam: Annotated[bool, Since("0.1.0")] = Field(
        default=False,
        description="candidates are those of a beam search of width `samples` (Edunov et al., "
        "2018) instead of samples",
    )

    def needs(self) -> Needs:
        """See `ObjectiveConfig`."""
        return replace(super().needs(), reference=True, epsilon=0.0 if self.beam else None)


class GnmtMixtureConfig(OnPolicyConfig):
    """ml_weight times maximum likelihood plus the policy gradient (Wu et al., 2016)."""

    loss: ClassVar[str] = "alpha_dimt.objectives.losses:with_likelihood"
    mixable: ClassVar[bool] = False

    objective: Literal["gnmt_mixture"]
    ml_weight: NonNegativeFloat = Field(
        default=0.017, description="weight of maximum likelihood beside 1"
    )
    samples: PositiveInt = Field(default=15, description="K, candidates a source")
    reward: Reward = Field(default="gleu", description="as `proposal.reward`")

    def arguments(self, at: Moment) -> dict[str, Any]:
        """See `ObjectiveConfig`."""
        other = PolicyGradientConfig(objective="policy_gradient")
        return {"other": other, "ml_weight": self.ml_weight, "other_weight": 1.0}

    def needs(self) -> Needs:
        """See `ObjectiveConfig`."""
        return replace(super().needs(), reference=True)


# Registers its kinds, which stand here in lists of all.
from alpha_dimt.config import critics as critics  # noqa: E402


class CustomConfig(ObjectiveConfig):
    """A function of one's own: `Scored` and options in, `Loss` out."""

    objective: Literal["custom"]
    function: str = Field(
        pattern=IMPORT_PATH, description="import path of the function, `module:function`"
    )
    options: dict[OptionName, float | str | bool] = Field(
        default_factory=dict,
        description="keyword arguments of the function; each key a name that Python takes",
    )
    candidates: Literal["reference", "proposal", "model"] = Field(
        default="proposal",
        description="where candidates come from: `reference`, `proposal` or `model`",
    )
    samples: PositiveInt = Field(default=8, description="candidates, where they are the model's")
    reward: Reward = Field(default="bleu", description="of the model's samples")

    @property
    def implementation(self) -> str:
        """See `ObjectiveConfig`."""
        return self.function

    def arguments(self, at: Moment) -> dict[str, Any]:
        """See `ObjectiveConfig`."""
        return dict(self.options)

    def needs(self) -> Needs:
        """See `ObjectiveConfig`."""
        if self.candidates == "model":
            return Needs(samples=self.samples, reward=self.reward)
        return Needs(
            reference=self.candidates == "reference", proposal=self.candidates == "proposal"
        )


if TYPE_CHECKING:
    Mixable = ObjectiveConfig
else:
    Mixable = one_of(ObjectiveConfig, among=lambda kind: kind.mixable)


class InterpolatedConfig(ObjectiveConfig):
    """ml_weight times maximum likelihood plus (1 - ml_weight) times another objective."""

    loss: ClassVar[str] = "alpha_dimt.objectives.losses:with_likelihood"
    mixable: ClassVar[bool] = False

    objective: Literal["interpolated"]
    ml_weight: Fraction = Field(description="0 to 1; the other objective has the rest")
    other: Mixable = Field(description="the other objective, with its keys")

    @model_validator(mode="after")
    def _one_system(self) -> Self:
        for name in System.model_fields:
            if getattr(self.other, name):
                raise ValueError(f"{name} belongs to the system, not to other")
        return self

    def arguments(self, at: Moment) -> dict[str, Any]:
        """See `ObjectiveConfig`."""
        return {
            "other": self.other,
            "ml_weight": self.ml_weight,
            "other_weight": 1 - self.ml_weight,
            "shared": self.other.needs().reference,
        }

    def needs(self) -> Needs:
        """See `ObjectiveConfig`."""
        return replace(self.other.needs(), reference=True)

    def hyperparameters(self, distribution: DistributionConfig | None) -> dict[str, Any]:
        """See `ObjectiveConfig`."""
        return self.other.hyperparameters(distribution)


if TYPE_CHECKING:
    Objective = ObjectiveConfig
else:
    Objective = one_of(ObjectiveConfig)
