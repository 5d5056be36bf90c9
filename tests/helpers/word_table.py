"""A table of next-token probabilities, which replaces the network in searches."""

from itertools import pairwise

import torch
from torch import Tensor

from alpha_dimt.core.vocabulary import BOS, EOS, PAD
from alpha_dimt.models.base import Step

CPU = torch.device("cpu")
V = 7
A, B, C = 4, 5, 6


class Table:
    """log p(next | previous, sentence); the state is the sentence of each row."""

    def __init__(self, sentences: int, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.logits = 2 * torch.randn(sentences, V, V, generator=generator)
        self.logits[:, :, EOS] += 1.5
        self.steps: list[int] = []

    def step(self, state: Tensor, previous: Tensor) -> Step:
        self.steps.append(len(state))
        logits = self.logits[state, previous].clone()
        attention = torch.nn.functional.one_hot(previous % 3, 3).float()
        return Step(logits, attention, state)

    def select(self, state: Tensor, rows: Tensor, sources: Tensor | None = None) -> Tensor:
        left = state.unique_consecutive()
        left = left if sources is None else left[sources]
        selected = state[rows]
        assert (selected.view(len(left), -1) == left[:, None]).all(), "a row left its source"
        return selected


def log_p(table: Table, sentence: int, tokens: list[int]) -> float:
    logits = table.logits[sentence].clone()
    logits[:, [PAD, BOS]] = -torch.inf
    scores = logits.log_softmax(dim=1)
    path = [BOS, *tokens]
    return sum(scores[a, b].item() for a, b in pairwise(path))
