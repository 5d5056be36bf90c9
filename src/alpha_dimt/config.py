"""The one typed, frozen configuration.

`Experiment` is what a file in `config/` holds. It is cut into the slices that a stage really uses
(`DataConfig`, `AugmentConfig`, `RunConfig`), so that a change reruns nothing that it does not
concern. Every slice is complete, with every default written out, and has a fingerprint.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

import yaml
from pydantic import (
    AfterValidator,
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
Reward = Literal["hamming", "edit_distance", "bleu", "gleu"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


def canonical_json(values: Any) -> str:
    """Return JSON on one line, keys sorted."""
    return json.dumps(values, sort_keys=True)


def fingerprint(values: Any) -> str:
    """Return 16 hexadecimal digits that change when any of some plain values changes."""
    return hashlib.sha256(canonical_json(values).encode()).hexdigest()[:16]


class Section(BaseModel):
    """A part of the configuration: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def canonical_json(self) -> str:
        """Return JSON with every default written out, keys sorted."""
        return canonical_json(self.model_dump(mode="json"))

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change when any value changes."""
        return fingerprint(self.model_dump(mode="json"))


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
        if self.include_reference and self.distribution.kind == "ngram":
            raise ValueError("include_reference needs a distribution that can draw the reference")
        return self


class Linear(Section):
    """A value that moves in a straight line over the first epochs, and then stays."""

    kind: Literal["linear"]
    start: NonNegativeFloat
    end: NonNegativeFloat
    epochs: Annotated[int, Field(ge=2)] = Field(description="epoch at which `end` is reached")


class OnDecay(Section):
    """A value that takes a step at each decay of the learning rate."""

    kind: Literal["on_decay"]
    start: NonNegativeFloat
    step: float = Field(description="added at each decay; may be negative")
    end: NonNegativeFloat = Field(description="the value never goes past this")


class Increase(Section):
    """A value that takes a step at each epoch (the authors' unused `alpha_increase`)."""

    kind: Literal["increase"]
    start: NonNegativeFloat
    step: float = Field(description="added at each epoch; may be negative")
    end: NonNegativeFloat = Field(description="the value never goes past this")


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
    options: dict[str, float | str | bool] = Field(
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


def from_proposal(objective: Objective) -> bool:
    """Return whether an objective trains on candidates of the proposal."""
    if isinstance(objective, Interpolated):
        return from_proposal(objective.other)
    if isinstance(objective, Custom):
        return objective.candidates == "proposal"
    return objective.from_proposal


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
    batches: Literal["dealt", "fixed"] = Field(
        default="dealt",
        description="deal sentences into batches anew each epoch, or keep them sorted by length "
        "(the authors' RAML and alpha runs)",
    )
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
    start: "RunConfig | None" = Field(description="the run whose best weights this one starts from")
    seed: Seed


# ---------------------------------------------------------------------------------- presets

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    # The equations as printed. Candidates of one source share a normaliser, so there are several.
    "paper": {
        "proposal": {"candidates": 8},
        "weighted": {"normalise": "source", "log_p": "sum", "log_q0": True},
    },
    # What the authors' code did (docs/deviations.md); each key is one of its departures.
    "reference": {
        "proposal": {"distribution": {"kind": "uniform_edit", "reference_quirks": True}},
        "weighted": {
            "normalise": "batch",
            "log_p": "padded_mean",
            "log_q0": False,
            "chunk": 32,
            "training": {"batches": "fixed"},
        },
    },
}


def with_preset(values: dict[str, Any]) -> dict[str, Any]:
    """Return plain values with those of their preset where they give none."""
    preset = PRESETS.get(values.get("preset") or "")
    if preset is None:
        return values
    filled = {**values, "proposal": _under(preset["proposal"], values.get("proposal", {}))}
    systems = values.get("systems", {})
    filled["systems"] = {
        name: _under(preset["weighted"], system)
        if isinstance(system, dict) and system.get("objective") in ("raml", "alpha")
        else system
        for name, system in systems.items()
    }
    return filled


def _under(defaults: dict[str, Any], values: Any) -> Any:
    """Return values with defaults for missing keys, section by section."""
    if not isinstance(values, dict):
        return values
    nested = {
        key: _under(default, values[key])
        for key, default in defaults.items()
        if isinstance(default, dict) and key in values
    }
    return {**defaults, **values, **nested}


# ------------------------------------------------------------------------------- experiment


class Experiment(Section):
    """A whole experiment: one corpus, several systems, several seeds."""

    preset: Literal["paper", "reference"] | None = Field(
        default=None,
        description="values for keys that are not given: the equations as printed, or what the "
        "authors' code did",
    )
    corpus: Corpus
    preparation: Preparation = Preparation()
    proposal: Proposal = Proposal()
    model: Model = Model()
    training: Training = Training()
    decoding: Decoding = Decoding()
    systems: dict[Name, Objective] = Field(min_length=1, description="objective of each system")
    seeds: tuple[Seed, ...] = Field((1,), min_length=1)
    tracking: Tracking = Tracking()

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, values: Any) -> Any:
        return with_preset(values) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds must be distinct")
        for system in self.systems:
            self.training_of(system)
            self._starts(system)
        return self

    def _starts(self, system: str) -> None:
        seen = [system]
        while (start := self.systems[seen[-1]].start) is not None:
            if start not in self.systems:
                raise ValueError(f"system {seen[-1]} starts from {start}, which is not a system")
            if start in seen:
                raise ValueError(f"systems start from each other: {' -> '.join([*seen, start])}")
            seen.append(start)

    def training_of(self, system: str) -> Training:
        """Return the recipe with what a system changes in it."""
        changes = self.systems[system].training
        return Training.model_validate({**self.training.model_dump(), **changes})

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
            proposal=self.proposal if from_proposal(objective) else None,
            model=self.model,
            training=self.training_of(system),
            system=system,
            objective=objective,
            start=self.run_config(objective.start, seed) if objective.start else None,
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
        # Of a value that fits no member of a union, the member of its type says the most.
        first = min(error.errors(), key=lambda entry: entry["type"].endswith("_type"))
        key = _key(first["loc"], values, missing=first["type"] == "missing")
        if first["type"] == "extra_forbidden":
            problem = "unknown key; config/README.md lists the keys"
        elif first["type"] == "missing":
            problem = "this key is required; config/README.md says what it means"
        else:
            found = json.dumps(first["input"], default=str)
            problem = f"{first['msg']} (found {found if len(found) < 60 else found[:57] + '...'})"
        raise UserError(f"{origin}: {key}: {problem}") from error


def _key(location: tuple[int | str, ...], values: Any, *, missing: bool) -> str:
    """Return a key as it stands in the file; pydantic also names the members of unions."""
    keys: list[str] = []
    here, tagged = values, False
    for number, part in enumerate(location, start=1):
        if isinstance(here, dict):
            if not tagged and part in (here.get("objective"), here.get("kind")):
                tagged = True
                continue
            found = part in here
        else:
            found = isinstance(here, list | tuple) and part in range(len(here))
        if found:
            here, tagged = here[part], False
        if found or (missing and number == len(location)):
            keys.append(str(part))
    return ".".join(keys) or "the file"


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
