"""Where things are, seen from a run, which is results/{corpus}/runs/{system}/seed{n}."""

import os
from collections.abc import Mapping
from pathlib import Path

from alpha_dimt.config import fingerprint
from alpha_dimt.files import read_json


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


def state_name(run_key: str, data: Mapping[str, str]) -> str:
    """Return the name of a run's folder of checkpoints, from its configuration and its files.

    Args:
        run_key: fingerprint of the configuration.
        data: sha256 of each file that it is trained on, by name.
    """
    return f"{run_key}-{fingerprint(data)}"


def state_of(run: Path) -> Path:
    """Return the folder of checkpoints of a run that is done."""
    done = read_json(run / "run.json")
    return results_of(run) / "state" / state_name(done["run_key"], done["data"])
