"""The configurations of docs/how-to/pretrained.md, on small models."""

import re
from pathlib import Path

import pytest
import yaml
from small_pretrained import save_small

from alpha_dimt.config import Experiment, parse
from alpha_dimt.config.preparation import PretrainedConfig

LINES = ["der Hund läuft.", "the dog runs."] * 9


def test_the_configurations_are_right(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (repository / "docs/how-to/pretrained.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    whole, prefix = (yaml.safe_load(block.replace(", ...", "")) for block in blocks)
    monkeypatch.chdir(tmp_path)
    save_small("marian", Path(whole["model"]["path"]), LINES, LINES)
    whole["corpus"] = {"kind": "toy"}
    experiment = parse(Experiment, whole, "page")
    vocabulary = experiment.preparation.vocabulary
    assert isinstance(vocabulary, PretrainedConfig)
    assert vocabulary.path == Path(whole["model"]["path"])
    assert list(experiment.systems) == ["ml", "alpha0.5"]

    # The prefixed pieces, for a model that is not pretrained.
    other = parse(Experiment, {**whole, **prefix, "model": {"kind": "transformer"}}, "page")
    assert isinstance(other.preparation.vocabulary, PretrainedConfig)
    assert other.preparation.vocabulary.source_prefix == "translate German to English: "
