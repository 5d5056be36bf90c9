"""Somebody else's objective, model, proposal, reward, corpus: from the configuration to a run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import their_package
import torch
from copy_task import write_corpus
from every_objective import every_objective, train, write_data

import alpha_dimt
from alpha_dimt.config import Experiment, parse
from alpha_dimt.config.schedules import Moment
from alpha_dimt.config.systems import Needs
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json, read_lines, write_json
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.data.corpora import write_raw
from alpha_dimt.data.encoded import read_pairs
from alpha_dimt.objectives import Scored
from alpha_dimt.rewards import reward
from alpha_dimt.training.binding import bind
from alpha_dimt.training.run import epoch_batches

CLIPPED = {"objective": "their_package:Clipped", "ceiling": 0.25}
PROPOSAL = {
    "slices": 3,
    "candidates": 2,
    "distribution": {"kind": "their_package:Bigram", "longest": 2},
    "reward": "their_package:LENGTH",
}


@pytest.fixture(scope="module")
def config() -> Experiment:
    values = every_objective(max_epochs=1).model_dump(mode="json")
    systems = {
        "theirs": CLIPPED,
        "mixed": {"objective": "interpolated", "ml_weight": 0.5, "other": CLIPPED},
        "rewarded": {"objective": "policy_gradient", "reward": "their_package:LENGTH"},
    }
    theirs = {
        "systems": systems,
        "proposal": PROPOSAL,
        "model": {"kind": "their_package:Small", "units": 12},
    }
    return parse(Experiment, {**values, **theirs}, "theirs")


def test_they_train(config: Experiment, tmp_path: Path) -> None:
    folder = write_data(tmp_path, config, train=200)
    for system in config.systems:
        run = train(config, folder, system)
        (line,) = read_lines(run / "metrics.jsonl")
        metrics = json.loads(line)["metrics"]
        assert metrics["gradient_norm"] > 0
        assert metrics.get("ceiling", 0.25) == 0.25
        # Bigrams keep the length, so r is that of the reference.
        assert metrics.get("mean_reward", 1.0) <= 1.0
        about = read_json(run / "run.json")
        assert about["libraries"]["their_package"] == "1.2"
        assert about["run_key"] == config.run_config(system, 1).fingerprint()
        assert about["parameters"] == config.model.parameters(14, 14)


def test_a_package_on_pythonpath_trains_by_the_command(tmp_path: Path) -> None:
    """In processes of their own, which know the package by PYTHONPATH alone."""
    there = tmp_path / "there"
    there.mkdir()
    shutil.copy(their_package.__file__, there / "strangers.py")
    (there / "strangers.py").write_text(
        (there / "strangers.py").read_text().replace("their_package:", "strangers:")
    )
    values = every_objective(max_epochs=1).model_dump(mode="json")
    made = {**CLIPPED, "objective": "strangers:Clipped"}
    data = tmp_path / "data"
    write_data(data, every_objective(), train=64)
    plain = parse(Experiment, {**values, "systems": {"a": {"objective": "raml"}}}, "plain")
    run = plain.run_config("a", 1).model_dump(mode="json")
    run["objective"] = made
    write_json(tmp_path / "run.json", run)
    arguments = ["--config", tmp_path / "run.json", "--encoded", data]
    arguments += ["--augmented", data / "seed1.arrow", "--state", tmp_path / "state"]
    command = [sys.executable, "-m", "alpha_dimt", "train", *arguments, "--threads", "1", "--out"]

    def train_with(path: Path, out: str) -> subprocess.CompletedProcess[str]:
        source = str(Path(alpha_dimt.__file__).parents[1])
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([source, str(path)])}
        return subprocess.run(
            [*map(str, command), str(tmp_path / out)],
            env=environment,
            capture_output=True,
            text=True,
        )

    result = train_with(there, "out")
    assert result.returncode == 0, result.stderr
    assert read_json(tmp_path / "out/run.json")["libraries"]["strangers"] == "1.2"
    result = train_with(tmp_path, "elsewhere")
    assert result.returncode == 1
    assert result.stderr.strip().endswith(
        "objective.objective: strangers:Clipped cannot be imported (No module named 'strangers'); "
        "is the module's folder on PYTHONPATH?"
    )
    write_json(tmp_path / "run.json", {**run, "objective": {**made, "ceilling": 1}})
    result = train_with(there, "refused")
    assert result.returncode == 1
    assert "objective.ceilling: unknown key; did you mean ceiling?" in result.stderr


@pytest.mark.parametrize(
    ("reward", "best"), [("hamming", 0.0), ("gleu", 1.0), ("their_package:LENGTH", 1.0)]
)
def test_the_reference_has_the_best_reward(
    config: Experiment, tmp_path: Path, reward: str, best: float
) -> None:
    write_corpus(tmp_path, train=40)
    pairs, run = read_pairs(tmp_path, "train"), config.run_config("rewarded", 1)
    needs = Needs(reference=True, samples=2, reward=reward)
    rewards = [batch.reward for batch in epoch_batches(run, needs, pairs, None, epoch=1)]
    assert (np.concatenate(rewards) == best).all()


def test_the_loss_is_theirs_at_every_moment() -> None:
    moving = {"kind": "linear", "start": 0.0, "end": 1.0, "epochs": 3}
    values = every_objective().model_dump(mode="json")
    made = parse(Experiment, {**values, "systems": {"a": {**CLIPPED, "alpha": moving}}}, "theirs")
    bound = bind(made.systems["a"])
    log_p = torch.tensor([[-1.0, -3.0]], requires_grad=True)
    same = torch.ones(1, 2)
    scored = Scored(log_p, same, same, same, same > 0, same > 0)
    for epoch, alpha in ((1, 0.0), (2, 0.5), (3, 1.0), (9, 1.0)):
        weights = torch.tensor([[-1.0, -3.0]]).mul(alpha).softmax(dim=1).clamp(max=0.25)
        loss = bound.objective(Moment(epoch, 0))(scored)
        assert loss.value.item() == pytest.approx(-(weights * log_p).sum().item())
    assert bound.needs.proposal
    assert not bound.needs.reference


def test_a_loss_that_is_not_there_is_said_before_training() -> None:
    values = every_objective().model_dump(mode="json")
    made = parse(
        Experiment, {**values, "systems": {"a": {"objective": "their_package:Another"}}}, "theirs"
    )
    with pytest.raises(UserError) as error:
        bind(made.systems["a"])
    assert str(error.value) == (
        "objective their_package:Another: their_package:another cannot be imported (module "
        "'their_package' has no attribute 'another'); is the module's folder on PYTHONPATH?"
    )


def test_a_reward_by_import_path() -> None:
    rows = Ragged.from_rows([[4, 5], [4, 5, 6, 7]])
    references = Ragged.from_rows([[4, 5], [4, 5]])
    np.testing.assert_array_equal(reward("their_package:LENGTH", rows, references), [1.0, 0.5])
    with pytest.raises(UserError, match="their_package:clipped is not a reward; make it an"):
        reward("their_package:clipped", rows, references)


def test_a_corpus_by_import_path(tmp_path: Path) -> None:
    corpus = {"kind": "their_package:Echo", "name": "echo", "lines": 2}
    values = {"corpus": corpus, "systems": {"ml": {"objective": "ml"}}}
    made = parse(Experiment, values, "theirs")
    write_raw(made.data_config().corpus, mirrors=(), cache=tmp_path, out=tmp_path / "raw")
    assert read_lines(tmp_path / "raw/valid.de") == ["line 0", "line 1"]
    assert made.corpus.text_size().train_tokens == 20
    with pytest.raises(UserError, match=r"corpus\.line: unknown key; did you mean lines\?"):
        parse(Experiment, {**values, "corpus": {**corpus, "line": 2}}, "theirs")
