"""What the machine offers: device, precision, threads, memory."""

import ctypes
import os
import platform
import sys
from typing import Any, Literal

import torch

from alpha_dimt.config.training import Device
from alpha_dimt.core.errors import UserError
from alpha_dimt.machine.arithmetic import use_exact_arithmetic
from alpha_dimt.machine.given import given_devices
from alpha_dimt.machine.gpu import unusable
from alpha_dimt.machine.processor import cores, peak_rss_mb, processor
from alpha_dimt.machine.shares import limit_memory, shares_of

ON_PURPOSE = "use the CPU on purpose (training.device: cpu, or --device cpu)"
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
LARGEST_KEPT = 2**25  # bytes; the largest that glibc accepts for M_MMAP_THRESHOLD


def choose_device(wanted: Device) -> torch.device:
    """Return the device to compute on, and prepare this process to use it.

    On a GPU, the process stays within its share of the memory, and computes repeatably in the
    precision that is recorded.

    `auto` is a GPU where there is one. A GPU that was given and cannot be used is an error: days
    of training on the CPU by mistake cost more than a look at a message.

    Raises:
        UserError: a GPU is requested or was given, but PyTorch cannot use it.
    """
    cpu = torch.device("cpu")
    if wanted == "cpu":
        return cpu
    given = given_devices(os.environ, rocm=torch.version.hip is not None)
    if given.unnamed:
        raise UserError(
            f"SLURM_GPUS_ON_NODE={given.unnamed}: {given.job} was given a GPU, but "
            f"{given.variable} does not say which; export it in the job, or {ON_PURPOSE}"
        )
    if given.job and given.variable not in os.environ:  # the GPUs here belong to others
        if wanted == "auto":
            return cpu
        raise UserError(
            f"training.device: cuda is requested, but {given.job} was given no GPU "
            f"({given.variable} is not set); ask the scheduler for one, or set it to auto"
        )
    reason = unusable()
    if reason is None:
        limit_memory(shares_of(os.environ))
        use_exact_arithmetic()
        return torch.device("cuda")
    if given.devices:
        place = (
            f"{given.variable}={os.environ[given.variable]}: a GPU was given, but it cannot be used"
        )
    elif wanted == "cuda":
        place = "training.device: cuda is requested, but no GPU can be used"
    elif torch.cuda.is_available():
        place = "training.device: there is a GPU, but it cannot be used"
    else:
        return cpu
    raise UserError(
        f"{place}: {reason}; install a driver and a build of PyTorch that fit "
        f"(docs/how-to/gpu.md), or {ON_PURPOSE}"
    )


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
    and faults it in again page by page, which costs more than the arithmetic on it. Only the few
    above `LARGEST_KEPT` are returned: their sizes change from batch to batch, and what they leave
    would soon be in pieces that none of them fits.
    """
    torch.set_num_threads(threads)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
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
