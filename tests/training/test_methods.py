"""Every objective trains: short runs on the reversal task."""

import json
import math
from pathlib import Path

import pytest
from every_objective import SYSTEMS, every_objective, write_data
from every_objective import train as train_system

from alpha_dimt.config import Experiment, parse
from alpha_dimt.core.files import read_json, read_lines
from alpha_dimt.training.run import train_run


@pytest.fixture(scope="module")
def config() -> Experiment:
    return every_objective(max_epochs=2)


@pytest.fixture(scope="module")
def folder(config: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_data(tmp_path_factory.mktemp("methods"), config, train=400)
    train_system(config, folder, "ml")
    return folder


def train(config: Experiment, folder: Path, system: str) -> list[dict[str, float]]:
    run = train_system(config, folder, system)
    return [json.loads(line)["metrics"] for line in read_lines(run / "metrics.jsonl")]


@pytest.mark.parametrize("system", [name for name in SYSTEMS if name != "ml"])
def test_every_objective_trains(config: Experiment, folder: Path, system: str) -> None:
    epochs = train(config, folder, system)
    for metrics in epochs:
        assert all(math.isfinite(value) for value in metrics.values())
        assert metrics["gradient_norm"] > 0
    # Maximum likelihood and the policy gradient weight all their candidates equally.
    unweighted = ["scheduled", "raml-exact", "pg", "pg-entropy", "gnmt", "custom"]
    critics = ["rf-c", "ac", "token-alpha", "mixer"]
    unweighted += critics
    figures = {"ess", "ess_fraction", "weight_entropy", "reference_share"}
    assert (figures <= epochs[0].keys()) == (system not in unweighted)
    # Minimum risk has no q to compare with.
    assert ("kl_p_q" in epochs[0]) == (system not in (*unweighted, "mrt"))
    assert "mean_reward" in epochs[0]
    assert ("explained_variance" in epochs[0]) == (system in critics)


@pytest.mark.parametrize("system", ["pg", "gnmt"])
def test_training_on_samples_raises_their_reward(
    config: Experiment, folder: Path, system: str
) -> None:
    values = config.model_dump(mode="json")
    values["training"]["max_epochs"] = 10
    values["systems"][system]["reward"] = "edit_distance"
    longer = parse(Experiment, values, "longer")
    start = longer.model_copy(update={"training": config.training})
    run = longer.run_config(system, 1).model_copy(update={"start": start.run_config("ml", 1)})
    train_run(
        run,
        encoded=folder,
        augmented=None,
        start=folder / "ml/best.safetensors",
        state=folder / "state",
        out=folder / f"{system}-longer",
        threads=1,
    )
    lines = read_lines(folder / f"{system}-longer/metrics.jsonl")
    rewards = [json.loads(line)["metrics"]["mean_reward"] for line in lines]
    assert rewards[-1] > rewards[0] + 0.1


def test_a_start_is_recorded(config: Experiment, folder: Path) -> None:
    train(config, folder, "pg")
    assert set(read_json(folder / "pg/run.json")["data"]) == {
        "train.arrow",
        "valid.arrow",
        "best.safetensors",
    }
