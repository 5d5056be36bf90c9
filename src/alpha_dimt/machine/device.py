"""What the machine offers: device, precision, threads, memory."""

import ctypes
import platform
import sys
from typing import Any, Literal

import torch

from alpha_dimt.config.training import Device
from alpha_dimt.core.errors import UserError
from alpha_dimt.machine.processor import cores, peak_rss_mb, processor

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h


def choose_device(wanted: Device) -> torch.device:
    """Return the device to train on.

    Raises:
        UserError: CUDA is requested but not available.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise UserError(
            "training.device: cuda is requested, but PyTorch sees no CUDA device; set it to auto"
        )
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")


def choose_dtype(wanted: Literal["auto", "fp32", "bf16"], device: torch.device) -> torch.dtype:
    """Return the dtype of matrix products; "auto" is bf16 if the hardware multiplies it."""
    if wanted != "auto":
        return torch.bfloat16 if wanted == "bf16" else torch.float32
    if device.type == "cuda":
        capable = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = torch.cpu.get_capabilities()
        capable = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return torch.bfloat16 if capable else torch.float32


def use_threads(threads: int) -> None:
    """Compute on this many CPU threads, and keep freed memory in the process.

    Large arrays are allocated and freed at every step. By default glibc returns each to the system
    and faults it in again page by page, which costs more than the arithmetic on it.
    """
    torch.set_num_threads(threads)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(M_MMAP_MAX, 0)
            libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def machine(device: torch.device) -> dict[str, Any]:
    """Return the description of the machine that goes with a result."""
    info: dict[str, Any] = {
        "processor": processor(),
        "cores": cores(),
        "system": platform.platform(),
        "device": device.type,
    }
    if device.type == "cuda":
        info["gpu"] = torch.cuda.get_device_name(device)
    return info


def peak_memory_mb(device: torch.device) -> float:
    """Return the peak memory of this process, in MB.

    On a CUDA device this is the memory allocated by PyTorch, on a CPU the resident memory.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return peak_rss_mb()
