"""A whole experiment, and the slices of it that the stages depend on."""

from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from alpha_dimt.config.base import AnySection, Image, Name, Section, Seed, wrong
from alpha_dimt.config.corpora import Corpus, DownloadedCorpus, FilesCorpus
from alpha_dimt.config.models import AttentionRnnConfig, HuggingFaceConfig, Model
from alpha_dimt.config.objectives import Objective
from alpha_dimt.config.preparation import Preparation, PretrainedConfig
from alpha_dimt.config.presets import with_preset
from alpha_dimt.config.proposals import Proposal
from alpha_dimt.config.reading import explain
from alpha_dimt.config.training import CheckpointsConfig, Decoding, Tracking, TrainingConfig
from alpha_dimt.core.errors import UserError


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
    training: TrainingConfig
    system: Name
    objective: Objective
    start: "RunConfig | None" = Field(description="the run whose best weights this one starts from")
    seed: Seed

    def with_seed(self, seed: int) -> "RunConfig":
        """Return the same with another seed, the run that it starts from included."""
        start = self.start and self.start.with_seed(seed)
        return self.model_copy(update={"seed": seed, "start": start})


def _changed(section: AnySection, changes: dict[str, Any], *keys: str) -> AnySection:
    """Return a section with other values for some keys; errors name `keys` and what is below."""
    values = {**dict(section), **changes}
    try:
        return section.model_validate(values)
    except ValidationError as error:
        below, problem = explain(error, type(section), values)
        raise wrong(problem, *keys, *below) from error


