"""The systems of config/*.yaml and one of every kind, complete, without the package's help.

Defaults are repeated here on purpose: a default must not change unnoticed.
"""

from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "config"
FILES = sorted(path.name for path in FOLDER.glob("*.yaml"))

WEIGHTED = {
    "tau": 3.0,
    "normalise": "batch",
    "log_p": "mean",
    "log_q0": False,
    "chunk": None,
    "samples": 0,
}
CRITIC = {
    "samples": 1,
    "reward": "bleu",
    "critic": {"embedding": 256, "hidden": 256, "init": 0.05},
    "critic_epochs": 5,
    "critic_learning_rate": 0.001,
    "critic_joint_learning_rate": 0.0001,
    "delay": 0.001,
    "penalty": 0.001,
    "ml_weight": 0.1,
}
SAMPLED = {"samples": 8, "reward": "bleu"}
DEFAULTS: dict[str, dict[str, Any]] = {
    "ml": {},
    "scheduled_sampling": {"k": 500.0},
    "raml": WEIGHTED | {"weights": "importance"},
    "alpha": WEIGHTED,
    "alpha_on_policy": SAMPLED | {"tau": 0.1},
    "alpha_beam": SAMPLED | {"tau": 0.1, "epsilon": 0.15},
    "policy_gradient": SAMPLED | {"tau": 0.0},
    "mrt": SAMPLED | {"sharpness": 0.005},
    "gnmt_mixture": {"samples": 15, "reward": "gleu", "ml_weight": 0.017},
    "custom": SAMPLED | {"options": {}, "candidates": "proposal"},
    "interpolated": {},
    "f_divergence": SAMPLED | {"tau": 0.1},
    "reinforce_critic": CRITIC,
    "actor_critic": CRITIC,
    "token_alpha": CRITIC | {"tau": 1.0},
    "mixer": {
        "samples": 1,
        "reward": "bleu",
        "gold_words": 22,
        "step": 3,
        "epochs_each": 5,
        "ml_weight": 0.5,
        "baseline_learning_rate": 0.001,
    },
}
WORD_BY_WORD = ("reinforce_critic", "actor_critic", "token_alpha", "mixer")
"""Objectives whose losses are not of candidates; tests/unit/objectives/test_critics.py has them."""

LINEAR = {"kind": "linear", "start": 0.1, "end": 0.9, "epochs": 6}
ON_DECAY = {"kind": "on_decay", "start": 0.2, "step": 0.15, "end": 0.8}
INCREASE = {"kind": "increase", "start": 0.3, "step": 0.1, "end": 0.7}
FALLING = {"kind": "increase", "start": 4.0, "step": -0.75, "end": 0.5}
FALLING_ON_DECAY = {"kind": "on_decay", "start": 2.0, "step": -0.5, "end": 0.25}
ALPHA = {"objective": "alpha", "alpha": 0.4}
CUSTOM = {
    "objective": "custom",
    "function": "subject:scaled",
    "options": {"scale": 2.5, "power": -0.75},
}

