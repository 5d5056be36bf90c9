"""Check PyTorch and the GPUs: each computes a small product, which is compared with the CPU's."""

import os
from collections.abc import Iterator

import torch

from alpha_dimt.core.errors import UserError
from alpha_dimt.machine.device import choose_device, choose_dtype
from alpha_dimt.machine.finding import Finding, State
from alpha_dimt.machine.given import given_devices
from alpha_dimt.machine.gpu import build, driver_cuda, no_kernels, product_is_right, sees_none
from alpha_dimt.machine.gpu_lease import built_for_gpus, machine_devices

FEATURES = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16")
ANOTHER_BUILD = "install a driver and a build of PyTorch that fit (docs/how-to/gpu.md)"


def examine_pytorch() -> Iterator[Finding]:
    """Check PyTorch's build, the precision that `auto` chooses, and every GPU."""
    architectures = ", ".join(torch.cuda.get_arch_list())
    kernels = f", with kernels for {architectures}" if architectures else ""
    yield Finding("PyTorch", "ok", build().removeprefix("PyTorch ") + kernels)
    try:
        device = choose_device("auto")
    except UserError as error:
        yield Finding("CUDA", "missing", str(error))
        device = torch.device("cpu")
    else:
        yield cuda(device)
    yield precision(device)
    for number in range(torch.cuda.device_count() if device.type == "cuda" else 0):
        yield gpu(number)


def precision(device: torch.device) -> Finding:
    """Return the precision that `auto` chooses."""
    name = str(choose_dtype("auto", device)).removeprefix("torch.")
    capabilities = torch.cpu.get_capabilities()
    features = ", ".join(feature for feature in FEATURES if capabilities.get(feature))
    has = features or "no vector instructions that PyTorch names"
    return Finding("precision", "ok", f"auto is {name} on {device.type}; the processor has {has}")


def cuda(device: torch.device) -> Finding:
    """Check whether GPUs are used, and whether PyTorch is built for those that are not."""
    version = driver_cuda()
    driver = f"the driver serves CUDA {version}" if version else "no NVIDIA driver"
    if device.type == "cuda":
        return Finding("CUDA", "ok", f"{torch.cuda.device_count()} visible; {driver}")
    choice = given_devices(os.environ, rocm=torch.version.hip is not None).devices
    if choice is None and machine_devices():
        state: State = "missing" if built_for_gpus() else "warning"  # only the former is leased
        return Finding("CUDA", state, f"there is a GPU, but {sees_none()}: {ANOTHER_BUILD}")
    return Finding("CUDA", "optional", f"no GPU was given; training runs on the CPU; {driver}")


def gpu(number: int) -> Finding:
    """Compute on one GPU, in the precisions that it has."""
    name = f"GPU {number}"
    properties = torch.cuda.get_device_properties(number)
    detail = (
        f"{properties.name}, compute capability {properties.major}.{properties.minor}, "
        f"{properties.total_memory / 2**30:.0f} GiB"
    )
    if reason := no_kernels(number):
        return Finding(name, "missing", f"{detail}: {reason}: {ANOTHER_BUILD}")
    dtypes = [torch.float32]
    if torch.cuda.is_bf16_supported(including_emulation=False):
        dtypes.append(torch.bfloat16)
    for dtype in dtypes:
        what = str(dtype).removeprefix("torch.")
        try:
            right = product_is_right(torch.device("cuda", number), dtype)
        except RuntimeError as error:
            reason = str(error).strip().split("\n")[0]
            return Finding(
                name, "missing", f"{detail}: a product in {what} failed ({reason}): {ANOTHER_BUILD}"
            )
        if not right:
            return Finding(
                name,
                "missing",
                f"{detail}: a product in {what} is wrong: hide this GPU (CUDA_VISIBLE_DEVICES) and "
                "have it checked",
            )
    computed = " and ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
    return Finding(name, "ok", f"{detail}; right products in {computed}")
