"""Optimisers: how a gradient moves parameters."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Optimiser(Protocol):
    """Moves parameters by their gradients."""

    def step(self, parameters: Iterable[Tensor], *, learning_rate: float, unless: Tensor) -> Tensor:
        """Make one update; afterwards the parameters have no gradient.

        Nothing moves where the norm of the gradient is not finite or `unless` is true.

        Args:
            parameters: those that have a gradient are moved.
            learning_rate: factor of the step.
            unless: a scalar on the parameters' device.

        Returns:
            The norm of the gradient before clipping, a scalar on the parameters' device.
        """

    def state(self) -> dict[str, Tensor]:
        """Return what an interrupted training needs to resume; empty without any state."""

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over a state that `state` returned."""


@dataclass(frozen=True)
class Sgd:
    """Plain SGD with a clipped gradient, for dense and for sparse gradients.

    An embedding's gradient may be sparse: a mini-batch reads a tenth of the words, and the other
    rows are neither zeroed nor read.

    Attributes:
        clip_norm: longer gradients are scaled to this norm.
    """

    clip_norm: float

    @torch.no_grad()
    def step(self, parameters: Iterable[Tensor], *, learning_rate: float, unless: Tensor) -> Tensor:
        """Make one update; see `Optimiser`."""
        moved: list[tuple[Tensor, Tensor, Tensor | None]] = []
        for parameter in parameters:
            gradient, parameter.grad = parameter.grad, None
            if gradient is None:
                continue
            if gradient.is_sparse:
                moved.append((parameter, *_sum_rows(gradient)))
            else:
                moved.append((parameter, gradient, None))
        norms = [torch.linalg.vector_norm(gradient) for _, gradient, _ in moved]
        norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
        wanted = torch.isfinite(norm) & ~unless
        factor = (self.clip_norm / norm).clamp(max=1.0) * -learning_rate
        if norm.is_cuda:
            # The host does not wait for the norm: what must not count is set to 0 on the device.
            for _, gradient, _ in moved:
                gradient.copy_(torch.where(wanted, gradient * factor, 0))
            scale = 1.0
        elif wanted:
            scale = factor.item()
        else:
            return norm
        for parameter, gradient, rows in moved:
            if rows is None:
                parameter.add_(gradient, alpha=scale)
            else:
                parameter.index_add_(0, rows, gradient, alpha=scale)
        return norm

    def state(self) -> dict[str, Tensor]:
        """Return nothing: plain SGD has no state."""
        return {}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over nothing."""


def _sum_rows(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of a sparse gradient's entries for each distinct row, and these rows."""
    entries = gradient._values()
    rows, place = torch.unique(gradient._indices()[0], return_inverse=True)
    return entries.new_zeros(len(rows), entries.shape[1]).index_add_(0, place, entries), rows
