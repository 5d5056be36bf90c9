"""CUDA graphs of functions that are called again and again with the same shapes.

A graph replays all kernels of a function, and all of its backward pass, with one launch each. That
is what a recurrence of hundreds of small kernels needs: without it, the host cannot launch them as
fast as a GPU computes them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Signature = tuple[tuple[tuple[int, ...], torch.dtype, bool], ...]

MAX_GRAPHS = 32
"""Graphs of one function; each keeps the memory of a whole pass."""


class GraphedFunction:
    """A function of tensors on a CUDA device, replayed from a graph where possible.

    A shape is captured when it is seen for the second time. A graph has one set of results: while a
    backward pass through them is still to come, and for shapes beyond the first `MAX_GRAPHS`, the
    function itself is called. It must neither wait for the device nor draw random numbers.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        """Wrap a function from tensors to a tensor or a tuple of tensors."""
        self._function = function
        self._seen: set[Signature] = set()
        self._graphs: dict[Signature, Callable[..., Any]] = {}
        self._pending = False
        self._pool: Any = None

    def __call__(self, *tensors: Tensor) -> Any:
        """Return the function of the tensors, with gradient."""
        if not torch.is_grad_enabled() or not any(x.requires_grad for x in tensors):
            return self._function(*tensors)
        key = tuple((tuple(x.shape), x.dtype, x.requires_grad) for x in tensors)
        graph = self._graphs.get(key)
        if graph is None and key in self._seen and len(self._graphs) < MAX_GRAPHS:
            graph = self._graphs[key] = self._capture(tensors)
        self._seen.add(key)
        if graph is None or self._pending:
            return self._function(*tensors)
        results = graph(*tensors)
        self._pending = True
        first = results if isinstance(results, Tensor) else results[0]
        first.register_hook(self._backward_begins)
        return results

    def _backward_begins(self, gradient: Tensor) -> None:
        self._pending = False

    def _capture(self, tensors: Sequence[Tensor]) -> Callable[..., Any]:
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        samples = tuple(x.detach().clone().requires_grad_(x.requires_grad) for x in tensors)
        graph: Callable[..., Any] = torch.cuda.make_graphed_callables(
            self._function, samples, pool=self._pool
        )
        return graph
