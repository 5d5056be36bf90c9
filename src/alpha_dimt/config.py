"""The one typed, frozen configuration.

`Experiment` is what a file in `config/` holds. It is cut into the slices that a stage really uses
(`DataConfig`, `AugmentConfig`, `RunConfig`), so that a change reruns nothing that it does not
concern. Every slice is complete, with every default written out, and has a fingerprint.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from alpha_dimt.errors import UserError
from alpha_dimt.files import read_lines

Fraction = Annotated[float, Field(ge=0, le=1)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$", description="ISO 639 code, as Moses uses")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Section(BaseModel):
    """A part of the configuration: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def canonical_json(self) -> str:
        """Return JSON with every default written out, keys sorted."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change when any value changes."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()[:16]


# ---------------------------------------------------------------------------------- corpora


class CorpusBase(Section):
    """What all corpora share."""

    name: Name = Field(description="names the folder under results/ and the MLflow experiment")
    source: Language = "de"
    target: Language = "en"

    @model_validator(mode="after")
    def _two_languages(self) -> Self:
        if self.source == self.target:
            raise ValueError("source and target must be different languages")
        return self


class ToyCorpus(CorpusBase):
    """The embedded corpus: German-English-like pairs drawn from a seeded grammar."""

    kind: Literal["toy"]
    name: Name = "toy"
    seed: Seed = 1
    train: PositiveInt = Field(6000, description="sentence pairs")
    valid: PositiveInt = Field(500, description="sentence pairs")
    test: PositiveInt = Field(500, description="sentence pairs")


class DownloadedCorpus(CorpusBase):
    """A corpus whose files come from one of several mirrors."""

    mirrors: tuple[str, ...] = Field(
        (),
        description="tried in order; each a URL prefix or a local directory of upstream file names",
    )


class Multi30kCorpus(DownloadedCorpus):
    """Multi30k task 1: raw captions, one gzip file a split and language."""

    kind: Literal["multi30k"]
    name: Name = "multi30k"
    sha256: dict[str, Sha256] = Field(description="checksum of every upstream file, by file name")


class Iwslt14Corpus(DownloadedCorpus):
    """IWSLT'14 de-en as MIXER (Ranzato et al., 2016) and the paper prepare it."""

    kind: Literal["iwslt14"]
    name: Name = "iwslt14"
    archive: str = "de-en.tgz"
    size: PositiveInt = Field(19_982_877, description="bytes of the archive; a hard check")
    md5: str = Field(
        "10936dfdf616504ddbd844e91b94ef4a",
        pattern=r"^[0-9a-f]{32}$",
        description="of the archive; one uncorroborated source, so a mismatch only warns",
    )
    valid_every: PositiveInt = Field(23, description="every n-th kept training pair is validation")


class TwoFiles(Section):
    """A split in two aligned text files."""

    source: Path
    target: Path


class OneTable(Section):
    """A split in one file of tab-separated source and target, no header."""

    tsv: Path


class FilesCorpus(CorpusBase):
    """The user's own parallel text; paths are relative to the working directory."""

    kind: Literal["files"]
    train: TwoFiles | OneTable
    valid: TwoFiles | OneTable
    test: TwoFiles | OneTable


Corpus = Annotated[
    ToyCorpus | Multi30kCorpus | Iwslt14Corpus | FilesCorpus, Field(discriminator="kind")
]


# ------------------------------------------------------------------------------ preparation


class Words(Section):
    """Word vocabularies: the most frequent words of the training text."""

    kind: Literal["words"]
    source_size: PositiveInt | None = Field(None, description="words, without the 4 specials")
    target_size: PositiveInt | None = Field(None, description="words, without the 4 specials")
    min_frequency: PositiveInt = Field(1, description="times a word occurs in the training text")


