"""The one typed, frozen configuration.

`Experiment` is what a file in `config/` holds. It is cut into the slices that a stage really uses
(`DataConfig`, `AugmentConfig`, `RunConfig`), so that a change reruns nothing that it does not
concern. Every slice is complete, with every default written out, and has a fingerprint.

    section     what all parts are made of: frozen, no unknown keys, a fingerprint
    names       what file systems, Python and MLflow take
    data        corpora, preparation, vocabularies
    proposal    q0, its candidates and their reward
    schedules   alpha and tau that move
    systems     the objectives, one class each
    training    model, recipe, search, tracking
    presets     values that go together, by name
    experiment  the whole, and its slices
    document    YAML and JSON to plain values, strictly
    hints       what an unknown key may mean
    reading     files in; errors that name file, line and key
"""

from alpha_dimt.config.base import Reward, Section, canonical_json, fingerprint
from alpha_dimt.config.data import (
    Bpe,
    Corpus,
    DownloadedCorpus,
    FilesCorpus,
    Iwslt14Corpus,
    Multi30kCorpus,
    OneTable,
    Preparation,
    ToyCorpus,
    TwoFiles,
    Words,
)
from alpha_dimt.config.experiment import AugmentConfig, DataConfig, Experiment, RunConfig
from alpha_dimt.config.objectives import (
    Alpha,
    AlphaOnPolicy,
    Custom,
    GnmtMixture,
    Interpolated,
    MinimumRisk,
    Ml,
    Objective,
    PolicyGradient,
    Raml,
    ScheduledSampling,
    from_proposal,
)
from alpha_dimt.config.proposals import (
    Distribution,
    EditDistance,
    HammingPayoff,
    Mixture,
    Ngram,
    Proposal,
    Substituting,
    UniformEdit,
    needs_blocks,
)
from alpha_dimt.config.reading import load, load_all, parse
from alpha_dimt.config.schedules import Increase, Linear, OnDecay
from alpha_dimt.config.training import Checkpoints, Decoding, Device, Model, Tracking, Training

__all__ = [
    "Alpha",
    "AlphaOnPolicy",
    "AugmentConfig",
    "Bpe",
    "Checkpoints",
    "Corpus",
    "Custom",
    "DataConfig",
    "Decoding",
    "Device",
    "Distribution",
    "DownloadedCorpus",
    "EditDistance",
    "Experiment",
    "FilesCorpus",
    "GnmtMixture",
    "HammingPayoff",
    "Increase",
    "Interpolated",
    "Iwslt14Corpus",
    "Linear",
    "MinimumRisk",
    "Mixture",
    "Ml",
    "Model",
    "Multi30kCorpus",
    "Ngram",
    "Objective",
    "OnDecay",
    "OneTable",
    "PolicyGradient",
    "Preparation",
    "Proposal",
    "Raml",
    "Reward",
    "RunConfig",
    "ScheduledSampling",
    "Section",
    "Substituting",
    "ToyCorpus",
    "Tracking",
    "Training",
    "TwoFiles",
    "UniformEdit",
    "Words",
    "canonical_json",
    "fingerprint",
    "from_proposal",
    "load",
    "load_all",
    "needs_blocks",
    "parse",
]
