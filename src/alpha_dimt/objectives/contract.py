"""What an objective is given, and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

import torch
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
        target: [B, K, T] ids of the candidates, padded; None where `distinct` was given.
    """

    log_p: Tensor
    lengths: Tensor
    reward: Tensor
    log_q0: Tensor
    reference: Tensor
    distinct: Tensor
    mean_log_p: Tensor | None = None
    target: Tensor | None = None

    @classmethod
    def of(
        cls,
        log_p: Tensor,
        *,
        target: Tensor,
        lengths: Tensor,
        reward: Tensor | None = None,
        log_q0: Tensor | None = None,
        reference: Tensor | None = None,
        mean_log_p: Tensor | None = None,
    ) -> Self:
        """Return candidates of which some things are known and the rest is derived.

        Args:
            log_p: [B, K].
            target: [B * K, T] ids of the candidates, padded.
            lengths: [B * K] predicted tokens of each candidate.
            reward: [B, K]; None: 0, which maximum likelihood only logs.
            log_q0: [B, K]; None: 0, for objectives that do not divide by q0.
            reference: [B, K]; None: no candidate equals the reference.
            mean_log_p: [B, K], for label smoothing.
        """
        zeros = partial(torch.zeros_like, log_p, requires_grad=False)
        target = target.view(*log_p.shape, -1)
        return cls(
            log_p=log_p,
            lengths=lengths.view(log_p.shape),
            reward=zeros() if reward is None else reward.to(log_p.dtype),
            log_q0=zeros() if log_q0 is None else log_q0.to(log_p.dtype),
            reference=zeros(dtype=torch.bool) if reference is None else reference,
            distinct=_distinct(target),
            mean_log_p=mean_log_p,
            target=target,
        )

    def columns(self, columns: slice) -> "Scored":
        """Return some of the candidates of every source."""
        given = {name: value[:, columns] for name, value in vars(self).items() if value is not None}
        if "target" in given:
            # What repeats a candidate that is left out is the first of its kind.
            given["distinct"] = _distinct(given["target"])
        return Scored(**given)


def _distinct(target: Tensor) -> Tensor:
    """Return [B, K] whether a candidate differs from all before it; target is [B, K, T]."""
    k = target.shape[1]
    if k == 1:
        return torch.ones(target.shape[:2], dtype=torch.bool, device=target.device)
    same = (target[:, :, None] == target[:, None, :]).all(dim=-1)
    return ~same.tril(diagonal=-1).any(dim=2)


@dataclass(frozen=True)
class Loss:
    """A scalar to minimise, and figures to log (scalars without gradient)."""

    value: Tensor
    diagnostics: dict[str, Tensor]


Objective = Callable[[Scored], Loss]
"""A function from scored candidates to their loss."""
