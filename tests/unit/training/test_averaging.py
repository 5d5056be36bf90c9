from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from alpha_dimt.config.training import AverageConfig
from alpha_dimt.core.errors import UserError
from alpha_dimt.training.averaging import EpochWeights, epochs_to_average

KEY = "0123456789abcdef"


def records(*figures: tuple[float, float]) -> list[dict[str, Any]]:
    return [
        {"epoch": number, "metrics": {"valid_bleu_greedy": bleu, "valid_nll_per_token": nll}}
        for number, (bleu, nll) in enumerate(figures, start=1)
    ]


def test_the_best_epochs_by_bleu_then_by_likelihood_then_the_first() -> None:
    found = records((3.0, 2.0), (5.0, 2.0), (4.0, 1.9), (4.0, 1.8), (4.0, 1.8))
    assert epochs_to_average(found, AverageConfig(epochs=2)) == [2, 4]
    assert epochs_to_average(found, AverageConfig(epochs=3)) == [2, 4, 5]
    assert epochs_to_average(found[:1], AverageConfig(epochs=3)) == [1]
    del found[3]["metrics"]["valid_nll_per_token"]  # it was not finite
    assert epochs_to_average(found, AverageConfig(epochs=2)) == [2, 5]


def test_the_last_epochs() -> None:
    found = records((3.0, 2.0), (5.0, 2.0), (4.0, 1.9))
    assert epochs_to_average(found, AverageConfig(epochs=2, of="last")) == [2, 3]
    assert epochs_to_average(found, None) == []


def filled(value: float) -> nn.Module:
    model = nn.Linear(2, 1)
    for parameter in model.parameters():
        nn.init.constant_(parameter, value)
    return model


def test_the_mean_is_that_of_the_kept_weights(tmp_path: Path) -> None:
    kept = EpochWeights(tmp_path / "epochs", AverageConfig(epochs=2), KEY)
    found = records((1.0, 2.0), (5.0, 2.0), (4.0, 2.0), (2.0, 2.0))
    for epoch, value in enumerate((0.5, 1.0, 4.0, 16.0), start=1):
        kept.keep(found[:epoch], filled(value))
        files = {path.name for path in (tmp_path / "epochs").iterdir()}
        needed = epochs_to_average(found[:epoch], AverageConfig(epochs=2))
        assert {f"{number:04d}.safetensors" for number in needed} <= files
        assert len(files) <= 3
    model = filled(0.0)
    assert kept.average(found, model) == [2, 3]
    assert {value.item() for value in model.state_dict()["weight"].flatten()} == {2.5}
    kept.remove()
    assert not (tmp_path / "epochs").exists()


def test_what_the_record_before_needs_survives_the_last_one(tmp_path: Path) -> None:
    """A crash before the checkpoint resumes from the record before."""
    kept = EpochWeights(tmp_path / "epochs", AverageConfig(epochs=2, of="last"), KEY)
    found = records((1.0, 2.0), (1.0, 2.0), (1.0, 2.0))
    for epoch in (1, 2, 3):
        kept.keep(found[:epoch], filled(epoch))
    model = filled(0.0)
    kept.average(found[:2], model)
    assert torch.equal(model.state_dict()["bias"], torch.tensor([1.5]))


def test_nothing_is_kept_without_options(tmp_path: Path) -> None:
    kept = EpochWeights(tmp_path / "epochs", None, KEY)
    kept.keep(records((1.0, 2.0)), filled(1.0))
    assert not (tmp_path / "epochs").exists()


def test_missing_weights_are_named(tmp_path: Path) -> None:
    kept = EpochWeights(tmp_path / "epochs", AverageConfig(epochs=2), KEY)
    with pytest.raises(UserError, match=r"0001\.safetensors"):
        kept.average(records((1.0, 2.0)), filled(0.0))
