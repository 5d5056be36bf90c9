import copy

import pytest
import torch
from pretend_gpu import CUDA, pretend_gpu
from torch import nn
from torch.nn import functional as F

from alpha_dimt.config.optimisers import AdamWConfig
from alpha_dimt.config.training import TrainingConfig
from alpha_dimt.training.optimisers import AdamW, Sgd, build_optimiser

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


def test_sparse_gradients_on_a_gpu_are_added_to_their_rows() -> None:
    torch.manual_seed(0)
    before = torch.randn(9, 4)
    rows, values = torch.tensor([[3, 3, 5]]), torch.randn(3, 4)
    found = []
    for device in (torch.device("cpu"), CUDA):
        with pretend_gpu():
            table = nn.Parameter(before.clone().to(device))
            table.grad = torch.sparse_coo_tensor(rows.to(device), values.to(device), (9, 4))
            norm = Sgd(clip_norm=0.5).step([table], learning_rate=0.3, unless=GOOD.to(device))
            found.append((table.detach().cpu(), norm.cpu()))
    torch.testing.assert_close(*found)


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


@pytest.mark.parametrize("clip_norm", [0.5, 1e3])
@pytest.mark.parametrize("sparse", [False, True])
def test_adamw_equals_pytorchs_after_clipping(clip_norm: float, sparse: bool) -> None:
    options = AdamWConfig(kind="adamw", weight_decay=0.1, beta1=0.8)
    torch.manual_seed(0)
    ours = Words()
    ours.table.weight = nn.Parameter(torch.randn(4, 9).t())  # not laid out row by row
    theirs = copy.deepcopy(ours)
    optimiser = AdamW(options, clip_norm)
    theirs_by = torch.optim.AdamW(
        theirs.parameters(), betas=(0.8, 0.98), eps=1e-9, weight_decay=0.1, foreach=False
    )
    for rate, rows in ((0.3, [3, 3, 5, 8]), (0.1, [1, 3, 1, 1]), (0.2, [2, 2, 5, 8])):
        ours(torch.tensor(rows), sparse=sparse).backward()
        norm = optimiser.step(ours.parameters(), learning_rate=rate, unless=GOOD)
        theirs_by.zero_grad()
        theirs(torch.tensor(rows), sparse=False).backward()
        expected = nn.utils.clip_grad_norm_(theirs.parameters(), clip_norm)
        theirs_by.param_groups[0]["lr"] = rate
        theirs_by.step()
        torch.testing.assert_close(norm, expected)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)
        assert mine.grad is None


@pytest.mark.parametrize(("factor", "unless"), [(torch.nan, GOOD), (torch.inf, GOOD), (1.0, BAD)])
def test_a_skipped_update_of_adamw_changes_neither_weights_nor_state(
    factor: float, unless: torch.Tensor
) -> None:
    optimiser = AdamW(AdamWConfig(kind="adamw", weight_decay=0.1), 1.0)
    model = Words()
    rows = torch.tensor([1, 2])
    model(rows, sparse=False).backward()
    optimiser.step(model.parameters(), learning_rate=0.3, unless=GOOD)
    before, state = copy.deepcopy(model.state_dict()), copy.deepcopy(optimiser.state())
    (model(rows, sparse=False) * factor).backward()
    optimiser.step(model.parameters(), learning_rate=0.3, unless=unless)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert optimiser.state().keys() == state.keys()
    for name, value in optimiser.state().items():
        assert torch.equal(value, state[name]), name


def test_adamw_resumes_where_it_stopped() -> None:
    model = Words()
    # A parameter that is not laid out row by row, as the output layer of the paper's network.
    model.table.weight = nn.Parameter(torch.randn(4, 9).t())
    batches = [torch.tensor(rows) for rows in ([1, 2], [3, 2], [4, 4], [0, 5])]
    found = []
    for stop in (None, 2):
        network, optimiser = copy.deepcopy(model), AdamW(AdamWConfig(kind="adamw"), 1.0)
        for number, rows in enumerate(batches):
            if number == stop:
                # As files keep them, row by row.
                saved = {name: x.contiguous().clone() for name, x in optimiser.state().items()}
                optimiser = AdamW(AdamWConfig(kind="adamw"), 1.0)
                optimiser.load(saved)
                assert optimiser.state().keys() == saved.keys()
            network(rows, sparse=False).backward()
            optimiser.step(network.parameters(), learning_rate=0.1, unless=GOOD)
        found.append([parameter.detach() for parameter in network.parameters()])
    assert all(torch.equal(here, there) for here, there in zip(*found, strict=True))


def test_a_recipe_names_its_optimiser() -> None:
    assert build_optimiser(TrainingConfig(clip_norm=2)) == Sgd(2)
    made = build_optimiser(TrainingConfig(optimiser={"kind": "adamw", "beta2": 0.5}, clip_norm=3))
    assert isinstance(made, AdamW)
    assert (made.options.beta2, made.clip_norm) == (0.5, 3)
