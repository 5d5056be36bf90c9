import pytest
import torch

from alpha_dimt.kernels import (
    Workspace,
    mean_log_probs,
    pack_output_weight,
    reference,
    token_log_probs,
    vocabulary_logits,
    vocabulary_softmax,
)
from alpha_dimt.kernels.workspace import as_table


def inputs(dtype: torch.dtype, scale: float) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    weight = scale * torch.randn(11, 5, generator=generator, dtype=torch.float64)
    bias = torch.randn(11, generator=generator, dtype=torch.float64)
    targets = torch.tensor([0, 10, 3, 3, 5, 5, 5])
    return *(t.to(dtype).requires_grad_() for t in (x, weight, bias)), targets


@pytest.mark.parametrize("rows", [128, 3])  # at once; the odds of 7 rows are then kept in part
@pytest.mark.parametrize("scale", [0.1, 3.0, 30.0])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
def test_equals_log_softmax(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, tolerance: float, scale: float, rows: int
) -> None:
    monkeypatch.setattr(vocabulary_softmax, "ROWS", rows)
    monkeypatch.setattr(vocabulary_softmax, "KEPT", 11 * rows * dtype.itemsize)
    upstream = torch.linspace(-1, 2, 7, dtype=dtype)
    results = []
    for fast in (True, False):
        x, weight, bias, targets = inputs(dtype, scale)
        if fast:
            log_p = token_log_probs(x, weight, bias, targets, dtype=x.dtype, workspace=Workspace())
        else:
            log_p = reference.token_log_probs(x, weight, bias, targets)
        keep = log_p > -60  # below, the fast path cuts off in float32
        grads = torch.autograd.grad((log_p * upstream)[keep].sum(), (x, weight, bias))
        results.append((log_p.detach()[keep], *grads))
    for fast_value, plain_value in zip(*results, strict=True):
        torch.testing.assert_close(fast_value, plain_value, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_the_mean_over_the_vocabulary_equals_that_of_log_softmax(
    dtype: torch.dtype, tolerance: float
) -> None:
    results = []
    for fast in (True, False):
        x, weight, bias, targets = inputs(dtype, 3.0)
        if fast:
            log_p = token_log_probs(x, weight, bias, targets, dtype=dtype, workspace=Workspace())
            mean = mean_log_probs(log_p, x, weight, bias, targets, dtype=dtype)
        else:
            mean = reference.mean_log_probs(x, weight, bias)
        upstream = torch.linspace(-1, 2, 7, dtype=dtype)
        results.append((mean.detach(), *torch.autograd.grad(mean @ upstream, (x, weight, bias))))
    for fast_value, plain_value in zip(*results, strict=True):
        torch.testing.assert_close(fast_value, plain_value, rtol=tolerance, atol=tolerance)


def test_the_mean_over_the_vocabulary_in_bf16_has_no_rounding_of_the_target() -> None:
    x, weight, bias, targets = inputs(torch.float32, 3.0)
    log_p = token_log_probs(x, weight, bias, targets, dtype=torch.bfloat16, workspace=Workspace())
    mean = mean_log_probs(log_p, x, weight, bias, targets, dtype=torch.bfloat16)
    expected = reference.mean_log_probs(x, weight, bias)
    torch.testing.assert_close(mean, expected, rtol=0.01, atol=0.02)


def test_gradient_does_not_vanish_where_bf16_rounds_p_to_one() -> None:
    x = torch.ones(1, 1, requires_grad=True)
    weight = torch.tensor([[7.0], [0.0]])
    log_p = token_log_probs(
        x, weight, torch.zeros(2), torch.tensor([0]), dtype=torch.bfloat16, workspace=Workspace()
    )
    assert log_p.item() == pytest.approx(-9.11e-4, rel=0.005)
    (gradient,) = torch.autograd.grad(log_p.sum(), x)
    assert gradient.item() == pytest.approx(7 * 9.11e-4, rel=0.01)


@pytest.mark.parametrize("check", [True, False])  # False: as on a GPU
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_impossible_token_is_finite(dtype: torch.dtype, check: bool) -> None:
    x = torch.ones(1, 1, requires_grad=True)
    weight = torch.tensor([[300.0], [0.0], [-2.0]], requires_grad=True)
    log_p = token_log_probs(
        x,
        weight,
        torch.zeros(3),
        torch.tensor([1]),
        dtype=dtype,
        workspace=Workspace(),
        check_overflow=check,
    )
    assert -70 < log_p.item() < -60
    gradients = torch.autograd.grad(log_p.sum(), (x, weight))
    torch.testing.assert_close(gradients[0], torch.tensor([[-300.0]]), rtol=0.01, atol=1e-9)
    torch.testing.assert_close(
        gradients[1], torch.tensor([[-1.0], [1.0], [0.0]]), rtol=0.01, atol=1e-9
    )


def test_bf16_is_near_float32_at_the_papers_width() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(700, 256, generator=generator).clamp(-1, 1).requires_grad_()
    weight = (0.3 * torch.randn(3000, 256, generator=generator)).requires_grad_()
    bias = torch.randn(3000, generator=generator).requires_grad_()
    targets = torch.randint(0, 3000, (700,), generator=generator)
    results = []
    for dtype in (torch.float32, torch.bfloat16):
        log_p = token_log_probs(x, weight, bias, targets, dtype=dtype, workspace=Workspace())
        results.append((log_p, *torch.autograd.grad(log_p.sum(), (x, weight, bias))))
    (wide, *wide_grads), (low, *low_grads) = results
    assert (low - wide).abs().max() < 0.15
    assert (low - wide).mean().abs() < 0.01
    for wide_grad, low_grad in zip(wide_grads, low_grads, strict=True):
        assert (low_grad - wide_grad).norm() < 0.02 * wide_grad.norm()


def test_two_forward_passes_before_their_backward_passes_do_not_share_memory() -> None:
    x, weight, bias, targets = inputs(torch.float64, 1.0)
    workspace = Workspace()
    alone = torch.autograd.grad(
        token_log_probs(x, weight, bias, targets, dtype=x.dtype, workspace=workspace).sum(), weight
    )[0]
    first = token_log_probs(x, weight, bias, targets, dtype=x.dtype, workspace=workspace)
    second = token_log_probs(2 * x, weight, bias, targets, dtype=x.dtype, workspace=workspace)
    torch.autograd.grad(second.sum(), weight)
    (gradient,) = torch.autograd.grad(first.sum(), weight)
    torch.testing.assert_close(gradient, alone)


def test_a_second_backward_pass_is_refused() -> None:
    x, weight, bias, targets = inputs(torch.float64, 1.0)
    loss = token_log_probs(x, weight, bias, targets, dtype=x.dtype, workspace=Workspace()).sum()
    torch.autograd.grad(loss, x, retain_graph=True)
    with pytest.raises(RuntimeError, match="once only"):
        torch.autograd.grad(loss, x)


def test_word_products_have_the_rows_asked_for() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(300, 6, generator=generator, dtype=torch.float64)
    bias = torch.randn(300, generator=generator, dtype=torch.float64)
    weights, workspace = pack_output_weight(weight, bias, torch.float64), Workspace()
    for rows in (63, 64, 65, 1):  # in an array that fits, that is too small, that is too large
        x = torch.randn(rows, 6, generator=generator, dtype=torch.float64)
        torch.testing.assert_close(vocabulary_logits(x, weights, workspace), x @ weight.t() + bias)


def test_a_spare_array_is_used_again_if_it_fits() -> None:
    workspace, cpu = Workspace(), torch.device("cpu")
    first = workspace.acquire(10, 33, torch.float32, cpu)
    workspace.release(first)
    assert workspace.acquire(8, 33, torch.float32, cpu) is first
    assert workspace.acquire(8, 33, torch.float32, cpu) is not first, "it was not given back"
    for rows, dtype in ((11, torch.float32), (10, torch.bfloat16)):
        workspace.release(first)
        other = workspace.acquire(rows, 33, dtype, cpu)
        assert other.dtype == dtype
        assert as_table(other, rows, 33).shape == (rows, 33)


def test_odds_beyond_the_limit_are_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    filled: list[int] = []
    fill = vocabulary_softmax._fill

    def counted(odds: torch.Tensor, *others: object) -> None:
        filled.append(len(odds))
        fill(odds, *others)

    monkeypatch.setattr(vocabulary_softmax, "_fill", counted)
    monkeypatch.setattr(vocabulary_softmax, "ROWS", 3)
    monkeypatch.setattr(vocabulary_softmax, "KEPT", 11 * 3 * 8)
    x, weight, bias, targets = inputs(torch.float64, 1.0)
    log_p = token_log_probs(x, weight, bias, targets, dtype=x.dtype, workspace=Workspace()).sum()
    torch.autograd.grad(log_p, x)
    assert filled == [1, 3, 3, 3, 1]  # the last three rows once
