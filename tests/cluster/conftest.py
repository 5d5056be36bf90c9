from collections.abc import Iterator
from pathlib import Path

import one_node
import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slurm)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[one_node.Slurm]:
    """A real SLURM of one node with two make-believe GPUs."""
    if reason := one_node.why_not():
        pytest.skip(reason)
    with one_node.one_node(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster
