"""Where things are, seen from a run, which is results/{corpus}/runs/{system}/seed{n}."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alpha_dimt.config import Bpe, RunConfig, fingerprint
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


def raw_test_of(run: Path, language: str) -> Path:
    """Return the test set as published, one side."""
    return results_of(run) / "data" / "text" / f"test.raw.{language}"


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


@dataclass(frozen=True)
class ModelFiles:
    """The files that a translator is made of.

    Attributes:
        config: of the run.
        weights: safetensors.
        source: vocabulary.
        target: vocabulary.
        codes: BPE of the source; None at word level.
        decoding: configuration of the search; None: the default.
    """

    config: Path
    weights: Path
    source: Path
    target: Path
    codes: Path | None = None
    decoding: Path | None = None


def model_files(config: RunConfig, *, run: Path, encoded: Path) -> ModelFiles:
    """Return the files of a run that translates, whether they are there or not.

    Args:
        config: of the run.
        run: its folder.
        encoded: the folder of its vocabularies.
    """
    source, target = config.data.corpus.source, config.data.corpus.target
    bpe = isinstance(config.data.preparation.vocabulary, Bpe)
    return ModelFiles(
        config=run / "config.json",
        weights=run / "best.safetensors",
        source=encoded / f"vocab.{source}.txt",
        target=encoded / f"vocab.{target}.txt",
        codes=encoded / f"codes.{source}.txt" if bpe else None,
        decoding=beam_config_of(run),
    )
