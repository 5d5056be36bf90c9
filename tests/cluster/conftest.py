from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import slurm_cluster
from slurm_cluster import Slurm


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slurm)
            item.add_marker(pytest.mark.slow)


# A machine can have one cluster at a time: each ends with the file of tests that uses it, and the
# next waits for that, even in another process.
@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A real SLURM of one node with two simulated GPUs."""
    yield from started(tmp_path_factory.mktemp("slurm"))


@pytest.fixture(scope="module")
def two_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A real SLURM of two nodes with a simulated GPU each, which keeps accounts."""
    yield from started(tmp_path_factory.mktemp("two-nodes"), nodes=2, accounting=True)


def started(folder: Path, **kind: Any) -> Iterator[Slurm]:
    if reason := slurm_cluster.why_not(**kind):
        pytest.skip(reason)
    with slurm_cluster.cluster(folder, **kind) as cluster:
        yield cluster