ONE_OF_EACH: dict[str, dict[str, Any]] = {
    "ml": {"objective": "ml"},
    "ml-smoothed": {"objective": "ml", "label_smoothing": 0.15},
    "scheduled": {"objective": "scheduled_sampling", "k": 12.0},
    "scheduled-default": {"objective": "scheduled_sampling"},
    "raml": {"objective": "raml"},
    "raml-source": {"objective": "raml", "normalise": "source", "log_q0": True, "tau": 0.6},
    "raml-moving": {"objective": "raml", "tau": FALLING},
    "raml-uniform": {"objective": "raml", "weights": "uniform", "tau": 0.1},
    "raml-chunks": {"objective": "raml", "chunk": 5},
    "raml-samples": {"objective": "raml", "samples": 3},
    "alpha": ALPHA,
    "alpha-0": ALPHA | {"alpha": 0.0},
    "alpha-1": ALPHA | {"alpha": 1.0},
    "alpha-linear": ALPHA | {"alpha": LINEAR, "tau": 0.7},
    "alpha-on-decay": ALPHA | {"alpha": ON_DECAY, "normalise": "source"},
    "alpha-increase": ALPHA | {"alpha": INCREASE, "log_p": "sum", "tau": FALLING_ON_DECAY},
    "alpha-padded": ALPHA | {"log_p": "padded_mean", "chunk": 4},
    "alpha-q0": ALPHA | {"log_q0": True, "log_p": "sum", "normalise": "source", "samples": 2},
    "on-policy": {"objective": "alpha_on_policy", "alpha": 0.6, "samples": 5, "reward": "gleu"},
    "on-policy-1": {"objective": "alpha_on_policy", "alpha": 1.0, "tau": 0.4},
    "on-policy-moving": {"objective": "alpha_on_policy", "alpha": LINEAR, "tau": ON_DECAY},
    "alpha-beam": {"objective": "alpha_beam", "alpha": INCREASE, "epsilon": 0.4, "samples": 5},
    "pg": {"objective": "policy_gradient", "samples": 6, "reward": "edit_distance"},
    "pg-entropy": {"objective": "policy_gradient", "tau": INCREASE},
    "mrt": {"objective": "mrt", "sharpness": 0.3, "samples": 7, "reward": "hamming"},
    "mrt-default": {"objective": "mrt"},
    "mrt-beam": {"objective": "mrt", "beam": True, "samples": 4},
    "gnmt-default": {"objective": "gnmt_mixture"},
    "gnmt": {"objective": "gnmt_mixture", "ml_weight": 0.3, "reward": "bleu"},
    "custom": CUSTOM | {"samples": 3, "reward": "gleu"},
    "custom-reference": CUSTOM | {"candidates": "reference"},
    "custom-model": CUSTOM | {"candidates": "model", "samples": 3, "reward": "gleu"},
    "chi-square": {"objective": "f_divergence", "divergence": "chi_square", "samples": 3},
    "js": {"objective": "f_divergence", "divergence": "jensen_shannon", "tau": FALLING},
    "ranks": {"objective": "f_divergence", "divergence": "tail_adaptive", "reward": "gleu"},
    "rf-c": {"objective": "reinforce_critic", "samples": 2, "reward": "gleu"},
    "ac": {"objective": "actor_critic"},
    "token-alpha": {"objective": "token_alpha", "alpha": LINEAR, "tau": 0.2},
    "mixer": {"objective": "mixer", "gold_words": 7, "ml_weight": 0.25},
    "interpolated": {"objective": "interpolated", "ml_weight": 0.2, "other": ALPHA},
    "interpolated-chunks": {
        "objective": "interpolated",
        "ml_weight": 0.9,
        "other": {"objective": "raml", "chunk": 3, "tau": FALLING},
    },
    "interpolated-mrt": {
        "objective": "interpolated",
        "ml_weight": 0.35,
        "other": {"objective": "mrt", "sharpness": 0.2},
    },
    "interpolated-pg": {
        "objective": "interpolated",
        "ml_weight": 0.6,
        "other": {"objective": "policy_gradient", "tau": 0.2, "samples": 4},
    },
    "interpolated-on-policy": {
        "objective": "interpolated",
        "ml_weight": 0.1,
        "other": {"objective": "alpha_on_policy", "alpha": ON_DECAY},
    },
    "interpolated-custom": {
        "objective": "interpolated",
        "ml_weight": 0.25,
        "other": CUSTOM | {"candidates": "reference"},
    },
}


def complete(system: dict[str, Any]) -> dict[str, Any]:
    """Return a system's options with the defaults of its objective."""
    filled = DEFAULTS[system["objective"]] | system
    filled.pop("seeds", None)  # how many runs there are is no part of one
    if "other" in filled:
        filled["other"] = complete(filled["other"])
    return filled


def values_of(file: str) -> dict[str, Any]:
    """Return what a file of config/ holds, as plain values."""
    values: dict[str, Any] = yaml.safe_load((FOLDER / file).read_text(encoding="utf-8"))
    return values


def every_system() -> dict[str, tuple[str, str]]:
    """Return file and name of every configured system, by test id."""
    return {
        f"{file.removesuffix('.yaml')}:{name}": (file, name)
        for file in FILES
        for name in values_of(file)["systems"]
    }


