"""Every objective trains: short runs on the reversal task."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from copy_task import experiment, write_corpus

from alpha_dimt.config import Experiment, parse
from alpha_dimt.data.augment import augment_corpus
from alpha_dimt.files import read_json, read_lines
from alpha_dimt.training.run import train_run

FROM_ML = {"start": "ml", "training": {"learning_rate": 0.05, "min_learning_rate": 0.05}}
WEIGHTED = {"objective": "alpha", "alpha": 0.5}
SYSTEMS: dict[str, dict[str, Any]] = {
    "ml": {"objective": "ml"},
    "scheduled": {"objective": "scheduled_sampling", "k": 20},
    "raml": {"objective": "raml", "normalise": "source", "log_q0": True, "tau": 0.3},
    "raml-exact": {"objective": "raml", "weights": "uniform"},
    "alpha": WEIGHTED,
    "alpha-moving": {
        **WEIGHTED,
        "alpha": {"kind": "linear", "start": 0, "end": 0.9, "epochs": 2},
        "tau": {"kind": "on_decay", "start": 3, "step": -1, "end": 1},
    },
    "alpha-chunks": {**WEIGHTED, "chunk": 3, "log_p": "padded_mean"},
    "alpha-mixed": {**WEIGHTED, "normalise": "source", "log_q0": True, "samples": 3, "tau": 0.5},
    "alpha-on-policy": {"objective": "alpha_on_policy", "alpha": 0.9, "tau": 0.05, **FROM_ML},
    "pg": {"objective": "policy_gradient", **FROM_ML},
    "pg-entropy": {"objective": "policy_gradient", "tau": 0.05, **FROM_ML},
    "mrt": {"objective": "mrt", "sharpness": 1.0, **FROM_ML},
    "gnmt": {"objective": "gnmt_mixture", "samples": 4, **FROM_ML},
    "interpolated": {"objective": "interpolated", "ml_weight": 0.3, "other": WEIGHTED},
    "interpolated-mixed": {
        "objective": "interpolated",
        "ml_weight": 0.3,
        "other": {**WEIGHTED, "normalise": "source", "log_q0": True, "samples": 2},
    },
    "custom": {
        "objective": "custom",
        "function": "alpha_dimt.objectives:policy_gradient",
        "options": {"tau": 0.1},
        "candidates": "model",
        **FROM_ML,
    },
}


@pytest.fixture(scope="module")
def config() -> Experiment:
    values = experiment(max_epochs=2).model_dump(mode="json")
    return parse(Experiment, {**values, "systems": SYSTEMS}, "all objectives")


@pytest.fixture(scope="module")
def folder(config: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_corpus(tmp_path_factory.mktemp("methods"), train=400)
    augment_corpus(
        config.augment_config(next(iter(config.systems)), 1),
        encoded=folder,
        out=folder / "seed1.arrow",
    )
    train(config, folder, "ml")
    return folder


def train(config: Experiment, folder: Path, system: str) -> list[dict[str, float]]:
    run = config.run_config(system, 1)
    train_run(
        run,
        encoded=folder,
        augmented=folder / "seed1.arrow" if run.proposal else None,
        start=folder / "ml/best.safetensors" if run.start else None,
        state=folder / "state",
        out=folder / system,
        threads=1,
    )
    return [json.loads(line)["metrics"] for line in read_lines(folder / system / "metrics.jsonl")]


@pytest.mark.parametrize("system", [name for name in SYSTEMS if name != "ml"])
def test_every_objective_trains(config: Experiment, folder: Path, system: str) -> None:
    epochs = train(config, folder, system)
    for metrics in epochs:
        assert all(math.isfinite(value) for value in metrics.values())
        assert metrics["gradient_norm"] > 0
    # Maximum likelihood and the policy gradient take all their candidates alike.
    unweighted = ("scheduled", "raml-exact", "pg", "pg-entropy", "gnmt", "custom")
    figures = {"ess", "ess_fraction", "weight_entropy", "reference_share"}
    assert (figures <= epochs[0].keys()) == (system not in unweighted)
    # Minimum risk has no q to be near to.
    assert ("kl_p_q" in epochs[0]) == (system not in (*unweighted, "mrt"))
    assert "mean_reward" in epochs[0]


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
