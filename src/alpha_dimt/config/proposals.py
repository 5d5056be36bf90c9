"""Where candidates come from: the proposal q0 and the reward.

The class of a distribution names its implementation and says what it needs and can draw.
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from alpha_dimt.config.base import Fraction, Section
from alpha_dimt.config.registry import Kind, one_of
from alpha_dimt.config.rewards import Reward


class DistributionConfig(Kind):
    """A distribution q0 over candidates."""

    kinds: ClassVar[dict[str, Any]] = {}
    implementation: ClassVar[str] = ""
    """Import path of a class whose `build(options, words)` returns the distribution."""
    in_parts: ClassVar[bool] = True
    """Whether a mixture may have it as a part."""

    kind: str

    def arguments(self) -> dict[str, Any]:
        """Return the options that the implementation takes, by its names."""
        return {name: getattr(self, name) for name in type(self).model_fields if name != "kind"}

    def needs_blocks(self) -> bool:
        """Return whether new words are drawn from a block of sentences."""
        return False

    def can_draw_reference(self) -> bool:
        """Return whether the reference itself has a probability above 0."""
        return True

    def hyperparameters(self) -> dict[str, Any]:
        """Return the tau of tables, if it has one: RAML on samples of q itself takes it."""
        return {}


class SubstitutingConfig(DistributionConfig):
    """What proposals share that put new words into the reference."""

    substitutes: Literal["uniform", "unigram", "block"] = Field(
        default="uniform",
        description="new words: `uniform` over the vocabulary; `unigram`, by their frequency in "
        "the training text; `block`, uniform over the different words of a block of 128 sentences. "
        "Blocks are dealt at random for each slice, and q0 is that of the block",
    )

    def needs_blocks(self) -> bool:
        """See `DistributionConfig`."""
        return self.substitutes == "block"


class UniformEditConfig(SubstitutingConfig):
    """The paper's proposal: the number of edits uniform, then Hamming neighbours."""

    implementation: ClassVar[str] = "alpha_dimt.proposals.uniform_edit:UniformEdit"

    kind: Literal["uniform_edit"]
    max_edit_fraction: Fraction = Field(default=0.2, description="0 to 1; fraction of m")
    reference_quirks: bool = Field(
        default=False,
        description="as in the authors' code, m counts BOS and EOS, and they may be edited",
    )


class HammingPayoffConfig(SubstitutingConfig):
    """RAML's own distribution for the Hamming reward: each word is replaced independently."""

    implementation: ClassVar[str] = "alpha_dimt.proposals.hamming_payoff:HammingPayoff"

    kind: Literal["hamming_payoff"]
    tau: PositiveFloat = Field(
        default=0.85,
        description="temperature, above 0; that of q0, whatever `systems.*.tau` is",
    )
    rescale: bool = Field(
        default=True,
        description="divide `tau` by 1 + ln V', as public code does. With 22,800 words this "
        "replaces 0.3 % of all words at 0.7, 2.3 % at 0.8, 5.0 % at 0.85, 9.7 % at 0.9 and 26.9 % "
        "at 1.0",
    )

    def hyperparameters(self) -> dict[str, Any]:
        """See `DistributionConfig`."""
        return {"tau": self.tau}


class EditDistanceConfig(SubstitutingConfig):
    """A memoryless transducer: words are inserted, deleted and replaced independently."""

    implementation: ClassVar[str] = "alpha_dimt.proposals.edit_distance:EditDistance"

    kind: Literal["edit_distance"]
    insert: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.03, description="probability of one more new word in each gap, below 1"
    )
    delete: Fraction = Field(default=0.03, description="probability that a word is deleted")
    substitute: Fraction = Field(
        default=0.06, description="probability that a word is replaced; with `delete` at most 1"
    )

    @model_validator(mode="after")
    def _one_fate(self) -> Self:
        if self.delete + self.substitute > 1:
            raise ValueError("delete and substitute must not add up to more than 1")
        return self

    def can_draw_reference(self) -> bool:
        """See `DistributionConfig`."""
        # A substitution never yields the same word, so the reference arises only if every word is
        # kept, or deleted and inserted again.
        kept = self.delete + self.substitute < 1
        return kept or (self.delete > 0 and self.insert > 0)


class NgramConfig(SubstitutingConfig):
    """One random n-gram is replaced word by word."""

    implementation: ClassVar[str] = "alpha_dimt.proposals.ngram:Ngram"

    kind: Literal["ngram"]
    max_n: PositiveInt = Field(default=4, description="longest n-gram")

    def can_draw_reference(self) -> bool:
        """See `DistributionConfig`."""
        return False


if TYPE_CHECKING:
    PartDistribution = DistributionConfig
else:
    PartDistribution = one_of(DistributionConfig, among=lambda kind: kind.in_parts)


class Part(Section):
    """One component of a mixture."""

    weight: PositiveFloat = Field(description="above 0, relative to the other parts")
    distribution: PartDistribution = Field(description="the distribution of the part")


class MixtureConfig(DistributionConfig):
    """Each candidate comes from one of several distributions."""

    implementation: ClassVar[str] = "alpha_dimt.proposals.mixture:Mixture"
    in_parts: ClassVar[bool] = False

    kind: Literal["mixture"]
    parts: tuple[Part, ...] = Field(min_length=2, description="list of two or more")

    def needs_blocks(self) -> bool:
        """See `DistributionConfig`."""
        return any(part.distribution.needs_blocks() for part in self.parts)

    def can_draw_reference(self) -> bool:
        """See `DistributionConfig`."""
        return any(part.distribution.can_draw_reference() for part in self.parts)


if TYPE_CHECKING:
    Distribution = DistributionConfig
else:
    Distribution = one_of(DistributionConfig)


class Proposal(Section):
    """The distribution q0 that candidates are drawn from, and how many are drawn."""

    distribution: Distribution = Field(
        default=UniformEditConfig(kind="uniform_edit"),
        description="the distribution; its keys are below",
    )
    candidates: PositiveInt = Field(default=1, description="K, candidates a source and epoch")
    slices: PositiveInt = Field(
        default=30, description="independent draws; epoch t trains on slice (t - 1) mod `slices`"
    )
    include_reference: bool = Field(
        default=False,
        description="the first of the K candidates is always the reference, with its log q0; as q0 "
        "stays what it is, importance weights are then biased towards the reference. Not with "
        "`ngram`, which never draws it",
    )
    reward: Reward = Field(default="hamming", description="r of a candidate, see below")

    @model_validator(mode="after")
    def _reference_has_a_probability(self) -> Self:
        if self.include_reference and not self.distribution.can_draw_reference():
            raise ValueError("include_reference needs a distribution that can draw the reference")
        return self
