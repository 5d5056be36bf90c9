"""Where things are, seen from a run, which is results/{corpus}/runs/{system}/seed{n}."""

import os
from pathlib import Path


def results_of(run: Path) -> Path:
    """Return the results folder of a run's corpus, whether it is there or not."""
    return Path(os.path.normpath(run / ".." / ".." / ".."))


def encoded_of(run: Path) -> Path:
    """Return the folder of vocabularies, codes and encoded splits."""
    return results_of(run) / "data" / "encoded"


def reference_of(run: Path, language: str) -> Path:
    """Return the tokenised test set, target side."""
    return results_of(run) / "data" / "text" / f"test.{language}"


def beam_config_of(run: Path) -> Path:
    """Return the configuration of beam search."""
    return results_of(run) / "decoding" / "beam.json"
