import pytest
from exact import ATTENTION_RNN, TRANSFORMER, Exact
from torch import Tensor


@pytest.fixture(scope="session", params=[ATTENTION_RNN, TRANSFORMER], ids=lambda model: model.kind)
def exact(request: pytest.FixtureRequest) -> Exact:
    return Exact(request.param)


@pytest.fixture(scope="session")
def log_p(exact: Exact) -> Tensor:
    """Values only; gradients need a new graph."""
    return exact.log_p().detach()
