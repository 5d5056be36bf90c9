import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder that holds the Snakefile."""
    return Path(__file__).parents[1]


class SmallDisk:
    """A file system in memory that can be filled, and made read-only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self, *, leave: int) -> None:
        """Take all space but some bytes."""
        free = shutil.disk_usage(self.path).free
        self._filler.write_bytes(bytes(free - leave))

    def free(self) -> None:
        """Give the space back."""
        self._filler.unlink()

    def make_read_only(self) -> None:
        """Refuse to be written from now on, even by root."""
        subprocess.run(["mount", "-o", "remount,ro", str(self.path)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], SmallDisk]]:
    """Mount a disk of so many bytes; skips where this may not be done."""
    mounted: list[Path] = []

    def mount(size: int) -> SmallDisk:
        path = tmp_path / f"disk{len(mounted)}"
        path.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("only root may mount the small disk that this test fills")
        mounted.append(path)
        return SmallDisk(path)

    yield mount
    for path in mounted:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
