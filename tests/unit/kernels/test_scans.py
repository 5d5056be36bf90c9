"""The recurrences equal their plain twins: values and gradients, in float64."""

import pytest
import torch
from torch import Tensor

from alpha_dimt.kernels import decoder_scan, lstm_scan, permute_gates, reference

DOUBLE = torch.float64


def drawn(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=DOUBLE).requires_grad_()


def assert_equal(ours: list[Tensor], theirs: list[Tensor], parameters: dict[str, Tensor]) -> None:
    """Compare values, and the gradients of a loss with a different weight for every value."""
    gradients = []
    for values in (ours, theirs):
        weights = [torch.linspace(-1, 2, v.numel(), dtype=DOUBLE).view_as(v) for v in values]
        loss = sum((w * v).sum() for w, v in zip(weights, values, strict=True))
        gradients.append(torch.autograd.grad(loss, list(parameters.values())))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
    for name, one, other in zip(parameters, *gradients, strict=True):
        assert other.abs().max() > 0, name
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10, msg=name)


def test_lstm_scan() -> None:
    d, s, b, e, h = 2, 5, 3, 4, 6
    given = {
        "inputs": drawn(d, s, b, e, seed=1),
        "w_ih": drawn(d, 4 * h, e, seed=2),
        "bias": drawn(d, 4 * h, seed=3),
        "w_hh": drawn(d, 4 * h, h, seed=4),
    }
    permuted = {
        name: torch.stack([permute_gates(one) for one in given[name]])
        for name in ("w_ih", "bias", "w_hh")
    }
    ours = lstm_scan(given["inputs"], **permuted, dtype=DOUBLE)
    assert_equal(list(ours), list(reference.lstm_scan(**given)), given)


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize(("k", "counts"), [(1, [3, 3, 2, 1]), (2, [3, 2, 2]), (2, [3, 3])])
def test_decoder_scan(k: int, counts: list[int], dropout: bool) -> None:
    sources, s, e, h = 3, 4, 5, 6
    rows, total = sources * k, sum(counts) * k
    given = {
        "embedded": drawn(total, e, seed=1),
        "w_ih": drawn(4 * h, e, seed=2),
        "bias": drawn(4 * h, seed=3),
        "w_recurrent": drawn(4 * h, 2 * h, seed=4),
        "w_out": drawn(h, 2 * h, seed=5),
        "keys": drawn(sources, s, h, seed=6),
        "values": drawn(sources, s, h, seed=7),
        "hidden": drawn(rows, h, seed=8),
        "cell": drawn(rows, h, seed=9),
    }
    mask = torch.zeros(sources, 1, s, dtype=DOUBLE)
    mask[1, 0, 2:] = -torch.inf
    factors = torch.ones(total, h, dtype=DOUBLE)
    if dropout:
        factors = 2.0 * (drawn(total, h, seed=10).detach() > 0)
    permuted = {
        name: permute_gates(value) if name in ("w_ih", "bias", "w_recurrent") else value
        for name, value in given.items()
    }
    fixed = {"mask": mask, "counts": counts}
    ours = decoder_scan(
        **permuted, **fixed, dropout_mask=factors if dropout else None, dtype=DOUBLE
    )
    theirs = reference.decoder_scan(**given, **fixed, dropout_mask=factors)
    assert_equal([ours], [theirs], given)


def test_decoder_scan_ignores_padding_rows() -> None:
    given = {
        "w_ih": drawn(8, 3, seed=2),
        "bias": drawn(8, seed=3),
        "w_recurrent": drawn(8, 4, seed=4),
        "w_out": drawn(2, 4, seed=5),
        "keys": drawn(1, 2, 2, seed=6),
        "values": drawn(1, 2, 2, seed=7),
        "mask": torch.zeros(1, 1, 2, dtype=DOUBLE),
        "hidden": drawn(1, 2, seed=8),
        "cell": drawn(1, 2, seed=9),
    }
    embedded = drawn(5, 3, seed=1)
    results = []
    for padding in (0.0, 7.0):
        read = torch.cat((embedded[:2], torch.full((3, 3), padding, dtype=DOUBLE)))
        out = decoder_scan(read, **given, dropout_mask=None, counts=[1, 1], dtype=DOUBLE)[:2]
        results.append((out, *torch.autograd.grad(out.sum(), (embedded, given["w_ih"]))))
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)
