"""Somebody else's package, which a configuration names by import path."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from alpha_dimt.config.corpora import CorpusConfig, Size
from alpha_dimt.config.models import AttentionRnnConfig, ModelConfig
from alpha_dimt.config.objectives import OffPolicyConfig
from alpha_dimt.config.proposals import DistributionConfig, SubstitutingConfig
from alpha_dimt.config.schedules import FractionSchedule
from alpha_dimt.config.systems import Needs, ObjectiveConfig
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.models.attention_rnn.model import AttentionRnn
from alpha_dimt.objectives import Loss, Scored, log_weights, normalise
from alpha_dimt.proposals import Words
from alpha_dimt.proposals.ngram import Ngram
from alpha_dimt.proposals.substitutes import choose_substitutes
from alpha_dimt.rewards import Reward

__version__ = "1.2"


class Clipped(ObjectiveConfig):
    """alpha-DiMT whose weights have a ceiling.

    And more that no report prints.
    """

    loss: ClassVar[str] = "their_package:clipped"
    takes: ClassVar[tuple[str, ...]] = ("alpha", "ceiling")

    alpha: float | FractionSchedule = 0.5
    ceiling: float = Field(default=0.4, gt=0)

    def needs(self) -> Needs:
        return Needs(proposal=True)


def clipped(scored: Scored, *, alpha: float, ceiling: float) -> Loss:
    log_w = log_weights(scored, alpha=alpha, tau=1.0, log_p="mean", log_q0=False)
    weight = normalise(log_w, "source").clamp(max=ceiling)
    return Loss(-(weight * scored.log_p).sum(dim=1).mean(), {"ceiling": log_w.new_tensor(ceiling)})


class Another(OffPolicyConfig):
    """Off policy, with the loss of ours."""

    loss: ClassVar[str] = "their_package:another"


class Alone(ObjectiveConfig):
    """Maximum likelihood that nothing may be mixed with."""

    loss: ClassVar[str] = "alpha_dimt.objectives.losses:maximum_likelihood"
    mixable: ClassVar[bool] = False

    def needs(self) -> Needs:
        return Needs(reference=True)


class Bigram(SubstitutingConfig):
    """One bigram is replaced."""

    implementation: ClassVar[str] = "their_package:Bigrams"

    longest: int = 2

    def can_draw_reference(self) -> bool:
        return False


class Bigrams:
    @staticmethod
    def build(options: DistributionConfig, words: Words) -> Ngram:
        assert isinstance(options, Bigram)
        return Ngram(choose_substitutes(options.substitutes, words), max_n=options.longest)


def _share(candidates: Ragged, references: Ragged) -> np.ndarray:
    return np.minimum(candidates.lengths, references.lengths) / np.maximum(
        candidates.lengths, references.lengths
    ).clip(1)


LENGTH = Reward(_share, best=1.0)


class Small(ModelConfig):
    """The network of ours with one size."""

    network: ClassVar[str] = "their_package:SmallNetwork"

    units: int = 8

    def parameters(self, source_vocab_size: int, target_vocab_size: int) -> int:
        return self._ours().parameters(source_vocab_size, target_vocab_size)

    def cost(self) -> float:
        return 1.0

    def sentence(self) -> str:
        return f"The model has {self.units} units"

    def _ours(self) -> AttentionRnnConfig:
        return AttentionRnnConfig(embedding=self.units, hidden=self.units)


class SmallNetwork(AttentionRnn):
    def __init__(self, options: Small, **sizes: int) -> None:
        super().__init__(options._ours(), **sizes)


class Echo(CorpusConfig):
    """A corpus whose target is its source."""

    reader: ClassVar[str] = "their_package:read"

    lines: int = 3

    def text_size(self) -> Size:
        return Size(10 * self.lines, self.lines)

    def sentence(self) -> str:
        return f"The corpus {self.name} is an echo"


def read(corpus: Echo, *, mirrors: Sequence[str], cache: Path) -> dict[str, Any]:
    lines = [f"line {number}" for number in range(corpus.lines)]
    return dict.fromkeys(corpus.raw_splits, (lines, lines))
