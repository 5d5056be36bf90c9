import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha_dimt.machine import gpu_lease
from alpha_dimt.machine.gpu_lease import lease, lock_folder, take_first_free, visible_devices

HOLDER = """
import sys, time
from alpha_dimt.machine.gpu_lease import lease
with lease("auto") as device:
    time.sleep(60)
"""


def never_asked() -> list[str]:
    raise AssertionError("the environment chooses; the machine is not asked")


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with two simulated devices and its own lock folder."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return tmp_path


@pytest.fixture
def hold(two_gpus: Path):
    """Start a process that leases a device; return it and the device that it prints."""
    processes = []

    def start() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout
        return process, process.stdout.readline().strip()

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("", []),
        ("-1", []),
        ("0", ["0"]),
        ("2, 0", ["2", "0"]),
        ("GPU-8f3a,GPU-11c0", ["GPU-8f3a", "GPU-11c0"]),
        ("0,-1,1", ["0"]),
    ],
)
def test_the_environment_chooses_as_cuda_reads_it(value: str, names: list[str]):
    assert visible_devices({"CUDA_VISIBLE_DEVICES": value}, never_asked) == names


def test_without_a_choice_all_devices_of_the_machine():
    assert visible_devices({}, lambda: ["GPU-a", "GPU-b"]) == ["GPU-a", "GPU-b"]


@given(count=st.integers(1, 8), takers=st.integers(0, 12))
def test_no_device_is_given_twice(tmp_path_factory, count: int, takers: int):
    folder = tmp_path_factory.mktemp("locks")
    names = [f"GPU-{number}" for number in range(count)]

    taken = [take_first_free(names, folder) for _ in range(takers)]

    given = [one[0] for one in taken if one]
    assert given == names[:takers]
    for one in taken:
        if one:
            one[1].close()
    assert takers == 0 or take_first_free(names, folder) is not None


def test_processes_side_by_side_get_a_device_each(hold):
    assert [hold()[1], hold()[1]] == ["GPU 0 of 0, 1", "GPU 1 of 0, 1"]


def test_a_third_process_waits_until_one_is_killed(hold, capsys: pytest.CaptureFixture[str]):
    first, _ = hold()
    hold()
    third, said = hold()
    assert said == "GPUs 0, 1: all are in use; waiting for one"
    time.sleep(0.2)
    assert third.poll() is None

    first.send_signal(signal.SIGKILL)

    assert third.stdout.readline().strip() == "GPU 0 of 0, 1"


def test_cuda_sees_the_leased_device_alone(two_gpus: Path, hold):
    hold()

    with lease("auto") as device:
        assert (device, os.environ["CUDA_VISIBLE_DEVICES"]) == ("1", "1")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_the_cpu_needs_no_lease(two_gpus: Path):
    with lease("cpu") as device:
        assert device is None
    assert not list(two_gpus.iterdir())


def test_a_machine_without_gpus_needs_no_lease(
    two_gpus: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", str(tmp_path))

    with lease("auto") as device:
        assert device is None


def test_the_driver_names_the_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\nprintf 'GPU-8f3a\\nGPU-11c0\\n'\n", encoding="utf-8")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert gpu_lease.machine_devices() == ["GPU-8f3a", "GPU-11c0"]


def test_two_jobs_of_slurm_may_both_call_their_device_0():
    assert lock_folder({"SLURM_JOB_ID": "1"}) != lock_folder({"SLURM_JOB_ID": "2"})