def experiment_with(systems: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a small experiment with these systems, as plain values."""
    return {"corpus": {"kind": "toy"}, "systems": systems, **changes}


# ---------------------------------------------------- defaults of the sections, once more

TRAINING: dict[str, Any] = {
    "batch_size": 128,
    "learning_rate": 1.0,
    "decay": 0.5,
    "min_learning_rate": 0.05,
    "clip_norm": 5.0,
    "max_epochs": 40,
    "min_epochs": 10,
    "patience": 5,
    "sorted_first_epoch": True,
    "batches": "dealt",
    "device": "auto",
    "precision": "auto",
    "threads": 2,
}
LATER: dict[str, Any] = {"schedule": {"kind": "dev_decay"}, "average": None}
MODEL: dict[str, Any] = {"embedding": 256, "hidden": 256, "dropout": 0.3, "init": 0.1}
TRANSFORMERS: dict[str, dict[str, int]] = {
    "tiny": {"layers": 2, "units": 128, "heads": 4, "inner": 256},
    "iwslt": {"layers": 6, "units": 512, "heads": 4, "inner": 1024},
}
PREPARATION: dict[str, Any] = {
    "normalise_punctuation": False,
    "lowercase": "after",
    "min_length": 1,
    "max_length": 50,
    "max_ratio": 1.5,
}
VOCABULARIES: dict[str, dict[str, Any]] = {
    "words": {"source_size": None, "target_size": None, "min_frequency": 1},
    "bpe": {"operations": 10_000, "joint": True},
}
PROPOSAL: dict[str, Any] = {
    "candidates": 1,
    "slices": 30,
    "include_reference": False,
    "reward": "hamming",
}
DISTRIBUTIONS: dict[str, dict[str, Any]] = {
    "uniform_edit": {
        "substitutes": "uniform",
        "max_edit_fraction": 0.2,
        "reference_quirks": False,
    },
    "hamming_payoff": {"substitutes": "uniform", "tau": 0.85, "rescale": True},
    "edit_distance": {
        "substitutes": "uniform",
        "insert": 0.03,
        "delete": 0.03,
        "substitute": 0.06,
    },
    "ngram": {"substitutes": "uniform", "max_n": 4},
}


def model_of(values: dict[str, Any]) -> dict[str, Any]:
    """Return the section of the model, complete."""
    given = dict(values.get("model", {}))
    if given.get("kind") == "transformer":
        return TRANSFORMERS[given.pop("size")] | given
    return MODEL | given


def slower(model: dict[str, Any]) -> float:
    """Return how many times longer than the paper's model a sentence takes."""
    if "layers" not in model:
        return max(1.0, max(model["hidden"], model["embedding"]) / 256)
    units, inner, words = model["units"], model["inner"], 20_000
    linear = lambda a, b: a * b + b  # noqa: E731
    feed_forward = linear(units, inner) + linear(inner, units)
    layer = 3 * (4 * linear(units, units)) + 2 * feed_forward + 5 * 2 * units
    transformer = model["layers"] * layer + 2 * 2 * units + linear(units, words)
    paper = 2 * (4 * 128 * (256 + 128 + 2)) + 4 * 256 * (256 + 512 + 2) + 3 * 256**2
    return max(1.0, transformer / (paper + 256 * words + linear(256, words)))


def training_of(values: dict[str, Any], system: str) -> dict[str, Any]:
    """Return the recipe of a system: defaults, the experiment's keys, the system's keys."""
    own = values["systems"][system].get("training", {})
    recipe = TRAINING | values.get("training", {}) | own
    # Keys that came later are written down where they are not at their default.
    return {key: value for key, value in recipe.items() if LATER.get(key, recipe) != value}


def proposal_of(values: dict[str, Any], system: str) -> dict[str, Any]:
    """Return the proposal of a system, complete."""
    own = values["systems"][system].get("proposal", {})
    found = PROPOSAL | values.get("proposal", {}) | own
    given = found.get("distribution", {"kind": "uniform_edit"})
    return found | {"distribution": DISTRIBUTIONS[given["kind"]] | given}


def vocabulary_of(values: dict[str, Any]) -> dict[str, Any]:
    """Return the section of the vocabularies, complete."""
    given = values.get("preparation", {}).get("vocabulary", {"kind": "words"})
    return VOCABULARIES[given["kind"]] | given
