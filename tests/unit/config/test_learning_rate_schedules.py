"""How the learning rate moves."""

import pytest
from pydantic import ValidationError

from alpha_dimt.config.optimisers import CosineConfig, DevDecayConfig, InverseSquareRootConfig
from alpha_dimt.config.training import TrainingConfig


def test_inverse_square_root() -> None:
    factor = InverseSquareRootConfig(kind="inverse_square_root", warmup=4).factor
    assert [factor(step) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert factor(15) == 0.5
    assert factor(399) == pytest.approx(0.1)


def test_cosine() -> None:
    factor = CosineConfig(kind="cosine", warmup=2, updates=10).factor
    assert [factor(step) for step in range(2)] == [0.5, 1.0]
    assert factor(5) == pytest.approx(0.5)
    assert factor(9) == factor(100) == pytest.approx(0)
    with pytest.raises(ValidationError, match="updates: 2 is not above warmup"):
        CosineConfig(kind="cosine", warmup=2, updates=2)


def test_dev_decay_is_constant_within_an_epoch() -> None:
    assert {DevDecayConfig(kind="dev_decay").factor(step) for step in range(9)} == {1.0}


def test_the_lowest_rate_matters_for_dev_decay_only() -> None:
    with pytest.raises(ValidationError, match="min_learning_rate"):
        TrainingConfig(learning_rate=0.001)
    TrainingConfig(learning_rate=0.001, schedule={"kind": "inverse_square_root"})