class Experiment(Section):
    """A whole experiment: one corpus, several systems, several seeds."""

    preset: Literal["paper", "reference"] | None = Field(
        default=None,
        description="`paper`: the equations as printed; `reference`: what the authors' code did. "
        "Keys that you set take precedence",
    )
    corpus: Corpus
    preparation: Preparation = Preparation()
    proposal: Proposal = Proposal()
    model: Model = AttentionRnnConfig()
    training: TrainingConfig = TrainingConfig()
    checkpoints: CheckpointsConfig = CheckpointsConfig()
    decoding: Decoding = Decoding()
    systems: dict[Name, Objective] = Field(min_length=1, description="objective of each system")
    seeds: tuple[Seed, ...] = Field(
        default=(1,), min_length=1, description="distinct; each gives every system one run"
    )
    tracking: Tracking = Tracking()
    container: Image | None = Field(
        default=None,
        description="image that jobs run in with `--sdm apptainer`: a file, or an address such as "
        "`docker://registry.example.org/alpha-dimt:0.1.0`. Not part of a run's identity",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, values: Any) -> Any:
        return with_preset(values) if isinstance(values, dict) else values

    @model_validator(mode="before")
    @classmethod
    def _fill_in_tokeniser(cls, values: Any) -> Any:
        """Give a pretrained model its own tokeniser, unless another vocabulary is written out."""
        model = values.get("model") if isinstance(values, dict) else None
        if not isinstance(model, dict) or model.get("kind") != "huggingface":
            return values
        preparation = values.get("preparation") or {}
        if not isinstance(preparation, dict) or "vocabulary" in preparation:
            return values
        if not isinstance(model.get("path"), str):  # an error of the model
            return values
        vocabulary = {"kind": "pretrained", "path": model["path"]}
        return {**values, "preparation": {**preparation, "vocabulary": vocabulary}}

    @model_validator(mode="after")
    def _model_reads_its_pieces(self) -> Self:
        """Refuse another vocabulary than a pretrained model's, and sentences that are too long."""
        model, vocabulary = self.model, self.preparation.vocabulary
        if isinstance(model, HuggingFaceConfig) and not (
            isinstance(vocabulary, PretrainedConfig) and vocabulary.path == model.path
        ):
            raise wrong(
                "a pretrained model reads the pieces of its own tokeniser; remove the key, or "
                f"write {{kind: pretrained, path: {model.path}}}",
                *("preparation", "vocabulary"),
            )
        longest = model.longest()
        if longest is not None and self.decoding.max_length >= longest:
            raise wrong(
                f"the model has {longest} positions, so at most {longest - 1} tokens",
                *("decoding", "max_length"),
            )
        return self

    @model_validator(mode="after")
    def _folders_apart(self) -> Self:
        """Refuse systems that some file systems would put into one folder."""
        spelled: dict[str, str] = {}
        for system in self.systems:
            other = spelled.setdefault(system.lower(), system)
            if other != system:
                raise ValueError(
                    f"systems {other} and {system} differ in upper and lower case alone, which "
                    "some file systems do not tell apart; rename one"
                )
        return self

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.preparation.tokenised and not isinstance(self.corpus, FilesCorpus):
            raise ValueError(
                f"preparation.tokenised is for corpus.kind files; {self.corpus.kind} is raw text"
            )
        if len(set(self.seeds)) != len(self.seeds):
            raise wrong("each seed may be given once", "seeds")
        for system, objective in self.systems.items():
            needs = objective.needs()
            if objective.proposal and not needs.proposal:
                raise wrong(
                    f"the objective {objective.objective} takes no candidates of a proposal; "
                    "remove the key",
                    *("systems", system, "proposal"),
                )
            proposal = self.proposal_of(system)
            mixed = needs.proposal and needs.samples > 0
            if mixed and proposal.distribution.needs_blocks():
                raise wrong(
                    "samples cannot be mixed with substitutes from a block; "
                    "choose proposal.distribution.substitutes uniform or unigram",
                    *("systems", system),
                )
            self._learns(system)
            self._starts(system)
        return self

    def _learns(self, system: str) -> None:
        objective = self.systems[system]
        if "device" in objective.training:
            raise wrong(
                "a system has no device of its own; set training.device, which is that of all",
                *("systems", system, "training", "device"),
            )
        epochs = self.training_of(system).max_epochs
        alone = getattr(objective, "critic_epochs", 0)  # few objectives have a critic
        if alone >= epochs:
            raise wrong(
                f"with {alone} of {epochs} epochs for the critic alone, the "
                "model would never be trained; lower critic_epochs, or raise max_epochs",
                *("systems", system, "critic_epochs"),
            )

    def _starts(self, system: str) -> None:
        seen = [system]
        while (start := self.systems[seen[-1]].start) is not None:
            if start not in self.systems:
                raise wrong(
                    f"there is no system {start} to start from; the systems are "
                    f"{', '.join(self.systems)}",
                    *("systems", seen[-1], "start"),
                )
            if start in seen:
                raise wrong(
                    f"systems start from each other: {' -> '.join([*seen, start])}",
                    *("systems", seen[-1], "start"),
                )
            if len(self.seeds_of(start)) < len(self.seeds_of(system)):
                raise wrong(
                    f"{system} starts from {start}, which has fewer seeds",
                    *("systems", system, "seeds"),
                )
            seen.append(start)

    def seeds_of(self, system: str) -> tuple[Seed, ...]:
        """Return the seeds of a system, of which the first is that of all systems."""
        return self.seeds[: self.systems[system].seeds]

    @property
    def runs(self) -> tuple[tuple[str, int], ...]:
        """Every run, system by system in the configuration's order: system and seed."""
        return tuple((system, seed) for system in self.systems for seed in self.seeds_of(system))

    def check_files(self) -> None:
        """Check that the user's own files exist.

        Raises:
            UserError: names a file that does not, and its key.
        """
        for key, files in (
            ("corpus", self.corpus.files),
            ("preparation.vocabulary", self.preparation.vocabulary.files),
            ("model", self.model.files),
        ):
            for file in files:
                if not file.is_file():
                    raise UserError(
                        f"{file}: there is no such file; check {key} in the configuration"
                    )

    def training_of(self, system: str) -> TrainingConfig:
        """Return the recipe with what a system changes in it."""
        changes = self.systems[system].training
        return _changed(self.training, changes, "systems", system, "training")

    def proposal_of(self, system: str) -> Proposal:
        """Return the proposal with what a system changes in it."""
        changes = self.systems[system].proposal
        return _changed(self.proposal, changes, "systems", system, "proposal")

    def data_config(self) -> DataConfig:
        """Return the slice that the prepared corpus depends on, which mirrors are not part of."""
        corpus = self.corpus
        if isinstance(corpus, DownloadedCorpus):
            corpus = corpus.model_copy(update={"mirrors": ()})
        return DataConfig(corpus=corpus, preparation=self.preparation)

    def augment_config(self, system: str, seed: int) -> AugmentConfig:
        """Return the slice that the candidates of a system and seed depend on."""
        return AugmentConfig(data=self.data_config(), proposal=self.proposal_of(system), seed=seed)

    def run_config(self, system: str, seed: int) -> RunConfig:
        """Return the slice that one training depends on."""
        objective = self.systems[system]
        return RunConfig(
            data=self.data_config(),
            proposal=self.proposal_of(system) if objective.needs().proposal else None,
            model=self.model,
            training=self.training_of(system),
            system=system,
            objective=objective,
            start=self.run_config(objective.start, seed) if objective.start else None,
            seed=seed,
        )
