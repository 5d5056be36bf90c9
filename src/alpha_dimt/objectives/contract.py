"""What an objective is given, and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Scored:
    """Candidates of a mini-batch, as the model and the proposal see them.

    Attributes:
        log_p: [B, K] log-probability of each candidate, summed over its tokens; with gradient.
        lengths: [B, K] predicted tokens of each candidate (its </s> included).
        reward: [B, K] r(y, y*).
        log_q0: [B, K] log-probability under the proposal.
        reference: [B, K] whether the candidate equals the reference.
        distinct: [B, K] whether no candidate before it, of the same source, is the same.
        mean_log_p: [B, K] mean over the vocabulary of log p, summed over its steps; with
            gradient. None unless the objective asks for it (label smoothing).
    """

    log_p: Tensor
    lengths: Tensor
    reward: Tensor
    log_q0: Tensor
    reference: Tensor
    distinct: Tensor
    mean_log_p: Tensor | None = None

    def columns(self, columns: slice) -> "Scored":
        """Return some of the candidates of every source."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        return Scored(**{name: value[:, columns] for name, value in given.items()})


@dataclass(frozen=True)
class Loss:
    """A scalar to minimise, and figures to log (scalars without gradient)."""

    value: Tensor
    diagnostics: dict[str, Tensor]


Objective = Callable[[Scored], Loss]
