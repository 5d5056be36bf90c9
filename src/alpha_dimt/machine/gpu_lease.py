"""One GPU per process on a machine: a lease by file lock.

Without a scheduler, trainings that start in parallel would all take the first GPU. Instead, each
takes the first device that no other process holds, and waits if all are held. The lock belongs to
the process: however the process ends, the kernel frees the device. Inside a SLURM job,
CUDA_VISIBLE_DEVICES holds SLURM's choice, which is respected.
"""

import fcntl
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from alpha_dimt.config.training import Device

VISIBLE = "CUDA_VISIBLE_DEVICES"
WAIT_SECONDS = 1.0


def visible_devices(environment: Mapping[str, str], query: Callable[[], list[str]]) -> list[str]:
    """Return the devices that this process may use, as CUDA_VISIBLE_DEVICES names them.

    Args:
        environment: the environment of the process.
        query: returns all devices of the machine; called if the environment names none.
    """
    if VISIBLE not in environment:
        return query()
    names = [name.strip() for name in environment[VISIBLE].split(",")]
    # As in CUDA, an invalid device hides all those after it.
    stop = next((i for i, name in enumerate(names) if name in ("", "-1")), len(names))
    return names[:stop]


def machine_devices() -> list[str]:
    """Return the UUIDs of this machine's GPUs; none without NVIDIA's driver."""
    try:
        found = subprocess.run(
            ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return []
    return found.stdout.split()


def lock_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of this user's locks, per SLURM job: each numbers its devices from 0."""
    name = f"alpha-dimt-devices-{os.getuid()}"
    if "SLURM_JOB_ID" in environment:
        name += f"-job{environment['SLURM_JOB_ID']}"
    return Path(tempfile.gettempdir()) / name


def take_first_free(devices: Sequence[str], folder: Path) -> tuple[str, IO[str]] | None:
    """Return the first free device and its lock, held until closed; None if no device is free."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for device in devices:
        lock = (folder / device.replace("/", "_")).open("w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return device, lock
    return None


@contextmanager
def lease(wanted: Device) -> Iterator[str | None]:
    """Give this process one GPU of its own; wait until one is free.

    Yields its name, or None if the CPU is wanted or no GPU is visible. Enter it before PyTorch
    first queries devices: CUDA reads the environment once.
    """
    devices = [] if wanted == "cpu" else visible_devices(os.environ, machine_devices)
    if not devices:
        yield None
        return
    folder = lock_folder(os.environ)
    taken = take_first_free(devices, folder)
    if taken is None:
        print(f"GPUs {', '.join(devices)}: all are in use; waiting for one", flush=True)
    while taken is None:
        time.sleep(WAIT_SECONDS)
        taken = take_first_free(devices, folder)
    device, lock = taken
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = device
    print(f"GPU {device} of {', '.join(devices)}", flush=True)
    try:
        yield device
    finally:
        lock.close()
        if before is None:
            del os.environ[VISIBLE]
        else:
            os.environ[VISIBLE] = before
