"""From a configured objective to the pure function and the candidates that it wants."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

from alpha_dimt import config as c
from alpha_dimt import objectives
from alpha_dimt.core.errors import UserError
from alpha_dimt.objectives import Objective
from alpha_dimt.training.learning_rate import value_at


@dataclass(frozen=True)
class Method:
    """What one system trains with.

    The candidates of a source are, in this order: the reference, those of the proposal, samples.

    Attributes:
        objective: the loss of an epoch (counted from 1) after some decays of the learning rate.
        reference: whether the reference is the first candidate.
        proposal: whether the proposal's candidates are among them.
        samples: candidates drawn from the model.
        reward: of these samples; None where the proposal's candidates decide it.
        gold_decay: k of scheduled sampling's inverse sigmoid decay; None: gold inputs only.
        chunk: steps after which weights are computed anew; None: one weight a sentence.
    """

    objective: Callable[[int, int], Objective]
    reference: bool = False
    proposal: bool = False
    samples: int = 0
    reward: c.Reward | None = None
    gold_decay: float | None = None
    chunk: int | None = None


def _always(objective: Objective) -> Callable[[int, int], Objective]:
    return lambda epoch, decays: objective


def method(config: c.Objective) -> Method:
    """Return the method of a configured objective.

    Raises:
        UserError: a custom function cannot be imported.
    """
    match config:
        case c.Ml():
            return Method(_always(objectives.maximum_likelihood), reference=True)
        case c.ScheduledSampling():
            return Method(
                _always(objectives.maximum_likelihood), reference=True, gold_decay=config.k
            )
        case c.Raml(weights="uniform"):
            return Method(_always(objectives.maximum_likelihood), proposal=True)
        case c.Raml() | c.Alpha():
            return Method(
                partial(_off_policy, config),
                proposal=True,
                samples=config.samples,
                chunk=config.chunk,
            )
        case c.AlphaOnPolicy():
            return Method(
                lambda epoch, decays: partial(
                    objectives.on_policy_alpha,
                    alpha=value_at(config.alpha, epoch=epoch, decays=decays),
                    tau=value_at(config.tau, epoch=epoch, decays=decays),
                ),
                samples=config.samples,
                reward=config.reward,
            )
        case c.PolicyGradient():
            return Method(
                lambda epoch, decays: partial(
                    objectives.policy_gradient,
                    tau=value_at(config.tau, epoch=epoch, decays=decays),
                ),
                samples=config.samples,
                reward=config.reward,
            )
        case c.MinimumRisk():
            return Method(
                _always(partial(objectives.minimum_risk, sharpness=config.sharpness)),
                reference=True,
                samples=config.samples,
                reward=config.reward,
            )
        case c.GnmtMixture():
            return Method(
                _always(
                    partial(
                        objectives.with_likelihood,
                        other=partial(objectives.policy_gradient, tau=0.0),
                        ml_weight=config.ml_weight,
                        other_weight=1.0,
                    )
                ),
                reference=True,
                samples=config.samples,
                reward=config.reward,
            )
        case c.Custom():
            return _custom(config)
        case c.Interpolated():
            return _interpolated(config)


def _off_policy(config: c.Raml | c.Alpha, epoch: int, decays: int) -> Objective:
    alpha = config.alpha if isinstance(config, c.Alpha) else 0.0
    return partial(
        objectives.alpha_divergence,
        alpha=value_at(alpha, epoch=epoch, decays=decays),
        tau=value_at(config.tau, epoch=epoch, decays=decays),
        normaliser=config.normalise,
        log_p=config.log_p,
        log_q0=config.log_q0,
    )


def _interpolated(config: c.Interpolated) -> Method:
    other = method(config.other)
    return Method(
        lambda epoch, decays: partial(
            objectives.with_likelihood,
            other=other.objective(epoch, decays),
            ml_weight=config.ml_weight,
            other_weight=1 - config.ml_weight,
            shared=other.reference,
        ),
        reference=True,
        proposal=other.proposal,
        samples=other.samples,
        reward=other.reward,
        chunk=other.chunk,
    )


def _custom(config: c.Custom) -> Method:
    module, name = config.function.split(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"objective custom: {config.function} cannot be imported ({error}); "
            "is the module's folder on PYTHONPATH?"
        ) from error
    return Method(
        _always(cast(Objective, partial(function, **config.options))),
        reference=config.candidates == "reference",
        proposal=config.candidates == "proposal",
        samples=config.samples if config.candidates == "model" else 0,
        reward=config.reward if config.candidates == "model" else None,
    )
