"""The objectives of sequence-level training as pure functions: scored candidates in, a loss out."""

from alpha_dimt.objectives.contract import Loss, Objective, Scored
from alpha_dimt.objectives.losses import (
    Group,
    LogP,
    alpha_divergence,
    leave_one_out,
    log_weights,
    maximum_likelihood,
    minimum_risk,
    model_term,
    normalise,
    on_policy_alpha,
    policy_gradient,
    with_likelihood,
)

__all__ = [
    "Group",
    "LogP",
    "Loss",
    "Objective",
    "Scored",
    "alpha_divergence",
    "leave_one_out",
    "log_weights",
    "maximum_likelihood",
    "minimum_risk",
    "model_term",
    "normalise",
    "on_policy_alpha",
    "policy_gradient",
    "with_likelihood",
]
