"""Recipe, search and tracking; the defaults are the paper's."""

from pathlib import Path
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
from alpha_dimt.config.optimisers import DevDecayConfig, Optimiser, Rate, SgdConfig

Device = Literal["auto", "cpu", "cuda"]

LENGTH_BONUSES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2)
"""What `length_bonus: tuned` tries, in nats a token."""


class AverageConfig(Section):
    """The mean of the weights of several epochs."""

    epochs: Annotated[int, Field(ge=2)] = Field(description="epochs whose weights are averaged")
    of: Literal["best", "last"] = Field(
        default="best", description="the epochs with the `best` validation BLEU, or the `last` ones"
    )

    def sentence(self) -> str:
        """Return what is published: "the mean ..." without its stop."""
        which = f"{self.epochs} epochs with the best greedy dev BLEU"
        if self.of == "last":
            which = f"the last {self.epochs} epochs"
        return f"the mean of the weights of {which}"


class TrainingConfig(Section):
    """The recipe; the defaults are the paper's, SGD with dev-decay."""

    batch_size: PositiveInt = Field(default=128, description="sources or tokens of a batch")
    batch_type: Annotated[Literal["sources", "tokens"], Since("0.1.0")] = Field(
        default="sources",
        description="what `batch_size` counts: `sources`, or `tokens` (of the longer of source and "
        "target, with padding; candidates beside the reference are not counted)",
    )
    optimiser: Annotated[Optimiser, Since("0.1.0")] = Field(
        default=SgdConfig(kind="sgd"), description="see below"
    )
    learning_rate: PositiveFloat = Field(
        default=1.0, description="the rate of SGD; a schedule with a warm-up reaches it at its end"
    )
    schedule: Annotated[Rate, Since("0.1.0")] = Field(
        default=DevDecayConfig(kind="dev_decay"), description="how the rate moves; see below"
    )
    decay: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.5,
        description="0 to 1, both excluded; with `dev_decay`, the factor of the rate after an "
        "epoch without a new best greedy BLEU on the validation data; while BLEU is 0, the "
        "likelihood of the validation data tells which epoch is best",
    )
    min_learning_rate: PositiveFloat = Field(
        default=0.05,
        description="with `dev_decay`, the rate never falls below it; at most `learning_rate`, so "
        "lower both",
    )
    clip_norm: PositiveFloat = Field(default=5.0, description="largest norm of the gradient")
    max_epochs: PositiveInt = Field(default=40, description="epochs")
    min_epochs: NonNegativeInt = Field(
        default=10, description="epochs; training never stops early up to this one"
    )
    patience: PositiveInt = Field(
        default=5, description="epochs since the best after which training stops"
    )
    sorted_first_epoch: bool = Field(
        default=True, description="first epoch in order of length, short sentences first"
    )
    batches: Literal["dealt", "fixed"] = Field(
        default="dealt",
        description="`dealt`: sentences are dealt into batches of similar length again each epoch. "
        "`fixed`: neighbours in order of length, the same batches in every epoch, in random order "
        "(the authors' RAML and alpha runs). The first epoch is in order of length with either, if "
        "`sorted_first_epoch` says so",
    )
    average: Annotated[AverageConfig | None, Since("0.1.0")] = Field(
        default=None,
        description="publish the mean of the weights of several epochs instead of the best epoch: "
        "`{epochs: 5, of: best}` or `{epochs: 5, of: last}`; null: the best epoch",
    )
    device: Device = Field(
        default="auto",
        exclude=True,  # where a run is trained is no part of what it is
        description="where to train and decode: `auto` (a GPU where there is one; one that was "
        "given and cannot be used is an error), `cpu` or `cuda`. Not part of a run's identity: a "
        "run trained on a GPU translates on any machine",
    )
    implementation: Annotated[Literal["auto", "plain"], Since("0.1.0")] = Field(
        default="auto",
        description="`plain`: the model's definition in plain PyTorch, slower; `auto`: the fastest "
        "implementation of the same function",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto",
        description="of matrix products: `auto` (bf16 where the processor has it), `fp32` or "
        "`bf16`",
    )
    threads: PositiveInt = Field(
        default=2,
        description="CPU threads of one training and of its translations; sums depend on it in the "
        "last digits",
    )

    def rows(self, steps: int) -> int:
        """Return how many sentences of so many tokens a batch has."""
        if self.batch_type == "tokens":
            return max(1, self.batch_size // steps)
        return self.batch_size

    @model_validator(mode="after")
    def _rates(self) -> Self:
        if self.schedule.decays and self.min_learning_rate > self.learning_rate:
            raise ValueError("min_learning_rate must not be above learning_rate")
        return self


class CheckpointsConfig(Section):
    """How often a training is kept, and where; no part of its identity."""

    seconds: PositiveInt = Field(
        default=180,
        description="seconds of training from one checkpoint to the next: the most that a `kill "
        "-9` costs. One more is written after every epoch and at SIGTERM and SIGUSR1. Not part of "
        "a run's identity: changing it reruns nothing, and existing checkpoints are resumed",
    )
    folder: Path | None = Field(
        default=None,
        description="checkpoints go into a folder of the corpus's name in this folder, such as a "
        "volume that every pod mounts; null: into `results/{corpus}/state`. Not part of a run's "
        "identity",
    )

    def of(self, results: Path) -> Path:
        """Return the folder of the checkpoints of the corpus with these results."""
        return self.folder / results.name if self.folder else results / "state"


class Decoding(Section):
    """Greedy and beam search; the defaults are the authors' (no length normalisation)."""

    beam: PositiveInt = Field(
        default=10,
        description="width of the beam columns of Table 1; the greedy columns are a beam of 1",
    )
    max_length: PositiveInt = Field(default=180, description="target tokens")
    length_penalty: NonNegativeFloat = Field(
        default=0.0,
        description="scores are divided by length ^ penalty; 0 is the paper's plain sum of "
        "log-probabilities",
    )
    batch_size: PositiveInt = Field(
        default=512,
        description="hypotheses decoded at once; with a beam, that many sentences times `beam`",
    )
    replace_unknown: bool = Field(
        default=True,
        description="replace `<unk>` by the source word with the highest attention",
    )
    ended: Literal["kept", "extended"] = Field(
        default="kept",
        description="a hypothesis that ended below the top of the beam is `kept` with its score, "
        "or `extended` like any other and loses score (the authors' code), so that translations "
        "are longer",
    )
    length_bonus: Annotated[Literal["tuned"] | NonNegativeFloat, Since("0.1.0")] = Field(
        default=0.0,
        description="nats that a beam adds to the score for each token. `tuned`: the beam columns "
        "are without, and a second beam search has, for each run, the bonus with the best dev BLEU "
        "(Bahdanau et al., 2017); see `tables/searches.md`",
    )
    temperatures: Annotated[tuple[PositiveFloat, ...], Since("0.1.0")] = Field(
        default=(),
        description="translations are also drawn from p^(1 / temperature), one a sentence, for "
        "each of these; 1 draws from the model itself; see `tables/searches.md`",
    )

    @model_validator(mode="after")
    def _one_way_to_favour_length(self) -> Self:
        if self.length_bonus and self.length_penalty:
            raise ValueError("length_penalty and length_bonus exclude each other")
        return self

    def within(self, positions: int | None) -> Self:
        """Return the same for a model of so many positions, `<s>` included; None: any number."""
        if positions is None or self.max_length < positions:
            return self
        return self.model_copy(update={"max_length": positions - 1})

    @property
    def searches(self) -> dict[str, "Decoding"]:
        """All searches by the names of their files; greedy search is a beam of 1."""
        plain = {"length_penalty": 0.0, "length_bonus": 0.0, "temperatures": ()}
        greedy = self.model_copy(update={"beam": 1, **plain})
        bonus = 0.0 if self.length_bonus == "tuned" else self.length_bonus
        beam = self.model_copy(update={"length_bonus": bonus, "temperatures": ()})
        found = {"greedy": greedy, "beam": beam}
        if self.length_bonus == "tuned":
            found["beam_tuned"] = beam.model_copy(update={"length_bonus": "tuned"})
        for temperature in self.temperatures:
            name = f"sampled{temperature:g}".replace(".", "_")  # dots separate split and search
            found[name] = greedy.model_copy(update={"temperatures": (temperature,)})
        return found


class Tracking(Section):
    """Where runs are logged for comparison."""

    uri: TrackingUri | None = Field(
        default=None,
        description="MLflow tracking URI; null is `sqlite:///results/mlflow.db`. A SQLite path is "
        "relative to the project after three slashes, absolute after four",
    )
