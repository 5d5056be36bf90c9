"""The one typed, frozen configuration.

`Experiment` is what a file in `config/` holds. It is cut into the slices that a stage really uses
(`DataConfig`, `AugmentConfig`, `RunConfig`), so that a change reruns nothing that it does not
concern. Every slice is complete, with every default written out, and has a fingerprint.

    base         what all parts are made of: frozen, no unknown keys, a fingerprint
    names        what file systems, Python and MLflow take
    registry     kinds of options that name their implementation; other people's by import path
    corpora      where text comes from
    preparation  tokens, cleaning, vocabularies
    proposals    q0, its candidates and their reward
    rewards      names of rewards
    schedules    alpha and tau that move
    systems      what every system may set, and every objective says
    objectives   the objectives, one class each
    models       the models, one class each
    training     recipe, search, tracking
    presets      values that go together, by name
    experiment   the whole, and its slices
    document     YAML and JSON to plain values, strictly
    hints        what an unknown key may mean
    reading      files in; errors that name file, line and key
    reference    tables of config/README.md and the JSON schema, made from the types
"""

from alpha_dimt.config.experiment import AugmentConfig, DataConfig, Experiment, RunConfig
from alpha_dimt.config.reading import load, load_all, parse

__all__ = ["AugmentConfig", "DataConfig", "Experiment", "RunConfig", "load", "load_all", "parse"]
