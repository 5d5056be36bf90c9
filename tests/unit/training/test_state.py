from pathlib import Path

import pytest
import torch

from alpha_dimt.training.schedule import DevDecay
from alpha_dimt.training.state import FILE, State


def example(tmp_path: Path) -> tuple[State, torch.nn.Linear]:
    model = torch.nn.Linear(2, 3)
    state = State(
        schedule=DevDecay(0.25, best=31.5, best_epoch=2, epoch=4),
        started_ms=123,
        step=99,
        records=[{"epoch": 1, "metrics": {"train_loss": 0.1 + 0.2}}],
        seconds=1.5,
        best={"weight": torch.ones(3, 2), "bias": torch.zeros(3)},
    )
    state.save(tmp_path, model)
    return state, model


def test_round_trip(tmp_path: Path) -> None:
    state, model = example(tmp_path)
    other = torch.nn.Linear(2, 3)
    restored = State.restore(tmp_path, other)
    assert restored is not None
    assert restored.schedule == state.schedule
    assert (restored.records, restored.step) == (state.records, state.step)
    assert torch.equal(other.weight, model.weight)
    assert torch.equal(restored.best["weight"], state.best["weight"])


def test_nothing_to_restore(tmp_path: Path) -> None:
    assert State.restore(tmp_path, torch.nn.Linear(2, 3)) is None


@pytest.mark.parametrize("keep", [0, 7, 200])
def test_a_damaged_checkpoint_is_left_aside(
    tmp_path: Path, keep: int, capsys: pytest.CaptureFixture[str]
) -> None:
    example(tmp_path)
    file = tmp_path / FILE
    file.write_bytes(file.read_bytes()[:keep])
    assert State.restore(tmp_path, torch.nn.Linear(2, 3)) is None
    assert "damaged" in capsys.readouterr().out