class Bpe(Section):
    """Byte-pair encoding by subword-nmt, learned on the training text."""

    kind: Literal["bpe"]
    operations: PositiveInt = Field(10_000, description="merge operations")
    joint: bool = Field(True, description="learn one code table from both languages together")


class Preparation(Section):
    """Tokenisation, casing, cleaning and vocabularies."""

    normalise_punctuation: bool = Field(False, description="Moses normalize-punctuation, first")
    lowercase: Literal["before", "after", "never"] = Field(
        "after", description="lower-case before or after tokenisation"
    )
    min_length: PositiveInt = Field(1, description="tokens a side; training pairs only")
    max_length: PositiveInt = Field(50, description="tokens a side; training pairs only")
    max_ratio: Annotated[float, Field(ge=1)] = Field(
        1.5, description="longer side over shorter side; training pairs only"
    )
    vocabulary: Annotated[Words | Bpe, Field(discriminator="kind")] = Words(kind="words")


# ---------------------------------------------------------------------- proposal, objectives


class Proposal(Section):
    """The distribution q0 that candidates are drawn from, and how many are drawn."""

    kind: Literal["uniform_edit"] = "uniform_edit"
    max_edit_fraction: Fraction = Field(
        0.2, description="E = floor(fraction * m); the number of edits is uniform on 0..E"
    )
    candidates: PositiveInt = Field(1, description="K, candidates a source and epoch")
    slices: PositiveInt = Field(
        30, description="independent draws; epoch t trains on slice (t - 1) mod slices"
    )
    reference_quirks: bool = Field(
        False, description="as the authors' code: m counts BOS and EOS, which may be edited too"
    )


class Ml(Section):
    """Maximum likelihood on the references (Eq. 1)."""

    objective: Literal["ml"]


class Weighted(Section):
    """What the weighted objectives share; the defaults are the authors' code (Table 1)."""

    tau: PositiveFloat = Field(3.0, description="temperature of q, proportional to exp(r / tau)")
    normalise: Literal["source", "batch"] = Field(
        "batch", description="Z over the candidates of one source (Eq. 15) or the mini-batch"
    )
    log_p: Literal["sum", "mean"] = Field(
        "mean", description="log p in the weight: over the sentence (Eq. 14) or divided by length"
    )
    log_q0: bool = Field(False, description="divide the weight by q0 (Eq. 15)")


class Raml(Weighted):
    """RAML by importance weights (Eq. 4): alpha = 0."""

    objective: Literal["raml"]


class Alpha(Weighted):
    """alpha-DiMT (Eq. 13 to 15)."""

    objective: Literal["alpha"]
    alpha: Fraction


Objective = Annotated[Ml | Raml | Alpha, Field(discriminator="objective")]


# -------------------------------------------------------------------- model, training, search


class Model(Section):
    """Sizes of the encoder-decoder; the defaults are the paper's."""

    embedding: PositiveInt = 256
    hidden: Annotated[int, Field(gt=0, multiple_of=2)] = Field(
        256, description="decoder units; each encoder direction has half of them"
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.3, description="attentional output only")
    init: PositiveFloat = Field(0.1, description="parameters start uniform in [-init, init]")


class Training(Section):
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
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="of matrix products; auto: bf16 where the processor has it"
    )
    threads: PositiveInt = Field(2, description="CPU threads of one training; part of its identity")

    @model_validator(mode="after")
    def _rates(self) -> Self:
        if self.min_learning_rate > self.learning_rate:
            raise ValueError("min_learning_rate must not be above learning_rate")
        return self


class Decoding(Section):
    """Greedy and beam search; the defaults are the authors' (no length normalisation)."""

    beam: PositiveInt = Field(10, description="beam width; 1 is greedy search")
    max_length: PositiveInt = Field(180, description="target tokens")
    length_penalty: NonNegativeFloat = Field(
        0.0, description="scores are divided by length ** penalty; 0 is the paper's plain sum"
    )
    batch_size: PositiveInt = Field(64, description="sentences decoded at once")
    replace_unknown: bool = Field(
        True, description="replace <unk> by the source word with the highest attention"
    )


