"""Optimisers: update parameters by their gradients."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Optimiser(Protocol):
    """Updates parameters by their gradients."""

    def step(self, parameters: Iterable[Tensor], *, learning_rate: float, unless: Tensor) -> Tensor:
        """Make one update and clear the gradients.

        The update is a no-op if the norm of the gradient is not finite or `unless` is true.

        Args:
            parameters: parameters to update; those without a gradient are skipped.
            learning_rate: factor of the step.
            unless: whether to skip the update; a scalar on the parameters' device.

        Returns:
            The norm of the gradient before clipping, a scalar on the parameters' device.
        """

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that are needed to resume training; empty without any state."""

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore a state that `state` returned."""


@dataclass(frozen=True)
class Sgd:
    """Plain SGD with gradient clipping, for dense and sparse gradients.

    Gradients of embeddings may be sparse: a mini-batch uses a tenth of the vocabulary, and the
    other rows are neither zeroed nor read.

    Attributes:
        clip_norm: gradients with a greater norm are scaled down to it.
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
        norms = torch._foreach_norm([gradient for _, gradient, _ in moved])
        norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
        wanted = torch.isfinite(norm) & ~unless
        factor = (self.clip_norm / norm).clamp(max=1.0) * -learning_rate
        if norm.is_cuda:
            # The host does not wait for the norm: a skipped update is set to 0 on the device.
            # Not in place: gradients of two biases that are added may be one tensor.
            steps = torch._foreach_mul([gradient for _, gradient, _ in moved], factor)
            unwanted = ~wanted
            for step in steps:
                step.masked_fill_(unwanted, 0)
            torch._foreach_add_([parameter for parameter, _, _ in moved], steps)
            return norm
        if not wanted:
            return norm
        scale = factor.item()
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
        """Restore nothing: plain SGD has no state."""


def _sum_rows(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of a sparse gradient's entries per distinct row, and the row numbers."""
    entries = gradient._values()
    rows, place = torch.unique(gradient._indices()[0], return_inverse=True)
    return entries.new_zeros(len(rows), entries.shape[1]).index_add_(0, place, entries), rows
