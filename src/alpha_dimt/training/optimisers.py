"""Optimisers: update parameters by their gradients."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from alpha_dimt.config.optimisers import AdamWConfig, SgdConfig
from alpha_dimt.config.training import TrainingConfig
from alpha_dimt.core.imports import imported


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
            if gradient.is_sparse and gradient.is_cuda:
                # All rows, as the update below takes them; coalesced, so that sums have an order.
                gradient = gradient.coalesce().to_dense()
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


class AdamW:
    """AdamW of PyTorch with gradient clipping, as one kernel for all parameters.

    Attributes:
        options: its constants.
        clip_norm: gradients with a greater norm are scaled down to it.
    """

    def __init__(self, options: AdamWConfig, clip_norm: float) -> None:
        """Make the optimiser; it learns its parameters in the first step."""
        self.options, self.clip_norm = options, clip_norm
        self._optimiser: torch.optim.AdamW | None = None
        self._restored: Mapping[str, Tensor] = {}

    @torch.no_grad()
    def step(self, parameters: Iterable[Tensor], *, learning_rate: float, unless: Tensor) -> Tensor:
        """Make one update; see `Optimiser`."""
        optimiser = self._optimiser or self._start(parameters)
        [group] = optimiser.param_groups
        group["lr"] = learning_rate
        moved = [parameter for parameter in group["params"] if parameter.grad is not None]
        for parameter in moved:
            if parameter.grad.is_sparse:
                parameter.grad = _laid_out_like(parameter, parameter.grad.to_dense())
        gradients = [parameter.grad for parameter in moved]
        norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        unwanted = ~torch.isfinite(norm) | unless
        # The kernel divides gradients by a scale, and skips the update if a number was found that
        # is not finite; so PyTorch's gradient scaler works, and the host waits for nothing.
        optimiser.grad_scale = (norm / self.clip_norm).clamp(min=1.0).float()  # type: ignore[attr-defined]
        optimiser.found_inf = unwanted.float()  # type: ignore[attr-defined]
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return norm

    def _start(self, parameters: Iterable[Tensor]) -> torch.optim.AdamW:
        options = self.options
        self._optimiser = torch.optim.AdamW(
            list(parameters),
            lr=1.0,
            betas=(options.beta1, options.beta2),
            eps=options.epsilon,
            weight_decay=options.weight_decay,
            fused=True,
        )
        for name, tensor in self._restored.items():
            number, _, entry = name.partition(".")
            parameter = self._optimiser.param_groups[0]["params"][int(number)]
            laid_out = tensor if entry == "step" else _laid_out_like(parameter, tensor)
            self._optimiser.state[parameter][entry] = laid_out.to(parameter.device)
        return self._optimiser

    def state(self) -> dict[str, Tensor]:
        """Return means and numbers of updates, named by the place of their parameter."""
        if self._optimiser is None:
            return dict(self._restored)
        return {
            f"{number}.{entry}": tensor
            for number, parameter in enumerate(self._optimiser.param_groups[0]["params"])
            for entry, tensor in self._optimiser.state[parameter].items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore a state that `state` returned."""
        self._optimiser, self._restored = None, dict(state)


def _laid_out_like(parameter: Tensor, values: Tensor) -> Tensor:
    """Return values in the memory order of a parameter, which the kernel takes for granted."""
    return torch.empty_like(parameter).copy_(values)


def build_optimiser(recipe: TrainingConfig) -> Optimiser:
    """Return the optimiser of a recipe."""
    made: Optimiser = imported(recipe.optimiser.implementation)(recipe.optimiser, recipe.clip_norm)
    return made


def plain_sgd(options: SgdConfig, clip_norm: float) -> Sgd:
    """Return plain SGD, which has no constants."""
    return Sgd(clip_norm)


def _sum_rows(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of a sparse gradient's entries per distinct row, and the row numbers."""
    entries = gradient._values()
    rows, place = torch.unique(gradient._indices()[0], return_inverse=True)
    return entries.new_zeros(len(rows), entries.shape[1]).index_add_(0, place, entries), rows
