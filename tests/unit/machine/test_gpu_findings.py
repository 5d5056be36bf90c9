"""The doctor's checks of GPUs, which are simulated: nothing here has one."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from alpha_dimt.machine import gpu_findings
from alpha_dimt.machine.finding import Finding
from alpha_dimt.machine.gpu_findings import examine_pytorch

Product = Callable[[torch.device, torch.dtype], bool]


@pytest.fixture(autouse=True)
def no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a PyTorch for CUDA 13.0 and GPUs of one kind."""

    def install(product: Product, *, capability: tuple[int, int] = (9, 0), count: int = 1) -> None:
        major, minor = capability
        properties = SimpleNamespace(name="H100", major=major, minor=minor, total_memory=80 * 2**30)
        values = {
            "is_available": lambda: True,
            "device_count": lambda: count,
            "get_arch_list": lambda: ["sm_75", "sm_90"],
            "get_device_capability": lambda device: capability,
            "get_device_name": lambda device: "H100",
            "get_device_properties": lambda device: properties,
            "is_bf16_supported": lambda including_emulation=True: major >= 8,
        }
        monkeypatch.setattr(torch.version, "cuda", "13.0")
        for name, value in values.items():
            monkeypatch.setattr(torch.cuda, name, value)
        monkeypatch.setattr(gpu_findings, "product_is_right", product)
        monkeypatch.setattr(gpu_findings, "driver_cuda", lambda: "13.1")

    return install


def findings() -> dict[str, Finding]:
    return {finding.name: finding for finding in examine_pytorch()}


def test_each_gpu_computes_in_each_of_its_precisions(install: Callable[..., None]) -> None:
    computed = []

    def product(device: torch.device, dtype: torch.dtype) -> bool:
        computed.append((device.index, dtype))
        return True

    install(product, count=2)
    found = findings()

    every = [(device, dtype) for device in (0, 1) for dtype in (torch.float32, torch.bfloat16)]
    assert computed == every
    assert found["GPU 1"].state == "ok"
    assert found["GPU 1"].detail == (
        "H100, compute capability 9.0, 80 GiB; right products in float32 and bfloat16"
    )
    assert found["CUDA"] == Finding("CUDA", "ok", "2 visible; the driver serves CUDA 13.1")
    assert found["PyTorch"].detail.endswith("is built for CUDA 13.0, with kernels for sm_75, sm_90")
    assert found["precision"].detail.startswith("auto is bfloat16 on cuda")


def test_an_older_gpu_is_not_asked_for_bf16(install: Callable[..., None]) -> None:
    install(lambda device, dtype: dtype is torch.float32, capability=(7, 5))
    assert findings()["GPU 0"].detail.endswith("right products in float32")


def test_a_kernel_that_fails_is_missing(install: Callable[..., None]) -> None:
    def product(device: torch.device, dtype: torch.dtype) -> bool:
        raise RuntimeError("CUDA error: an illegal instruction was encountered\nCUDA kernel ...")

    install(product)
    found = findings()["GPU 0"]

    assert found.state == "missing"
    assert "a product in float32 failed (CUDA error: an illegal instruction was enc" in found.detail
    assert found.detail.endswith("docs/how-to/gpu.md)")
    assert "\n" not in found.detail


def test_a_wrong_product_is_missing(install: Callable[..., None]) -> None:
    install(lambda device, dtype: dtype is torch.float32)
    found = findings()["GPU 0"]
    assert found.state == "missing"
    assert "a product in bfloat16 is wrong: hide this GPU" in found.detail


def test_a_gpu_without_kernels_is_missing(install: Callable[..., None]) -> None:
    install(lambda device, dtype: True, capability=(7, 0))
    found = findings()["CUDA"]
    assert found.state == "missing"
    assert "has no kernels for H100 (compute capability 7.0), only for sm_75, sm_90" in found.detail
    assert "training.device: cpu" in found.detail


def test_the_gpus_of_others_are_not_touched(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def product(device: torch.device, dtype: torch.dtype) -> bool:
        raise AssertionError("the job was given no GPU")

    install(product)
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    found = findings()
    assert found["CUDA"].state == "optional"
    assert "GPU 0" not in found


@pytest.mark.parametrize(
    ("cuda", "state", "reason"),
    [
        (None, "warning", "is built for the CPU only"),  # trainings use the CPU
        ("13.0", "missing", "is built for CUDA 13.0 and finds none (driver too old)"),  # refused
    ],
)
def test_a_gpu_that_this_pytorch_cannot_use(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, state: str, reason: str
) -> None:
    def init() -> None:
        raise RuntimeError("driver too old")

    monkeypatch.setattr(gpu_findings, "machine_devices", lambda: ["GPU-8f3a"])
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", init)
    found = findings()["CUDA"]
    assert found.state == state
    assert found.detail.startswith("there is a GPU, but PyTorch ")
    assert f"{reason}: install a driver" in found.detail

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert findings()["CUDA"].state == "optional"


def test_a_machine_without_gpus_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu_findings, "machine_devices", list)
    monkeypatch.setattr(gpu_findings, "driver_cuda", lambda: None)
    assert findings()["CUDA"] == Finding(
        "CUDA", "optional", "no GPU was given; training runs on the CPU; no NVIDIA driver"
    )
