"""Paths relative to a run, results/{corpus}/runs/{system}/seed{n}."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpha_dimt.config import RunConfig
from alpha_dimt.config.base import fingerprint
from alpha_dimt.config.pretrained import TOKENISER
from alpha_dimt.core.files import read_json

# The columns of scores, and their file names in a run.
COLUMNS = {"dev_greedy": "valid.greedy", "test_greedy": "test.greedy", "test_beam": "test.beam"}


def results_of(run: Path) -> Path:
    """Return the results folder of a run's corpus, which need not exist."""
    return Path(os.path.normpath(run / ".." / ".." / ".."))


def encoded_of(run: Path) -> Path:
    """Return the folder of vocabularies, codes and encoded splits."""
    return results_of(run) / "data" / "encoded"


def reference_of(run: Path, language: str) -> Path:
    """Return the tokenised test set in `language`."""
    return results_of(run) / "data" / "text" / f"test.{language}"


def raw_test_of(run: Path, language: str) -> Path:
    """Return the test set as published, in `language`."""
    return results_of(run) / "data" / "text" / f"test.raw.{language}"


def beam_config_of(run: Path) -> Path:
    """Return the configuration of beam search."""
    return search_config_of(run, "beam")


def search_config_of(run: Path, search: str) -> Path:
    """Return the configuration of a search by its name."""
    return results_of(run) / "decoding" / f"{search}.json"


def state_name(run_key: str, data: Mapping[str, str]) -> str:
    """Return the name of a run's checkpoint folder, which identifies configuration and data.

    Args:
        run_key: fingerprint of the configuration.
        data: SHA-256 of each file that the run is trained on, by name.
    """
    return f"{run_key}-{fingerprint(data)}"


def state_of(run: Path, states: Path) -> Path:
    """Return the checkpoint folder of a finished run.

    Args:
        run: its folder.
        states: folder of the checkpoints of its corpus.
    """
    done = read_json(run / "run.json")
    return states / state_name(done["run_key"], done["data"])


def record_of(hypotheses: Path) -> Path:
    """Return the file that records how some translations were made."""
    return hypotheses.with_suffix(".json")


def identity_of(run_key: str, reports: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a fingerprint of a run's configuration, translations and references.

    Args:
        run_key: fingerprint of the configuration.
        reports: score reports of the run, by column.
    """
    sums = {
        column: [report["hypotheses"]["sha256"], report["references"]["tokenised"]["sha256"]]
        for column, report in reports.items()
    }
    return fingerprint([run_key, sums])


@dataclass(frozen=True)
class ModelFiles:
    """The files that a translator is loaded from; all but `decoding` are in the run folder.

    Attributes:
        config: configuration of the run.
        about: run.json, with the checksums of the files below.
        weights: weights in safetensors.
        source: source vocabulary.
        target: target vocabulary.
        codes: BPE codes of the source, or the archive of a tokeniser; None at word level.
        decoding: configuration of the search; None for the default.
    """

    config: Path
    about: Path
    weights: Path
    source: Path
    target: Path
    codes: Path | None = None
    decoding: Path | None = None

    def parts(self) -> dict[str, Path]:
        """Return the files whose checksums run.json holds, by attribute name."""
        parts = {"weights": self.weights, "source": self.source, "target": self.target}
        return parts if self.codes is None else parts | {"codes": self.codes}


def model_files(config: RunConfig, run: Path) -> ModelFiles:
    """Return the files that a run's translator is loaded from, which need not exist."""
    source, target = config.data.corpus.source, config.data.corpus.target
    vocabulary = config.data.preparation.vocabulary
    codes = {"bpe": f"codes.{source}.txt", "pretrained": TOKENISER}.get(vocabulary.kind)
    return ModelFiles(
        config=run / "config.json",
        about=run / "run.json",
        weights=run / "best.safetensors",
        source=run / f"vocab.{source}.txt",
        target=run / f"vocab.{target}.txt",
        codes=run / codes if codes else None,
        decoding=beam_config_of(run),
    )
