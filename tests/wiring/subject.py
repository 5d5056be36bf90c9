"""All that these tests use of the package, by the names that they use.

Whoever moves or renames a module, or changes how a function is called, changes this file; what the
tests expect stays.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alpha_dimt.config import Experiment, RunConfig, load, parse
from alpha_dimt.objectives import Loss, Scored
from alpha_dimt.training.methods import method as bind

CONFIG = Path(__file__).parents[2] / "config"


# ---------------------------------------------------------------------------- configuration


def experiment(values: dict[str, Any]) -> Experiment:
    """Return the experiment that plain values describe."""
    return parse(Experiment, values, "test")


def configured(file: str) -> Experiment:
    """Return the experiment in a file of config/."""
    return load(Experiment, CONFIG / file)


# ------------------------------------------------------------------------------- objectives


def scored(figures: dict[str, np.ndarray]) -> Scored:
    """Return candidates in float64; `log_p` takes a gradient."""
    tensors = {name: torch.tensor(figures[name]) for name in (f.name for f in fields(Scored))}
    tensors["log_p"].requires_grad_()
    return Scored(**tensors)


def bound_loss(
    options: Any, figures: dict[str, np.ndarray], *, epoch: int, decays: int
) -> tuple[float, np.ndarray]:
    """Return the loss that training computes for options, and its gradient by log p."""
    candidates = scored(figures)
    loss = bind(options).objective(epoch, decays)(candidates)
    (gradient,) = torch.autograd.grad(loss.value, candidates.log_p)
    return loss.value.item(), gradient.numpy()


def sources(options: Any) -> dict[str, Any]:
    """Return where training takes the candidates of options from."""
    method = bind(options)
    return {
        name: getattr(method, name)
        for name in ("reference", "proposal", "samples", "reward", "gold_decay", "chunk")
    }


def scaled(scored: Scored, *, scale: float, power: float) -> Loss:
    """A user's objective."""
    weight = scale * (power - scored.log_p.detach())
    return Loss((weight * scored.log_p).mean(), {"mean_reward": scored.reward.mean()})


def objective_kinds() -> set[str]:
    """Return the names of all objectives that a configuration can choose."""
    (systems,) = Experiment.model_json_schema()["properties"]["systems"][
        "patternProperties"
    ].values()
    return set(systems["discriminator"]["mapping"])
