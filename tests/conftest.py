from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder that holds the Snakefile."""
    return Path(__file__).parents[1]
