"""Where things are, seen from a run, which is results/{corpus}/runs/{system}/seed{n}."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpha_dimt.config import RunConfig
from alpha_dimt.config.base import fingerprint
from alpha_dimt.config.preparation import BpeConfig
from alpha_dimt.core.files import read_json

# The columns of scores, and where a run keeps them.
COLUMNS = {"dev_greedy": "valid.greedy", "test_greedy": "test.greedy", "test_beam": "test.beam"}


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


def record_of(hypotheses: Path) -> Path:
    """Return the file that says what made some translations."""
    return hypotheses.with_suffix(".json")


def identity_of(run_key: str, reports: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what changes when a run's configuration, translations or references do.

    Args:
        run_key: fingerprint of the configuration.
        reports: of its scores, by column.
    """
    sums = {
        column: [report["hypotheses"]["sha256"], report["references"]["tokenised"]["sha256"]]
        for column, report in reports.items()
    }
    return fingerprint([run_key, sums])


@dataclass(frozen=True)
class ModelFiles:
    """The files that a translator is made of; all but the search lie in the folder of the run.

    Attributes:
        config: of the run.
        about: run.json, with the checksums of the next four.
        weights: safetensors.
        source: vocabulary.
        target: vocabulary.
        codes: BPE of the source; None at word level.
        decoding: configuration of the search; None: the default.
    """

    config: Path
    about: Path
    weights: Path
    source: Path
    target: Path
    codes: Path | None = None
    decoding: Path | None = None

    def parts(self) -> dict[str, Path]:
        """Return the files whose checksums run.json holds, by what they are."""
        parts = {"weights": self.weights, "source": self.source, "target": self.target}
        return parts if self.codes is None else parts | {"codes": self.codes}


def model_files(config: RunConfig, run: Path) -> ModelFiles:
    """Return the files of a run that translates, whether they are there or not."""
    source, target = config.data.corpus.source, config.data.corpus.target
    bpe = isinstance(config.data.preparation.vocabulary, BpeConfig)
    return ModelFiles(
        config=run / "config.json",
        about=run / "run.json",
        weights=run / "best.safetensors",
        source=run / f"vocab.{source}.txt",
        target=run / f"vocab.{target}.txt",
        codes=run / f"codes.{source}.txt" if bpe else None,
        decoding=beam_config_of(run),
    )
