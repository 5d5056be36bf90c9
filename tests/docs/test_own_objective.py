"""docs/tutorials/own_objective.md: its objectives train."""

import importlib
import sys
from pathlib import Path

import pytest
import torch
import yaml
from fenced import block

from alpha_dimt import config
from alpha_dimt.config.schedules import Moment
from alpha_dimt.core.errors import UserError
from alpha_dimt.objectives import Scored, alpha_divergence
from alpha_dimt.training.binding import bind

DOC = (Path(__file__).parents[2] / "docs/tutorials/own_objective.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the page's modules importable."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("my_objectives", "their_objectives"):
        (tmp_path / f"{name}.py").write_text(block(DOC, f"python title={name}.py"))
        monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.import_module(name)


def experiment(name: str) -> config.Experiment:
    return config.parse(config.Experiment, yaml.safe_load(block(DOC, f"yaml title={name}")), name)


def test_the_custom_objective_trains() -> None:
    run = experiment("mine.yaml").run_config("clipped", seed=1)
    assert run.proposal is not None
    assert run.proposal.candidates == 8
    chosen = bind(run.objective)
    assert chosen.needs.proposal
    assert not chosen.needs.samples

    log_p = torch.tensor([[-2.0, -9.0, -4.0]], dtype=torch.float64, requires_grad=True)
    flags = torch.ones(1, 3, dtype=torch.bool)
    scored = Scored(
        log_p=log_p,
        lengths=torch.tensor([[4, 4, 4]]),
        reward=torch.tensor([[0.0, -2.0, -1.0]], dtype=torch.float64),
        log_q0=torch.tensor([[-1.0, -21.0, -11.0]], dtype=torch.float64),
        reference=flags,
        distinct=flags,
    )
    loss = chosen.objective(Moment(1, 0))(scored)
    loss.value.backward()
    assert log_p.grad is not None
    weights = -log_p.grad[0]
    # Unclipped, the second has 0.92 of the weight.
    plain = alpha_divergence(
        scored, alpha=0.5, tau=0.1, normaliser="source", log_p="sum", log_q0=True
    )
    assert plain.diagnostics["ess"] < loss.diagnostics["ess"]
    log_w = torch.tensor([-1 + 1, -4.5 - 10 + 21, -2 - 5 + 11.0]).double()
    clipped = log_w.softmax(dim=0).clamp(max=0.4)
    torch.testing.assert_close(weights, clipped / clipped.sum())


def test_options_are_checked_and_move() -> None:
    theirs = experiment("theirs.yaml")
    fixed, moving = (bind(theirs.systems[name]) for name in ("clipped", "moving"))
    assert fixed.needs.proposal
    for bound, epoch, expected in (
        (fixed, 1, {"alpha": 0.5, "tau": 0.1, "ceiling": 0.3}),
        (moving, 1, {"alpha": 0.0, "tau": 0.1, "ceiling": 0.4}),
        (moving, 10, {"alpha": 0.9, "tau": 0.1, "ceiling": 0.4}),
    ):
        objective = bound.objective(Moment(epoch, 0))
        assert objective.keywords == expected  # type: ignore[attr-defined]
    values = yaml.safe_load(block(DOC, "yaml title=theirs.yaml"))
    values["systems"]["clipped"]["celing"] = 0.2
    with pytest.raises(UserError, match="celing"):
        config.parse(config.Experiment, values, "theirs.yaml")
