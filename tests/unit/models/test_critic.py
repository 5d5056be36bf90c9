"""What the values of a critic depend on."""

import torch
from torch import Tensor

from alpha_dimt.config.critics import CriticSizes
from alpha_dimt.kernels import WordScores
from alpha_dimt.models.critic import Critic

V = 11
CPU = torch.device("cpu")


def every(values: WordScores) -> Tensor:
    return values.x @ values.weight.t() + values.bias


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
        return every(critic.values(reference, reference_lengths, target, lengths, (row, step)))

    before = found(reference, target)
    assert before.shape == (9, V)
    # The order of the tokens is the one that is asked for.
    turned = critic.values(
        reference, reference_lengths, target, lengths, (row.flip(0), step.flip(0))
    )
    torch.testing.assert_close(every(turned).flip(0), before)
    changed = target.clone()
    changed[0, 2] = 10  # read before step 2, predicted at step 1
    moved = (found(reference, changed) - before).abs().amax(dim=1) > 1e-9
    assert moved.tolist() == [False, False, True] + [False] * 6
    other = reference.clone()
    other[1, 0] = 10  # of the samples 2 and 3
    moved = (found(other, target) - before).abs().amax(dim=1) > 1e-9
    assert moved.tolist() == [False] * 5 + [True] * 4
