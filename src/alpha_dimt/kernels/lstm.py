"""The LSTM: its cell, and a scan over given inputs.

Gates are in the order (candidate, input, forget, output) and the candidate's weights are multiplied
by -2 (`permute_gates`): tanh(x) = 1 - 2 sigmoid(-2 x), so one sigmoid serves all gates, and a
product with a tanh is one `addcmul`. PyTorch's tanh takes three times as long on some processors.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from alpha_dimt.kernels.linear import with_bias, with_one


def permute_gates(weights: Tensor) -> Tensor:
    """Return weights or biases [4H, ...] from PyTorch's gate order (i, f, g, o) in ours."""
    i, f, g, o = weights.chunk(4)
    return torch.cat((-2 * g, i, f, o))


def tanh_(x: Tensor) -> Tensor:
    """Return tanh(x), in place; the absolute error is that of one rounding."""
    return x.mul_(2).sigmoid_().mul_(2).sub_(1)


def lstm_cell(
    gates: Tensor, cell: Tensor, new: Tensor, tanh_sigmoid: Tensor, hidden: Tensor
) -> None:
    """Take one step of an LSTM in given arrays.

    Args:
        gates: [..., 4H] before activation; activated on return.
        cell: [..., H] before the step.
        new: [..., H] receives the cell after the step.
        tanh_sigmoid: [..., H] receives sigmoid(-2 cell), which holds the cell's tanh.
        hidden: [..., H] receives the hidden state.
    """
    gates.sigmoid_()
    s, i, f, o = gates.chunk(4, dim=-1)
    torch.addcmul(i, i, s, value=-2, out=new).addcmul_(f, cell)
    torch.mul(new, -2, out=tanh_sigmoid).sigmoid_()
    torch.addcmul(o, o, tanh_sigmoid, value=-2, out=hidden)


def lstm_cell_backward(
    gates: Tensor,
    cell: Tensor,
    tanh_sigmoid: Tensor,
    hidden: Tensor,
    *,
    grad_hidden: Tensor,
    grad_cell: Tensor,
    grad_gates: Tensor,
) -> None:
    """Compute the gradients of `lstm_cell`.

    Args:
        gates: [..., 4H] activated.
        cell: [..., H] before the step.
        tanh_sigmoid: [..., H] from `lstm_cell`.
        hidden: [..., H] after the step.
        grad_hidden: [..., H].
        grad_cell: [..., H] of the cell after the step; on return, of the cell before it.
        grad_gates: [..., 4H] receives the gradient before activation, in any type.
    """
    s, i, f, o = gates.chunk(4, dim=-1)
    by_s, by_i, by_f, by_o = grad_gates.chunk(4, dim=-1)
    # The slope of a sigmoid a is a (1 - a), and of hidden by cell o (1 - tanh^2).
    part = torch.mul(grad_hidden, hidden)
    torch.addcmul(part, part, o, value=-1, out=by_o)
    grad_cell.addcmul_(grad_hidden, o).sub_(part).addcmul_(part, tanh_sigmoid, value=2)
    part = torch.mul(grad_cell, i)
    whole = torch.addcmul(part, part, s, value=-2)
    torch.addcmul(whole, whole, i, value=-1, out=by_i)
    whole -= part
    torch.addcmul(whole, whole, s, value=-1, out=by_s)
    torch.mul(grad_cell.mul_(f), cell, out=part)
    torch.addcmul(part, part, f, value=-1, out=by_f)


class _LstmScan(Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, w_ih: Tensor, bias: Tensor, w_hh: Tensor, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        directions, steps, rows, _ = inputs.shape
        x, w_x = with_one(inputs, dtype), with_bias(w_ih, bias, dtype)
        recurrent = w_hh.to(dtype)
        gates = torch.bmm(x.flatten(1, 2), w_x.transpose(1, 2)).to(inputs.dtype)
        gates = gates.view(directions, steps, rows, -1)
        units = w_hh.shape[-1]
        tanh_sigmoid = inputs.new_empty(directions, steps, rows, units)
        cells = inputs.new_zeros(directions, steps + 1, rows, units)
        hidden = torch.zeros_like(cells)
        for t in range(steps):
            gates[:, t] += torch.bmm(hidden[:, t].to(dtype), recurrent.transpose(1, 2))
            lstm_cell(
                gates[:, t], cells[:, t], cells[:, t + 1], tanh_sigmoid[:, t], hidden[:, t + 1]
            )
        ctx.save_for_backward(x, w_x, recurrent, gates, tanh_sigmoid, cells, hidden)
        return hidden[:, 1:], cells[:, 1:]

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_hidden: Tensor, grad_cells: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, None]:
        x, w_x, recurrent, gates, tanh_sigmoid, cells, hidden = ctx.saved_tensors
        dtype, wide = x.dtype, grad_hidden.dtype
        grad_gates = torch.empty_like(gates, dtype=dtype)
        grad_cell = torch.zeros_like(cells[:, 0])
        from_hidden = torch.zeros_like(grad_cell)
        for t in reversed(range(gates.shape[1])):
            grad_cell += grad_cells[:, t]
            lstm_cell_backward(
                gates[:, t],
                cells[:, t],
                tanh_sigmoid[:, t],
                hidden[:, t + 1],
                grad_hidden=grad_hidden[:, t] + from_hidden,
                grad_cell=grad_cell,
                grad_gates=grad_gates[:, t],
            )
            from_hidden = torch.bmm(grad_gates[:, t], recurrent)
        flat = grad_gates.flatten(1, 2)
        states = hidden[:, :-1].to(dtype).flatten(1, 2)
        grad_w_x = torch.bmm(flat.transpose(1, 2), x.flatten(1, 2)).to(wide)
        grad_inputs = torch.bmm(flat, w_x[..., :-2]).to(wide)
        return (
            grad_inputs.view(*x.shape[:-1], -1),
            grad_w_x[..., :-2],
            grad_w_x[..., -2],
            torch.bmm(flat.transpose(1, 2), states).to(wide),
            None,
        )


def lstm_scan(
    inputs: Tensor, w_ih: Tensor, bias: Tensor, w_hh: Tensor, *, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Run D independent LSTMs side by side from zero states.

    Args:
        inputs: [D, S, B, E].
        w_ih: [D, 4H, E], permuted by `permute_gates`, as are bias and w_hh.
        bias: [D, 4H].
        w_hh: [D, 4H, H].
        dtype: of the matrix products.

    Returns:
        Hidden states and cells after each step, [D, S, B, H] each.
    """
    return _LstmScan.apply(inputs, w_ih, bias, w_hh, dtype)  # type: ignore[no-any-return, no-untyped-call]
