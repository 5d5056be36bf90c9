"""The critic's values in their forms without an array of all words, against that array."""

import pytest
import torch

from alpha_dimt.config.critics import CriticSizes
from alpha_dimt.models.critic import Critic, Values

N, H, V = 7, 5, 11
CPU = torch.device("cpu")


@pytest.fixture
def values() -> Values:
    generator = torch.Generator().manual_seed(1)
    x, weight, bias = (
        torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in ((N, H), (V, H), (V,))
    )
    return Values(x, weight, bias, torch.float64)


def test_every_form_equals_the_dense_one(values: Values) -> None:
    generator = torch.Generator().manual_seed(2)
    dense = values.all()
    words = torch.randint(V, (N,), generator=generator)
    some = torch.randint(V, (N, 3), generator=generator)
    p = torch.randn(N, V, generator=generator, dtype=torch.float64).softmax(dim=1)
    upstream = torch.linspace(-1, 2, N, dtype=torch.float64)
    for found, expected in (
        (values.of(words), dense.gather(1, words[:, None])[:, 0]),
        (values.of(some), dense.gather(1, some)),
        (values.mean(), dense.mean(dim=1)),
        (values.expected(p), (p * dense).sum(dim=1)),
        (values.spread(), (dense - dense.mean(dim=1, keepdim=True)).square().sum()),
        (values.at(torch.tensor([5, 2])).all(), dense[[5, 2]]),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
        if found.shape == (N,):
            found, expected = (found * upstream).sum(), (expected * upstream).sum()
        inputs = (values.x, values.weight, values.bias)
        gradients = [
            torch.autograd.grad(value.sum(), inputs, retain_graph=True)
            for value in (found, expected)
        ]
        for ours, theirs in zip(*gradients, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10)
    assert not values.detach().all().requires_grad


def test_values_depend_on_the_reference_and_on_the_words_before_alone() -> None:
    critic = Critic(CriticSizes(embedding=6, hidden=8, init=0.5), vocab_size=V, device=CPU)
    critic.initialise(torch.Generator().manual_seed(3))
    critic = critic.double()
    reference = torch.tensor([[4, 5, 6, 3], [7, 3, 0, 0]])
    target = torch.tensor([[2, 4, 5, 3], [2, 8, 3, 0], [2, 9, 9, 9], [2, 3, 0, 0]])
    lengths, reference_lengths = torch.tensor([3, 2, 3, 1]), torch.tensor([4, 2])
    row = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 3])
    step = torch.tensor([0, 1, 2, 0, 1, 0, 1, 2, 0])

    def found(reference: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return critic.values(reference, reference_lengths, target, lengths, (row, step)).all()

    before = found(reference, target)
    assert before.shape == (9, V)
    # The order of the tokens is the one that is asked for.
    turned = critic.values(
        reference, reference_lengths, target, lengths, (row.flip(0), step.flip(0))
    )
    torch.testing.assert_close(turned.all().flip(0), before)
    changed = target.clone()
    changed[0, 2] = 10  # read before step 2, predicted at step 1
    moved = (found(reference, changed) - before).abs().amax(dim=1) > 1e-9
    assert moved.tolist() == [False, False, True] + [False] * 6
    other = reference.clone()
    other[1, 0] = 10  # of the samples 2 and 3
    moved = (found(other, target) - before).abs().amax(dim=1) > 1e-9
    assert moved.tolist() == [False] * 5 + [True] * 4
