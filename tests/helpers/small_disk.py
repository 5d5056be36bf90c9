"""A small file system, to test a full disk."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest


@dataclass(frozen=True)
class SmallDisk:
    """A file system in memory, mounted at a folder."""

    folder: Path

    @classmethod
    @contextmanager
    def mounted(cls, folder: Path, size: str = "8m") -> Iterator[Self]:
        """Mount it; skip the test if mounting is not allowed."""
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a small file system can only be mounted by root, outside most containers")
        try:
            yield cls(folder)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)

    @property
    def _filling(self) -> Path:
        return self.folder / ".filling"

    def fill(self, leave: int) -> None:
        """Fill it except for some bytes."""
        self._filling.write_bytes(bytes(shutil.disk_usage(self.folder).free - leave))

    def empty(self) -> None:
        """Free the space again."""
        self._filling.unlink()

    def read_only(self) -> None:
        """Make it read-only, even for root."""
        command = ["mount", "-o", "remount,ro", str(self.folder)]
        subprocess.run(command, check=True, capture_output=True)
