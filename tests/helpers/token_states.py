"""Checks that `token_states` and `token_log_probs` of a model agree."""

from typing import Any

import torch
from torch import Tensor

from alpha_dimt.models.base import TranslationModel


def check_token_states(
    model: TranslationModel, encoded: Any, target: Tensor, lengths: Tensor, *, close: float = 1e-10
) -> None:
    """Compare them for K candidates of each encoded source.

    Args:
        model: in fp64.
        encoded: sources.
        target: [R, T + 1] framed.
        lengths: [R].
        close: how close log p and its gradients have to be.
    """
    expected = model.token_log_probs(encoded, target, lengths)
    found = model.token_states(encoded, target, lengths)
    logits = found.logits
    assert logits.x.shape == (lengths.sum(), model.state_size)
    places = target[expected.row, expected.step + 1]
    torch.testing.assert_close(found.table(found.words.double()), padded(expected, places))
    log_p, real = expected.padded()
    upstream = torch.linspace(-1, 2, log_p.numel()).double().view_as(log_p)
    dense = (logits.x @ logits.weight.t() + logits.bias).log_softmax(dim=1)
    parameters = [p for p in model.parameters() if p.requires_grad]
    theirs = gradients((log_p * upstream).sum(), parameters)
    for ours in (found.log_p(), dense.gather(1, found.words[:, None])[:, 0]):
        torch.testing.assert_close(found.table(ours), log_p, rtol=close, atol=close)
        mine = gradients((found.table(ours) * upstream * real).sum(), parameters)
        for one, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=100 * close, atol=100 * close)


def gradients(value: Tensor, parameters: list[torch.nn.Parameter]) -> list[Tensor]:
    found = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
    return [
        torch.zeros_like(p) if grad is None else grad.to_dense()
        for p, grad in zip(parameters, found, strict=True)
    ]


def padded(tokens: Any, words: Tensor) -> Tensor:
    table = torch.zeros(tokens.rows, tokens.steps, dtype=torch.float64)
    table[tokens.row, tokens.step] = words.double()
    return table
