"""One GPU per process on a machine, or one share of a GPU: a lease by file lock.

Without a scheduler, trainings that start in parallel would all take the first GPU. Instead, each
takes the first device that no other process holds, and waits if all are held. The lock belongs to
the process: however the process ends, the kernel frees the device. Inside a job of a scheduler, the
choice is among the devices that the job was given.
"""

import ctypes
import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import torch

from alpha_dimt.config.training import Device
from alpha_dimt.machine.given import Job, given_devices, job_of
from alpha_dimt.machine.shares import shares_of

WAIT_SECONDS = 1.0
COUNT = "import torch; print(torch.cuda.device_count())"


def built_for_gpus() -> bool:
    """Return whether this PyTorch can use GPUs at all; initialises nothing."""
    return torch.version.cuda is not None or torch.version.hip is not None


def machine_devices() -> list[str]:
    """Return names of all GPUs of this machine: UUIDs, or numbers where nvidia-smi is missing."""
    try:
        found = subprocess.run(
            ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return [str(number) for number in range(counted_devices())]
    return found.stdout.split()


def counted_devices() -> int:
    """Return how many GPUs PyTorch sees; AMD's, or those of a container without nvidia-smi.

    Another process counts them: CUDA would read CUDA_VISIBLE_DEVICES in this one, once for all.
    """
    if torch.version.hip is None and not _has_driver():
        return 0
    result = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True)
    return int(result.stdout) if result.returncode == 0 else 0


def _has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")  # loading it initialises nothing
    except OSError:
        return False
    return True


def leasable_devices(environment: Mapping[str, str]) -> tuple[str, Sequence[str]]:
    """Return the variable that names devices, and the devices that this process may take."""
    given = given_devices(environment, rocm=torch.version.hip is not None)
    if not built_for_gpus():
        return given.variable, ()
    return given.variable, machine_devices() if given.devices is None else given.devices


def lock_folder(job: Job | None) -> Path:
    """Return the folder of this user's locks, per job: each may number its devices from 0."""
    name = f"alpha-dimt-devices-{os.getuid()}"
    if job is not None:
        name += f"-{job}".replace(" ", "-").replace("/", "_")
    return Path(tempfile.gettempdir()) / name


def take_first_free(
    devices: Sequence[str], folder: Path, shares: int = 1
) -> tuple[str, IO[str]] | None:
    """Return the first free device and its lock, held until closed; None if no device is free.

    Args:
        devices: names of the devices.
        folder: folder of the locks.
        shares: number of processes that may hold a device; the next device comes before the next
            share.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    for share in range(shares):
        for device in devices:
            name = device.replace("/", "_") + (f".{share}" if share else "")
            lock = (folder / name).open("w", encoding="utf-8")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
            else:
                return device, lock
    return None


@contextmanager
def lease(wanted: Device) -> Iterator[str | None]:
    """Give this process one GPU, or a share of one; wait until one is free.

    Yields its name, or None if the CPU is wanted or there is no GPU that this process may use.
    Enter it before PyTorch first queries devices: CUDA reads the environment once.

    Raises:
        UserError: ALPHA_DIMT_TRAININGS_PER_GPU is not a number of processes.
    """
    variable, devices = leasable_devices(os.environ) if wanted != "cpu" else ("", ())
    if not devices:
        yield None
        return
    shares = shares_of(os.environ)
    folder = lock_folder(job_of(os.environ))
    taken = take_first_free(devices, folder, shares)
    if taken is None:
        _say(f"GPUs {', '.join(devices)}: all are in use; waiting for one (--device cpu does not)")
    while taken is None:
        time.sleep(WAIT_SECONDS)
        taken = take_first_free(devices, folder, shares)
    device, lock = taken
    before = os.environ.get(variable)
    os.environ[variable] = device
    _say(f"GPU {device} of {', '.join(devices)}" + (f", 1/{shares} of it" if shares > 1 else ""))
    try:
        yield device
    finally:
        lock.close()
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


def _say(message: str) -> None:
    # Not on standard output, where `translate` writes translations.
    print(message, file=sys.stderr, flush=True)
