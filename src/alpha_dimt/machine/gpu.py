"""What PyTorch can do with the GPUs of this machine."""

import ctypes
import re
import warnings
from collections.abc import Sequence

import torch

SIDE = 64


def build() -> str:
    """Return the version of PyTorch, and what it is built for."""
    if torch.version.hip is not None:
        target = f"ROCm {torch.version.hip}"
    elif torch.version.cuda is not None:
        target = f"CUDA {torch.version.cuda}"
    else:
        target = "the CPU only"
    return f"PyTorch {torch.__version__} is built for {target}"


def driver_cuda() -> str | None:
    """Return the newest CUDA version that NVIDIA's driver serves; None without the driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        version = ctypes.c_int()
        failed = driver.cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return None
    return None if failed else f"{version.value // 1000}.{version.value % 1000 // 10}"


def has_kernels(capability: tuple[int, int], architectures: Sequence[str]) -> bool:
    """Return whether a build of PyTorch has kernels for a device.

    Machine code (sm_86) runs on devices of the same generation that are not older; PTX
    (compute_86) is compiled for any device that is not older. A letter after the number restricts
    both to that architecture (a) or its family (f).

    Args:
        capability: compute capability of the device.
        architectures: what PyTorch was built for; empty if that is not known.
    """
    return not architectures or any(_runs(capability, name) for name in architectures)


def _runs(capability: tuple[int, int], architecture: str) -> bool:
    kind, _, version = architecture.partition("_")
    digits = version.rstrip("af")
    built = (int(digits[:-1]), int(digits[-1]))
    if version.endswith("a"):
        return capability == built
    if kind == "compute":
        return capability >= built
    return capability[0] == built[0] and capability >= built


def no_kernels(device: int) -> str | None:
    """Return why PyTorch has no kernels for a device that it sees; None if it has some."""
    architectures = torch.cuda.get_arch_list()
    if torch.version.hip is not None or not architectures:  # AMD numbers its devices otherwise
        return None
    capability = torch.cuda.get_device_capability(device)
    if has_kernels(capability, architectures):
        return None
    return (
        f"{build()} and has no kernels for {torch.cuda.get_device_name(device)} (compute "
        f"capability {capability[0]}.{capability[1]}), only for {', '.join(architectures)}"
    )


def sees_none() -> str | None:
    """Return why PyTorch sees no GPU; None if it sees one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reason is told in our words
        if torch.cuda.is_available():
            return None
        if torch.version.cuda is None and torch.version.hip is None:
            return build()
        try:
            torch.cuda.init()  # type: ignore[no-untyped-call]
        except (AssertionError, RuntimeError) as error:
            # The first sentence; others give advice for users of PyTorch.
            reason = re.split(r"\n|\.(?: (?=[A-Z])|$)", str(error).strip())[0]
            return f"{build()} and finds none ({reason})"
    return f"{build()} and finds none"


def unusable() -> str | None:
    """Return why PyTorch cannot compute on the first GPU that it may use; None if it can."""
    reason = sees_none()
    if reason is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reason = no_kernels(0)
    return reason


def product_is_right(device: torch.device, dtype: torch.dtype) -> bool:
    """Multiply two small matrices on a device, and compare the product with the CPU's.

    The factors are -1, 0 and 1, so that every sum is exact in any precision.

    Raises:
        RuntimeError: the device cannot compute.
    """
    numbers = torch.arange(SIDE * SIDE).view(SIDE, SIDE)
    left, right = numbers % 3 - 1, numbers % 7 % 3 - 1
    product = left.to(device, dtype) @ right.to(device, dtype)
    expected = (left.double() @ right.double()).float()
    return torch.equal(product.float().cpu(), expected)
