"""Copies from the host to a device."""

from collections.abc import Sequence

import torch
from torch import Tensor

ALIGNED = 16
"""Every tensor starts at a multiple of this many bytes, which suits every type."""


def send(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Return CPU tensors on a device, without waiting for it.

    They travel to a CUDA device as one copy from pinned memory, which the host does not wait for.
    On a CPU they are returned as they are.

    Args:
        tensors: CPU tensors of any shapes and types.
        device: where they are wanted.
    """
    if device.type != "cuda":
        return list(tensors)
    sizes = [tensor.numel() * tensor.element_size() for tensor in tensors]
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + -(-size // ALIGNED) * ALIGNED)
    buffer = torch.empty(starts[-1], dtype=torch.uint8, pin_memory=True)
    for tensor, start, size in zip(tensors, starts, sizes, strict=False):
        part = buffer[start : start + size].view(tensor.dtype)
        part.view(tensor.shape).copy_(tensor)
    moved = buffer.to(device, non_blocking=True)
    return [
        moved[start : start + size].view(tensor.dtype).view(tensor.shape)
        for tensor, start, size in zip(tensors, starts, sizes, strict=False)
    ]
