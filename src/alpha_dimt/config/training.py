"""Recipe, search and tracking; the defaults are the paper's."""

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from alpha_dimt.config.base import Section, Since
from alpha_dimt.config.names import TrackingUri

Device = Literal["auto", "cpu", "cuda"]


class TrainingConfig(Section):
    """The paper's recipe: SGD with dev-decay."""

    batch_size: PositiveInt = Field(128, description="source sentences")
    learning_rate: PositiveFloat = 1.0
    decay: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="factor after an epoch without a new best validation BLEU (dev-decay)"
    )
    min_learning_rate: PositiveFloat = 0.05
    clip_norm: PositiveFloat = Field(5.0, description="largest gradient norm")
    max_epochs: PositiveInt = 40
    min_epochs: NonNegativeInt = Field(10, description="never stop early up to this epoch")
    patience: PositiveInt = Field(5, description="stop when so many epochs passed since the best")
    sorted_first_epoch: bool = Field(True, description="first epoch in order of length")
    batches: Literal["dealt", "fixed"] = Field(
        default="dealt",
        description="deal sentences into batches again each epoch, or keep the same batches, "
        "sorted by length, and deal only their order (the authors' RAML and alpha runs)",
    )
    device: Device = Field(
        default="auto",
        exclude=True,  # where a run is trained is no part of what it is
        description="where to train and decode; no part of a run's identity",
    )
    implementation: Annotated[Literal["auto", "plain"], Since("0.1.0")] = Field(
        default="auto",
        description="plain: the model's definition in plain PyTorch, slower; auto: the fastest "
        "implementation of the same function",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="of matrix products; auto: bf16 where the processor has it"
    )
    threads: PositiveInt = Field(
        2, description="CPU threads of one training; other numbers differ in the last digits"
    )

    @model_validator(mode="after")
    def _rates(self) -> Self:
        if self.min_learning_rate > self.learning_rate:
            raise ValueError("min_learning_rate must not be above learning_rate")
        return self


class CheckpointsConfig(Section):
    """How often a training is kept; no part of its identity."""

    seconds: PositiveInt = Field(
        180, description="between two checkpoints; what a kill may cost. One more ends each epoch"
    )


class Decoding(Section):
    """Greedy and beam search; the defaults are the authors' (no length normalisation)."""

    beam: PositiveInt = Field(10, description="beam width; 1 is greedy search")
    max_length: PositiveInt = Field(180, description="target tokens")
    length_penalty: NonNegativeFloat = Field(
        0.0, description="scores are divided by length ** penalty; 0 is the paper's plain sum"
    )
    batch_size: PositiveInt = Field(
        512, description="hypotheses decoded at once, `beam` of them a sentence"
    )
    replace_unknown: bool = Field(
        True, description="replace <unk> by the source word with the highest attention"
    )
    ended: Literal["kept", "extended"] = Field(
        default="kept",
        description="a hypothesis that ended below the top of the beam keeps its score, or is "
        "extended and loses score (the authors' code)",
    )


class Tracking(Section):
    """Where runs are logged for comparison."""

    uri: TrackingUri | None = Field(
        None, description="MLflow tracking URI; null: SQLite in results/"
    )
