"""What PyTorch can do with a GPU, told from its build and the device's numbers."""

import pytest
import torch

from alpha_dimt.machine.gpu import build, driver_cuda, has_kernels, product_is_right

CU126 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")
CU130 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")


@pytest.mark.parametrize(
    ("capability", "architectures", "has"),
    [
        ((7, 0), CU130, False),  # V100
        ((7, 0), CU126, True),
        ((6, 1), CU126, True),  # machine code for 6.0 runs on 6.1
        ((6, 1), CU130, False),
        ((7, 5), CU130, True),  # T4
        ((8, 0), CU130, True),  # A100
        ((8, 9), CU130, True),  # L4: machine code for 8.6
        ((9, 0), CU130, True),  # H100, H200
        ((10, 0), CU130, True),  # B200
        ((10, 0), CU126, False),
        ((12, 0), CU126, False),
        ((12, 0), (*CU126, "compute_90"), True),  # PTX is compiled when it is loaded
        ((8, 0), ("sm_86",), False),  # machine code does not run on an older device
        ((7, 0), ("compute_75",), False),
        ((9, 0), ("sm_90a",), True),
        ((10, 3), ("sm_100a",), False),
        ((10, 3), ("sm_100f",), True),
        ((7, 0), (), True),  # not known
    ],
)
def test_kernels_fit_a_device(
    capability: tuple[int, int], architectures: tuple[str, ...], has: bool
) -> None:
    assert has_kernels(capability, architectures) is has


def test_a_build_says_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    assert build() == f"PyTorch {torch.__version__} is built for the CPU only"
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert build().endswith("is built for CUDA 13.0")
    monkeypatch.setattr(torch.version, "hip", "7.2")
    assert build().endswith("is built for ROCm 7.2")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_product_is_compared_with_the_cpus(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    assert product_is_right(torch.device("cpu"), dtype)
    equal = torch.equal
    monkeypatch.setattr(torch, "equal", lambda one, other: equal(one, other + 1))
    assert not product_is_right(torch.device("cpu"), dtype)


def test_without_a_driver_there_is_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", missing)
    assert driver_cuda() is None


def test_the_drivers_version_is_a_number_of_thousands(monkeypatch: pytest.MonkeyPatch) -> None:
    class Driver:
        def __init__(self, name: str) -> None:
            pass

        def cuDriverGetVersion(self, version) -> int:
            version._obj.value = 12040
            return 0

    monkeypatch.setattr("ctypes.CDLL", Driver)
    assert driver_cuda() == "12.4"