class Tracking(Section):
    """Where runs are logged for comparison."""

    uri: str | None = Field(None, description="MLflow tracking URI; null: SQLite in results/")


# ----------------------------------------------------------------------------------- slices


class DataConfig(Section):
    """What the prepared corpus depends on."""

    corpus: Corpus
    preparation: Preparation


class AugmentConfig(Section):
    """What a file of candidates depends on."""

    data: DataConfig
    proposal: Proposal
    seed: Seed


class RunConfig(Section):
    """What a trained model depends on: one system, one seed."""

    data: DataConfig
    proposal: Proposal | None = Field(description="null for objectives without candidates")
    model: Model
    training: Training
    system: Name
    objective: Objective
    seed: Seed


# ------------------------------------------------------------------------------- experiment


class Experiment(Section):
    """A whole experiment: one corpus, several systems, several seeds."""

    corpus: Corpus
    preparation: Preparation = Preparation()
    proposal: Proposal = Proposal()
    model: Model = Model()
    training: Training = Training()
    decoding: Decoding = Decoding()
    systems: dict[Name, Objective] = Field(min_length=1, description="objective of each system")
    seeds: tuple[Seed, ...] = Field((1,), min_length=1)
    tracking: Tracking = Tracking()

    @model_validator(mode="after")
    def _distinct_seeds(self) -> Self:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds must be distinct")
        return self

    def data_config(self) -> DataConfig:
        """Return the slice that the prepared corpus depends on, which mirrors are not part of."""
        corpus = self.corpus
        if isinstance(corpus, DownloadedCorpus):
            corpus = corpus.model_copy(update={"mirrors": ()})
        return DataConfig(corpus=corpus, preparation=self.preparation)

    def augment_config(self, seed: int) -> AugmentConfig:
        """Return the slice that the candidates of one seed depend on."""
        return AugmentConfig(data=self.data_config(), proposal=self.proposal, seed=seed)

    def run_config(self, system: str, seed: int) -> RunConfig:
        """Return the slice that one training depends on."""
        objective = self.systems[system]
        return RunConfig(
            data=self.data_config(),
            proposal=None if isinstance(objective, Ml) else self.proposal,
            model=self.model,
            training=self.training,
            system=system,
            objective=objective,
            seed=seed,
        )

    def search_config(self, search: Literal["greedy", "beam"]) -> Decoding:
        """Return the decoding of one column of Table 1; greedy search is a beam of 1."""
        if search == "beam":
            return self.decoding
        return self.decoding.model_copy(update={"beam": 1, "length_penalty": 0.0})


# ------------------------------------------------------------------------------------- read

AnySection = TypeVar("AnySection", bound=Section)


def parse(section: type[AnySection], values: Any, origin: str) -> AnySection:
    """Validate plain values as a section.

    Args:
        section: the class to build.
        values: nested dictionaries, as read from YAML or JSON.
        origin: the file (or other place) that errors name.

    Raises:
        UserError: names the origin, the key, what is wrong and the value found.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        if first["type"] == "extra_forbidden":
            problem = "unknown key; config/README.md lists the keys"
        elif first["type"] == "missing":
            problem = "this key is required; config/README.md says what it means"
        else:
            found = json.dumps(first["input"], default=str)
            problem = f"{first['msg']} (found {found if len(found) < 60 else found[:57] + '...'})"
        raise UserError(f"{origin}: {key}: {problem}") from error


def load(section: type[AnySection], path: Path) -> AnySection:
    """Read a YAML or JSON file as a section.

    Raises:
        UserError: the file is missing, is not YAML, or does not fit the section.
    """
    text = "\n".join(read_lines(path))
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise UserError(f"{path}:{line}: this is not valid YAML; check the indentation") from error
    return parse(section, values, str(path))
