import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from alpha_dimt.training.optimisers import Sgd

GOOD, BAD = torch.tensor(False), torch.tensor(True)


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 4)
        self.linear = nn.Linear(4, 1)
        self.unused = nn.Parameter(torch.ones(2))

    def forward(self, rows: torch.Tensor, *, sparse: bool) -> torch.Tensor:
        return self.linear(F.embedding(rows, self.table.weight, sparse=sparse)).exp().sum()


@pytest.mark.parametrize("clip_norm", [0.5, 1e3])
def test_equals_pytorchs_clipping_and_sgd(clip_norm: float) -> None:
    torch.manual_seed(0)
    ours = Words().double()
    theirs = copy.deepcopy(ours)
    optimiser = torch.optim.SGD(theirs.parameters(), lr=0.3)
    for rows in ([3, 3, 5, 8], [1, 3, 1, 1]):
        ours(torch.tensor(rows), sparse=True).backward()
        norm = Sgd(clip_norm=clip_norm).step(ours.parameters(), learning_rate=0.3, unless=GOOD)
        optimiser.zero_grad()
        theirs(torch.tensor(rows), sparse=False).backward()
        expected = nn.utils.clip_grad_norm_(theirs.parameters(), clip_norm)
        optimiser.step()
        torch.testing.assert_close(norm, expected)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-9)
        assert mine.grad is None


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(bad: float) -> None:
    model = Words()
    before = copy.deepcopy(model.state_dict())
    (model(torch.tensor([1, 2]), sparse=True) * bad).backward()
    norm = Sgd(clip_norm=1.0).step(model.parameters(), learning_rate=0.3, unless=GOOD)
    assert not norm.isfinite()
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_an_update_that_is_not_wanted_changes_nothing() -> None:
    model = Words()
    before = copy.deepcopy(model.state_dict())
    model(torch.tensor([1, 2]), sparse=True).backward()
    norm = Sgd(clip_norm=1.0).step(model.parameters(), learning_rate=0.3, unless=BAD)
    assert norm.isfinite()
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(parameter.grad is None for parameter in model.parameters())
