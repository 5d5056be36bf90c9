"""Bind the options of an objective to its loss, a pure function of scored candidates."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from alpha_dimt.config.schedules import Moment
from alpha_dimt.config.systems import Needs, ObjectiveConfig
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.imports import imported
from alpha_dimt.objectives import Objective


@dataclass(frozen=True)
class Bound:
    """A loss with the arguments of one system.

    Attributes:
        objective: returns the loss at a moment of the training.
        needs: candidates that the loss needs.
    """

    objective: Callable[[Moment], Objective]
    needs: Needs


def bind(options: ObjectiveConfig) -> Bound:
    """Return the loss that the options name, with its arguments.

    Raises:
        UserError: the loss cannot be imported.
    """
    try:
        loss_at(options, Moment(epoch=1, decays=0))
    except UserError as error:
        raise UserError(f"objective {options.objective}: {error}") from error
    return Bound(partial(loss_at, options), options.needs())


def loss_at(options: ObjectiveConfig, at: Moment) -> Objective:
    """Return the loss at a moment; options of a nested objective are replaced by its loss."""

    def argument(value: Any) -> Any:
        return loss_at(value, at) if isinstance(value, ObjectiveConfig) else value

    arguments = {name: argument(value) for name, value in options.arguments(at).items()}
    return partial(imported(options.implementation), **arguments)
