import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import pytest
from no_gpu import hide_gpus
from small_disk import SmallDisk

# One thread for each process of a test run. Read when PyTorch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure(config: pytest.Config) -> None:
    hide_gpus(config.option.markexpr)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder that holds the Snakefile."""
    return Path(__file__).parents[1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A file system of eight megabytes; the test is skipped with a message if mounting fails."""
    with SmallDisk.mounted(tmp_path / "small") as disk:
        yield disk


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser for all tests that look at pages; a process can have one alone."""
    with browser.started() as found:
        yield found
