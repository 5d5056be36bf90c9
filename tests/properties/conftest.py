import pytest
from exact import Exact
from torch import Tensor


@pytest.fixture(scope="session")
def exact() -> Exact:
    return Exact()


@pytest.fixture(scope="session")
def log_p(exact: Exact) -> Tensor:
    """Values only; gradients need a new graph."""
    return exact.log_p().detach()
