"""Every objective on the reversal task."""

from pathlib import Path
from typing import Any

from copy_task import experiment, write_corpus

from alpha_dimt.config import Experiment, parse
from alpha_dimt.data.draw_candidates import augment_corpus
from alpha_dimt.training.run import train_run

FROM_ML = {"start": "ml", "training": {"learning_rate": 0.05, "min_learning_rate": 0.05}}
CRITIC = {"critic": {"embedding": 8, "hidden": 12}, "critic_epochs": 0, **FROM_ML}
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
    "alpha-beam": {"objective": "alpha_beam", "alpha": 0.5, "tau": 0.05, **FROM_ML},
    "pg": {"objective": "policy_gradient", **FROM_ML},
    "pg-entropy": {"objective": "policy_gradient", "tau": 0.05, **FROM_ML},
    "mrt": {"objective": "mrt", "sharpness": 1.0, **FROM_ML},
    "gnmt": {"objective": "gnmt_mixture", "samples": 4, **FROM_ML},
    "f-divergence": {
        "objective": "f_divergence",
        "divergence": "jensen_shannon",
        "tau": 0.05,
        **FROM_ML,
    },
    "rf-c": {"objective": "reinforce_critic", **CRITIC},
    "ac": {"objective": "actor_critic", "samples": 2, **CRITIC},
    "mixer": {"objective": "mixer", "gold_words": 2, **FROM_ML},
    "token-alpha": {"objective": "token_alpha", "alpha": 0.5, "tau": 0.3, **CRITIC},
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


def every_objective(*, dropout: float = 0.0, **training: object) -> Experiment:
    """Return an experiment with all of them; `training` overrides its recipe."""
    values = experiment(**training).model_dump(mode="json")
    values["model"]["dropout"] = dropout
    return parse(Experiment, {**values, "systems": SYSTEMS}, "all objectives")


def write_data(folder: Path, config: Experiment, *, train: int) -> Path:
    """Write an encoded corpus with the candidates of all systems."""
    write_corpus(folder, train=train)
    proposal = config.augment_config(next(iter(config.systems)), 1)
    augment_corpus(proposal, encoded=folder, out=folder / "seed1.arrow")
    return folder


def train(config: Experiment, folder: Path, system: str) -> Path:
    """Train a system with seed 1 into the corpus's folder, after `ml` if it starts there."""
    run = config.run_config(system, 1)
    out = folder / system
    train_run(
        run,
        encoded=folder,
        augmented=folder / "seed1.arrow" if run.proposal else None,
        start=folder / "ml/best.safetensors" if run.start else None,
        state=folder / "state",
        out=out,
        threads=1,
    )
    return out
