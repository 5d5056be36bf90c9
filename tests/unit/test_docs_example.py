"""docs/explanation/objectives.md: its programs run, print what it says, and its functions exist."""

import contextlib
import io
import re
import sys
from pathlib import Path

import pytest
import torch
import yaml
from fenced import block

from alpha_dimt import config
from alpha_dimt.config.schedules import Moment
from alpha_dimt.objectives import Scored, alpha_divergence
from alpha_dimt.training.binding import bind

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs/explanation/objectives.md").read_text(encoding="utf-8")


def test_the_figures_of_tau_are_what_the_program_prints() -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block(DOC, "python"), "docs/explanation/objectives.md", "exec"), {})
    assert printed.getvalue() == block(DOC, "text")


def test_the_custom_objective_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_objectives.py").write_text(block(DOC, "python title=my_objectives.py"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_objectives", raising=False)
    experiment = config.parse(
        config.Experiment, yaml.safe_load(block(DOC, "yaml title=mine.yaml")), "mine.yaml"
    )
    run = experiment.run_config("clipped", seed=1)
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


@pytest.mark.parametrize("reference", sorted(set(re.findall(r"`([\w/]+\.py::\w+)`", DOC))))
def test_named_functions_exist(reference: str) -> None:
    path, name = reference.split("::")
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"!\[[^]]*\]\(([^)]+)\)", DOC))))
def test_figures_exist(target: str) -> None:
    assert (ROOT / "docs/explanation" / target).is_file()


@pytest.mark.parametrize(
    "entry", [text for text in re.findall(r"`(\{objective: [^`]*\})`", DOC) if "..." not in text]
)
def test_every_config_of_the_table_is_one(entry: str) -> None:
    values = {"corpus": {"kind": "toy"}, "systems": {"one": yaml.safe_load(entry)}}
    config.parse(config.Experiment, values, "docs/explanation/objectives.md")
