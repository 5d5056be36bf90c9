import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alpha_dimt.core.errors import UserError
from alpha_dimt.machine import gpu_lease
from alpha_dimt.machine.given import AMD_VISIBLE, VISIBLE, Job
from alpha_dimt.machine.gpu_lease import built_for_gpus, lease, lock_folder, take_first_free

HOLDER = """
import sys, time
from alpha_dimt.machine import gpu_lease
gpu_lease.built_for_gpus = lambda: True
with gpu_lease.lease("auto") as device:
    print("has", device, file=sys.stderr, flush=True)
    time.sleep(60)
"""
JOBS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "SGE_O_HOST", "SLURM_GPUS_ON_NODE")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with its own lock folder and programs, and a PyTorch that is built for GPUs."""
    for name in (VISIBLE, *AMD_VISIBLE, "ALPHA_DIMT_TRAININGS_PER_GPU", *JOBS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "locks"))
    (tmp_path / "locks").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(gpu_lease, "built_for_gpus", lambda: True)
    return tmp_path


@pytest.fixture
def two_gpus(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VISIBLE, "0,1")
    return machine / "locks"


def install_driver(machine: Path, script: str = "printf 'GPU-8f3a\\nGPU-11c0\\n'") -> None:
    driver = machine / "bin/nvidia-smi"
    driver.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    driver.chmod(0o755)


Hold = Callable[[], tuple[subprocess.Popen[str], str]]


@pytest.fixture
def hold(two_gpus: Path) -> Iterator[Hold]:
    """Start a process that leases a device; return it and what it says."""
    processes = []

    def start() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER], stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process, said(process)

    yield start
    for process in processes:
        process.kill()
        process.wait()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    return process.stderr.readline().strip()


@given(count=st.integers(1, 8), takers=st.integers(0, 12), shares=st.integers(1, 3))
def test_no_share_is_given_twice(
    tmp_path_factory: pytest.TempPathFactory, count: int, takers: int, shares: int
) -> None:
    folder = tmp_path_factory.mktemp("locks")
    names = [f"GPU-{number}" for number in range(count)]

    taken = [take_first_free(names, folder, shares) for _ in range(takers)]

    # Every device has one process before any has two.
    assert [one[0] for one in taken if one] == (names * shares)[:takers]
    for one in taken:
        if one:
            one[1].close()
    assert takers == 0 or take_first_free(names, folder, shares) is not None


def test_processes_side_by_side_get_a_device_each(hold: Hold) -> None:
    assert [hold()[1], hold()[1]] == ["GPU 0 of 0, 1", "GPU 1 of 0, 1"]


def test_a_third_process_waits_until_one_is_killed(hold: Hold) -> None:
    first, _ = hold()
    hold()
    third, message = hold()
    assert message == "GPUs 0, 1: all are in use; waiting for one (--device cpu does not)"
    time.sleep(0.2)
    assert third.poll() is None

    first.send_signal(signal.SIGKILL)

    assert said(third) == "GPU 0 of 0, 1"


def test_several_trainings_share_a_gpu(hold: Hold, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "3")
    monkeypatch.setenv("ALPHA_DIMT_TRAININGS_PER_GPU", "2")
    first, message = hold()
    assert message == "GPU 3 of 3, 1/2 of it"
    assert hold()[1] == message
    third, waits = hold()
    assert "all are in use" in waits

    first.send_signal(signal.SIGKILL)

    assert said(third) == message


def test_a_senseless_number_of_shares_is_refused(
    two_gpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHA_DIMT_TRAININGS_PER_GPU", "half")
    with pytest.raises(UserError, match="ALPHA_DIMT_TRAININGS_PER_GPU=half: "), lease("auto"):
        pass


def test_cuda_sees_the_leased_device_alone(hold: Hold) -> None:
    hold()

    with lease("auto") as device:
        assert (device, os.environ[VISIBLE]) == ("1", "1")
    assert os.environ[VISIBLE] == "0,1"


def test_the_cpu_needs_no_lease(two_gpus: Path) -> None:
    with lease("cpu") as device:
        assert device is None
    assert not list(two_gpus.iterdir())


@pytest.mark.parametrize("value", ["", "-1", "NoDevFiles"])
def test_where_no_device_was_given_none_is_taken(
    machine: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    install_driver(machine)
    monkeypatch.setenv(VISIBLE, value)

    with lease("auto") as device:
        assert (device, os.environ[VISIBLE]) == (None, value)
    assert not list((machine / "locks").iterdir())


@pytest.mark.parametrize("job", ["SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID"])
def test_a_job_without_gpus_takes_none_of_the_machine(
    machine: Path, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    install_driver(machine)
    monkeypatch.setenv(job, "12")

    with lease("auto") as device:
        assert device is None
    assert VISIBLE not in os.environ


def test_a_pytorch_for_the_cpu_leases_nothing(
    two_gpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_lease, "built_for_gpus", built_for_gpus)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)

    with lease("auto") as device:
        assert (device, os.environ[VISIBLE]) == (None, "0,1")
    assert not list(two_gpus.iterdir())


def test_the_driver_names_the_devices(machine: Path) -> None:
    install_driver(machine)

    with lease("auto") as device:
        assert (device, os.environ[VISIBLE]) == ("GPU-8f3a", "GPU-8f3a")
    assert VISIBLE not in os.environ


def test_a_machine_without_gpus_needs_no_lease(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_lease, "_has_driver", lambda: False)
    monkeypatch.setattr(gpu_lease, "COUNT", "print(2)")  # not asked: it takes seconds

    with lease("auto") as device:
        assert device is None


@pytest.mark.parametrize("installed", [True, False], ids=["it fails", "it is missing"])
def test_in_a_container_without_nvidia_smi_pytorch_counts(
    machine: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    if installed:
        install_driver(machine, "exit 9")
    monkeypatch.setattr(gpu_lease, "_has_driver", lambda: True)
    monkeypatch.setattr(gpu_lease, "COUNT", "print(2)")

    assert gpu_lease.machine_devices() == ["0", "1"]
    with lease("auto") as device:
        assert (device, os.environ[VISIBLE]) == ("0", "0")


def test_a_pytorch_that_cannot_count_sees_none(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_lease, "_has_driver", lambda: True)
    monkeypatch.setattr(gpu_lease, "COUNT", "raise RuntimeError('driver')")
    assert gpu_lease.machine_devices() == []


def test_pytorch_is_really_asked() -> None:
    result = subprocess.run([sys.executable, "-c", gpu_lease.COUNT], capture_output=True, text=True)
    assert result.stdout == f"{torch.cuda.device_count()}\n"


def test_amds_devices_are_counted_and_named_by_number(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "hip", "7.2")
    monkeypatch.setattr(gpu_lease, "COUNT", "print(1)")
    with lease("auto"):
        assert os.environ[VISIBLE] == "0"

    monkeypatch.setenv("ROCR_VISIBLE_DEVICES", "2,3")
    with lease("auto"):
        assert os.environ["ROCR_VISIBLE_DEVICES"] == "2"
        assert VISIBLE not in os.environ


def test_two_jobs_may_both_call_their_device_0(tmp_path: Path) -> None:
    assert lock_folder(Job("SLURM", "1")) != lock_folder(Job("SLURM", "2"))
    assert lock_folder(Job("PBS", "1[2].server/a")).parent == lock_folder(None).parent
