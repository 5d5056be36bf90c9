"""docs/tutorials/own_model.md: its model trains with every objective and translates."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch
import yaml
from every_objective import every_objective, train, write_data
from fenced import block

from alpha_dimt.config import Experiment, parse
from alpha_dimt.core.files import read_json, read_lines, write_json
from alpha_dimt.inference.decode import decode_split
from alpha_dimt.models.build import build_model

PAGE = (Path(__file__).parents[2] / "docs/tutorials/own_model.md").read_text(encoding="utf-8")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the page's module importable."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "gru.py").write_text(block(PAGE, "python title=gru.py"), encoding="utf-8")
    monkeypatch.delitem(sys.modules, "gru", raising=False)
    importlib.import_module("gru")


@pytest.mark.usefixtures("module")
def test_the_configuration_makes_the_network() -> None:
    experiment = parse(Experiment, yaml.safe_load(block(PAGE, "yaml title=gru.yaml")), "gru.yaml")
    options = experiment.model
    model = build_model(options, source_vocab_size=30, target_vocab_size=20)
    assert type(model).__name__ == "Gru"
    parameters = sum(p.numel() for p in model.parameters())
    assert options.parameters(30, 20) == parameters
    again = parse(Experiment, experiment.model_dump(mode="json"), "again")
    run = experiment.run_config("ml", 1)
    assert again.run_config("ml", 1).fingerprint() == run.fingerprint()


@pytest.mark.usefixtures("module")
def test_the_model_trains_and_translates(tmp_path: Path) -> None:
    values = every_objective(max_epochs=1).model_dump(mode="json")
    values["model"] = {"kind": "gru:GruConfig", "size": 16}
    config = parse(Experiment, values, "own model")
    folder = write_data(tmp_path / "data", config, train=128)
    for system in config.systems:
        run = train(config, folder, system)
        (line,) = read_lines(run / "metrics.jsonl")
        assert read_json(run / "run.json")["parameters"] > 1000
        assert json.loads(line)["metrics"]["gradient_norm"] > 0
    out, ml = folder / "ml/test.txt", config.run_config("ml", 1)
    write_json(folder / "ml/config.json", ml.model_dump(mode="json"))
    search = config.decoding.model_copy(update={"beam": 3})
    decode_split(search, run=folder / "ml", encoded=folder, split="test", out=out, threads=1)
    assert len(read_lines(out)) == 40


@pytest.mark.usefixtures("module")
def test_steps_follow_the_distribution_of_its_tokens() -> None:
    values = every_objective().model_dump(mode="json")
    values["model"] = {"kind": "gru:GruConfig", "size": 8}
    options = parse(Experiment, values, "own model").model
    model = build_model(options, source_vocab_size=12, target_vocab_size=12).double()
    model.initialise(torch.Generator().manual_seed(1))
    encoded = model.encode(torch.tensor([[4, 5, 6], [7, 0, 0]]), torch.tensor([3, 1]))
    target = torch.tensor([[2, 4, 5, 3], [2, 7, 3, 0]])
    tokens = model.token_log_probs(encoded, target, torch.tensor([3, 2]))
    expected, real = tokens.padded()
    state = model.start(encoded)
    for t in range(3):
        logits, _, state = model.step(state, target[:, t])
        log_p = logits.log_softmax(dim=1).gather(1, target[:, t + 1, None])[:, 0]
        torch.testing.assert_close(log_p[real[:, t]], expected[real[:, t], t])
