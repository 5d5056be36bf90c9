"""Where candidates come from: the proposal q0 and the reward."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from alpha_dimt.config.base import Fraction, Reward, Section


class Substituting(Section):
    """What proposals share that put new words into the reference."""

    substitutes: Literal["uniform", "unigram", "block"] = Field(
        default="uniform",
        description="new words: uniform over the vocabulary, by their frequency in the training "
        "text, or uniform over the words of a random block of 128 sentences",
    )


class UniformEdit(Substituting):
    """The paper's proposal: the number of edits uniform, then Hamming neighbours."""

    kind: Literal["uniform_edit"]
    max_edit_fraction: Fraction = Field(
        default=0.2,
        description="E = floor(fraction * m); the number of edits is uniform on 0..E",
    )
    reference_quirks: bool = Field(
        default=False,
        description="as the authors' code: m counts BOS and EOS, which may be edited too",
    )


class HammingPayoff(Substituting):
    """RAML's own distribution for the Hamming reward: each word is replaced independently."""

    kind: Literal["hamming_payoff"]
    tau: PositiveFloat = Field(default=0.85, description="temperature of the payoff distribution")
    rescale: bool = Field(
        default=True,
        description="divide tau by 1 + ln V', as public code of Norouzi et al. (2016) does",
    )


class EditDistance(Substituting):
    """A memoryless transducer: words are inserted, deleted and replaced independently."""

    kind: Literal["edit_distance"]
    insert: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.03, description="probability of one more new word in each gap"
    )
    delete: Fraction = Field(default=0.03, description="probability of each word")
    substitute: Fraction = Field(default=0.06, description="probability of each word")

    @model_validator(mode="after")
    def _one_fate(self) -> Self:
        if self.delete + self.substitute > 1:
            raise ValueError("delete and substitute must not add up to more than 1")
        return self


class Ngram(Substituting):
    """One random n-gram is replaced word by word."""

    kind: Literal["ngram"]
    max_n: PositiveInt = Field(default=4, description="n is uniform on 1..min(max_n, m)")


class Part(Section):
    """One component of a mixture."""

    weight: PositiveFloat = Field(description="relative to the other parts")
    distribution: UniformEdit | HammingPayoff | EditDistance | Ngram = Field(discriminator="kind")


class Mixture(Section):
    """Each candidate comes from one of several distributions."""

    kind: Literal["mixture"]
    parts: tuple[Part, ...] = Field(min_length=2)


Distribution = Annotated[
    UniformEdit | HammingPayoff | EditDistance | Ngram | Mixture, Field(discriminator="kind")
]


def can_draw_reference(distribution: Distribution) -> bool:
    """Return whether a distribution gives the reference itself a probability above 0."""
    match distribution:
        case Ngram():
            return False
        case EditDistance():
            # Replaced by equals there is nothing: a word stays, or another one is put back.
            stays = distribution.delete + distribution.substitute < 1
            return stays or (distribution.delete > 0 and distribution.insert > 0)
        case Mixture():
            return any(can_draw_reference(part.distribution) for part in distribution.parts)
    return True


def needs_blocks(distribution: Distribution) -> bool:
    """Return whether a distribution draws its new words from a block of sentences."""
    if isinstance(distribution, Mixture):
        return any(needs_blocks(part.distribution) for part in distribution.parts)
    return distribution.substitutes == "block"


class Proposal(Section):
    """The distribution q0 that candidates are drawn from, and how many are drawn."""

    distribution: Distribution = UniformEdit(kind="uniform_edit")
    candidates: PositiveInt = Field(default=1, description="K, candidates a source and epoch")
    slices: PositiveInt = Field(
        default=30, description="independent draws; epoch t trains on slice (t - 1) mod slices"
    )
    include_reference: bool = Field(
        default=False, description="the first of the K candidates is always the reference"
    )
    reward: Reward = Field(
        default="hamming",
        description="r: minus the Hamming or edit distance (in words), or smoothed sentence BLEU "
        "or GLEU (0 to 1)",
    )

    @model_validator(mode="after")
    def _reference_has_a_probability(self) -> Self:
        if self.include_reference and not can_draw_reference(self.distribution):
            raise ValueError("include_reference needs a distribution that can draw the reference")
        return self
