"""The device to compute on; GPUs are simulated by PyTorch's functions that describe them."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from every_objective import every_objective

from alpha_dimt.core.errors import UserError
from alpha_dimt.machine.device import choose_device
from alpha_dimt.machine.given import VISIBLE

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
H100_WHEEL = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")
WAY_OUT = "or use the CPU on purpose (training.device: cpu, or --device cpu)"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside any scheduler, with no choice of devices."""
    names = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "SLURM_GPUS_ON_NODE")
    for name in (VISIBLE, "ALPHA_DIMT_TRAININGS_PER_GPU", *names):
        monkeypatch.delenv(name, raising=False)


def install(
    monkeypatch: pytest.MonkeyPatch,
    *,
    cuda: str | None,
    capability: tuple[int, int] | None = None,
    architectures: Sequence[str] = H100_WHEEL,
    failure: str = "Found no NVIDIA driver on your system. Please check that you have one",
) -> None:
    """Install a PyTorch, and a GPU unless its capability is None."""

    def init() -> None:
        raise RuntimeError(failure)

    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: list(architectures))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla V100")


def refused(wanted: str) -> str:
    """Return the sentence that refuses a device."""
    with pytest.raises(UserError) as refusal:
        choose_device(wanted)
    sentence = str(refusal.value)
    assert "\n" not in sentence
    return sentence


def test_a_machine_without_a_gpu_computes_on_its_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for cuda in (None, "13.0"):
        install(monkeypatch, cuda=cuda)
        assert choose_device("auto") == CPU
        assert choose_device("cpu") == CPU
        assert refused("cuda").startswith("training.device: cuda is requested, but no GPU can be")


def test_a_gpu_that_works_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, cuda="13.0", capability=(9, 0))
    for value in (None, "0"):
        if value:
            monkeypatch.setenv(VISIBLE, value)
        assert choose_device("auto") == CUDA
        assert choose_device("cuda") == CUDA
        assert choose_device("cpu") == CPU


@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_a_given_gpu_and_a_pytorch_for_the_cpu(
    monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    install(monkeypatch, cuda=None, architectures=())
    monkeypatch.setenv(VISIBLE, "0")

    sentence = refused(wanted)

    assert sentence.startswith("CUDA_VISIBLE_DEVICES=0: a GPU was given, but it cannot be used: ")
    assert "is built for the CPU only; " in sentence
    assert sentence.endswith(WAY_OUT)
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_a_given_gpu_and_an_old_driver(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    too_old = (
        "The NVIDIA driver on your system is too old (found version 12040). Please update your GPU "
        "driver by downloading and installing a new version from the URL: http://www.nvidia.com/"
    )
    install(monkeypatch, cuda="13.0", failure=too_old)
    monkeypatch.setenv(VISIBLE, "GPU-8f3a")

    sentence = refused(wanted)

    reason = "(The NVIDIA driver on your system is too old (found version 12040)); install "
    assert f"is built for CUDA 13.0 and finds none {reason}" in sentence
    assert sentence.endswith(WAY_OUT)


@pytest.mark.parametrize("value", [None, "0"])
@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_a_gpu_that_the_wheel_has_no_kernels_for(
    monkeypatch: pytest.MonkeyPatch, wanted: str, value: str | None
) -> None:
    install(monkeypatch, cuda="13.0", capability=(7, 0))
    if value:
        monkeypatch.setenv(VISIBLE, value)

    sentence = refused(wanted)

    assert "has no kernels for Tesla V100 (compute capability 7.0), only for sm_75, " in sentence
    assert sentence.endswith(WAY_OUT)


@pytest.mark.parametrize("value", ["", "-1", "NoDevFiles"])
def test_devices_that_were_hidden_are_not_given(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    install(monkeypatch, cuda="13.0")
    monkeypatch.setenv(VISIBLE, value)
    assert choose_device("auto") == CPU


@pytest.mark.parametrize("job", ["SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID"])
def test_a_job_leaves_the_gpus_of_others_alone(monkeypatch: pytest.MonkeyPatch, job: str) -> None:
    install(monkeypatch, cuda="13.0", capability=(9, 0))
    monkeypatch.setenv(job, "12")

    assert choose_device("auto") == CPU
    assert "job 12 was given no GPU (CUDA_VISIBLE_DEVICES is not set); ask" in refused("cuda")

    monkeypatch.setenv(VISIBLE, "0")
    assert choose_device("auto") == CUDA


@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_a_job_whose_gpu_is_not_named(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    install(monkeypatch, cuda="13.0", capability=(9, 0))
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURM_GPUS_ON_NODE", "1")

    assert refused(wanted).startswith("SLURM_GPUS_ON_NODE=1: SLURM job 12 was given a GPU, but ")


def test_a_shared_gpu_has_a_limit_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, cuda="13.0", capability=(9, 0))
    limits: list[float] = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", limits.append)

    choose_device("auto")
    assert limits == []

    monkeypatch.setenv("ALPHA_DIMT_TRAININGS_PER_GPU", "4")
    choose_device("auto")
    assert limits == [0.9 / 4]


def test_a_gpu_computes_as_exactly_as_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, cuda="13.0", capability=(9, 0))
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    flags = [
        (matmul, "allow_tf32"),
        (matmul, "allow_bf16_reduced_precision_reduction"),
        (cudnn, "allow_tf32"),
        (cudnn, "benchmark"),
    ]
    for owner, name in flags:
        setattr(owner, name, True)
    cudnn.deterministic = False
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)

    choose_device("cpu")
    assert all(getattr(owner, name) for owner, name in flags)

    choose_device("auto")
    assert not any(getattr(owner, name) for owner, name in flags)
    assert cudnn.deterministic
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_a_training_that_was_given_an_unusable_gpu_is_refused_before_it_reads(
    tmp_path: Path,
) -> None:
    config = tmp_path / "config.json"
    run = every_objective().run_config("ml", 1)
    config.write_text(run.canonical_json(), encoding="utf-8")
    if torch.version.cuda or torch.version.hip:
        pytest.skip("this PyTorch is built for GPUs")
    folders = [f"--{name}={tmp_path}" for name in ("encoded", "state", "out")]
    command = [sys.executable, "-m", "alpha_dimt", "train", "--config", str(config), *folders]
    result = subprocess.run(
        [*command, "--threads", "1"],
        capture_output=True,
        text=True,
        env=os.environ | {VISIBLE: "0"},
    )

    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: CUDA_VISIBLE_DEVICES=0: a GPU was given, but it cannot be used")
    assert list(tmp_path.iterdir()) == [config]


KEEPS = """
import torch
from alpha_dimt.machine.device import LARGEST_KEPT, use_threads

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

use_threads(1)
for size in (LARGEST_KEPT // 2, 4 * LARGEST_KEPT):
    array = torch.ones(size, dtype=torch.uint8)
    held = resident()
    del array
    print(round((held - resident()) / size))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's settings are for Linux")
def test_freed_arrays_are_kept_but_for_the_largest() -> None:
    command = [sys.executable, "-c", KEEPS]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["0", "1"]
