"""Objectives that learn a critic beside the model, one class of options each."""

from typing import Annotated, ClassVar, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from alpha_dimt.config.base import Fraction, Section
from alpha_dimt.config.schedules import FractionSchedule, PositiveSchedule
from alpha_dimt.config.systems import Needs, ObjectiveConfig


class CriticSizes(Section):
    """The critic's network: that of `attention_rnn`, from reference and prefix to values."""

    embedding: PositiveInt = Field(default=256, description="units of both embeddings")
    hidden: Annotated[int, Field(gt=0, multiple_of=2)] = Field(
        default=256, description="units of its decoder, even"
    )
    init: PositiveFloat = Field(
        default=0.05, description="every parameter starts uniform in [-init, init]"
    )


class CriticConfig(ObjectiveConfig):
    """What the objectives with a critic share; the defaults are those of the authors' code."""

    learner: ClassVar[str] = "alpha_dimt.training.critic_learner:build"
    mixable: ClassVar[bool] = False

    samples: PositiveInt = Field(default=1, description="samples a source")
    reward: Literal["bleu", "gleu", "edit_distance", "constant"] = Field(
        default="bleu",
        description="score of a prefix; a word is rewarded with what it adds, times the length of "
        "the reference with `<s>` and `</s>`. `bleu` adds one to all counts",
    )
    critic: CriticSizes = Field(
        default=CriticSizes(), description="the critic's sizes; the keys are below"
    )
    critic_epochs: NonNegativeInt = Field(
        default=5, description="first epochs, in which the critic is trained alone"
    )
    critic_learning_rate: PositiveFloat = Field(
        default=0.001, description="of the critic's AdamW in these epochs"
    )
    critic_joint_learning_rate: PositiveFloat = Field(
        default=0.0001, description="of the critic's AdamW once the model is trained, too"
    )
    delay: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.001,
        description="how far the delayed copies move towards their networks after each update",
    )
    penalty: NonNegativeFloat = Field(
        default=0.001,
        description="weight of the squared differences between the values of all words and their "
        "mean; words less probable than it keep the mean. The sum grows with the vocabulary: 0.001 "
        "is for some 20,000 words, and 20 divided by the number of words a choice for fewer",
    )
    ml_weight: NonNegativeFloat = Field(
        default=0.1, description="weight of maximum likelihood beside 1, once both are trained"
    )

    def needs(self) -> Needs:
        """See `ObjectiveConfig`; samples are drawn and rewarded by the learner itself."""
        return Needs(reference=True, samples=self.samples, reward=self.reward)


class ReinforceCriticConfig(CriticConfig):
    """RF-C+LL (Bahdanau et al., 2017): REINFORCE with a critic as baseline, plus likelihood."""

    loss: ClassVar[str] = "alpha_dimt.objectives.critics:reinforce_critic"

    objective: Literal["reinforce_critic"]


class ActorCriticConfig(CriticConfig):
    """AC+LL (Bahdanau et al., 2017): the critic's values of all words, plus likelihood."""

    loss: ClassVar[str] = "alpha_dimt.objectives.critics:actor_critic"

    objective: Literal["actor_critic"]


class MixerConfig(ObjectiveConfig):
    """MIXER (Ranzato et al., 2016): likelihood of the first words, REINFORCE for the rest."""

    learner: ClassVar[str] = "alpha_dimt.training.mixer_learner:build"
    mixable: ClassVar[bool] = False
    loss: ClassVar[str] = "alpha_dimt.objectives.critics:mixer"
    takes: ClassVar[tuple[str, ...]] = ("ml_weight",)

    objective: Literal["mixer"]
    samples: PositiveInt = Field(default=1, description="samples a source")
    reward: Literal["bleu", "gleu", "edit_distance", "constant"] = Field(
        default="bleu", description="score of the whole sentence; `bleu` adds one to all counts"
    )
    gold_words: PositiveInt = Field(
        default=22, description="words of the reference that a sample begins with, at the start"
    )
    step: PositiveInt = Field(
        default=3, description="words fewer after every `epochs_each` epochs, down to 1"
    )
    epochs_each: PositiveInt = Field(default=5, description="epochs with the same number of words")
    ml_weight: Fraction = Field(
        default=0.5, description="weight of the likelihood; REINFORCE has the rest"
    )
    baseline_learning_rate: PositiveFloat = Field(
        default=0.001, description="of the baseline's AdamW"
    )

    def gold_at(self, epoch: int) -> int:
        """Return how many words of the reference samples begin with in an epoch."""
        return max(1, self.gold_words - self.step * ((epoch - 1) // self.epochs_each))

    def needs(self) -> Needs:
        """See `ObjectiveConfig`; samples are drawn and rewarded by the learner itself."""
        return Needs(reference=True, samples=self.samples, reward=self.reward)


class TokenAlphaConfig(CriticConfig):
    """alpha-DiMT word by word: q of a word proportional to exp(the critic's value / tau)."""

    loss: ClassVar[str] = "alpha_dimt.objectives.critics:token_alpha"
    takes: ClassVar[tuple[str, ...]] = ("alpha", "tau")

    objective: Literal["token_alpha"]
    alpha: Fraction | FractionSchedule = Field(
        description="0 (VAML) to 1 (the actor of ERAC; Dai et al., 2018), or a schedule"
    )
    tau: PositiveFloat | PositiveSchedule = Field(
        default=1.0, description="temperature, in units of the values; above 0, or a schedule"
    )
