"""Products that are expensive to make, shared by the processes of a test run."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a copy of a folder; whichever process asks first makes it, the others wait.

    The copy is this process's own: what its tests do to it disturbs no other process.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    original, done = root / name, root / f"{name}.done"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(original, ignore_errors=True)
            original.mkdir()
            make(original)
            done.touch()
    return shutil.copytree(original, factory.mktemp(name) / name, symlinks=True)
