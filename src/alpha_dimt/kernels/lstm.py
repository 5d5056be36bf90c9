"""The LSTM: its cell, and a scan over given inputs.

Gates stand in the order (candidate, input, forget, output) and the candidate's weights are times -2
(`cell_order`): tanh(x) = 1 - 2 sigmoid(-2 x), so that one sigmoid serves all gates, and what is
multiplied by a tanh is one `addcmul`. PyTorch's tanh takes three times as long on some processors.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from alpha_dimt.kernels.products import with_bias, with_one


def cell_order(weights: Tensor) -> Tensor:
    """Return weights or biases [4H, ...] of PyTorch's order (i, f, g, o) in ours, with gradient."""
    i, f, g, o = weights.chunk(4)
    return torch.cat((-2 * g, i, f, o))


def tanh_(x: Tensor) -> Tensor:
    """Return tanh(x), in place; the absolute error is that of one rounding."""
    return x.mul_(2).sigmoid_().mul_(2).sub_(1)


def cell_step(gates: Tensor, cell: Tensor, new: Tensor, squashed: Tensor, hidden: Tensor) -> None:
    """Take one step of an LSTM in given arrays.

    Args:
        gates: [..., 4H] before activation; activated on return.
        cell: [..., H] before the step.
        new: [..., H] receives the cell after the step.
        squashed: [..., H] receives the sigmoid of -2 times that.
        hidden: [..., H] receives the hidden state.
    """
    gates.sigmoid_()
    s, i, f, o = gates.chunk(4, dim=-1)
    torch.addcmul(i, i, s, value=-2, out=new).addcmul_(f, cell)
    torch.mul(new, -2, out=squashed).sigmoid_()
    torch.addcmul(o, o, squashed, value=-2, out=hidden)


class CellSlopes:
    """The backward pass of the cell, all slopes of all steps computed at once.

    Attributes:
        grad_gates: [..., 4H] in the type of the products; `step` fills in one step.
        grad_cell: what `step` hands to the step before; zero at first.
    """

    def __init__(
        self,
        gates: Tensor,
        cells: Tensor,
        squashed: Tensor,
        hidden: Tensor,
        *,
        time: int,
        dtype: torch.dtype,
    ) -> None:
        """Compute the slopes.

        Args:
            gates: activated gates of all steps.
            cells: cells before each step.
            squashed: sigmoid of -2 times the cells after each step.
            hidden: states after each step.
            time: the dimension of the steps.
            dtype: of the matrix products.
        """
        s, i, f, o = gates.chunk(4, dim=-1)
        slopes = torch.empty_like(gates)
        by_s, by_i, by_f, by_o = slopes.chunk(4, dim=-1)
        # a b (1 - b) is c - c b with c = a b: few passes over large arrays, and one to hold c.
        part = torch.mul(i, s).mul_(-2)
        torch.addcmul(part, part, s, value=-1, out=by_s)
        part += i
        torch.addcmul(part, part, i, value=-1, out=by_i)
        torch.mul(cells, f, out=part)
        torch.addcmul(part, part, f, value=-1, out=by_f)
        torch.addcmul(hidden, hidden, o, value=-1, out=by_o)
        # o (1 - tanh^2), with hidden = o tanh and tanh = 1 - 2 squashed.
        through = torch.sub(o, hidden).addcmul_(hidden, squashed, value=2)
        units = cells.shape[-1]
        self.grad_gates = torch.empty_like(gates, dtype=dtype)
        self.grad_cell = torch.zeros_like(cells.select(time, 0))
        by_gate = (*gates.shape[:-1], 4, units)
        self._slopes = slopes.view(by_gate).unbind(time)
        self._through, self._forget = through.unbind(time), f.unbind(time)
        self._out = self.grad_gates.view(by_gate).unbind(time)
        self._grad_gates = self.grad_gates.unbind(time)

    def step(self, t: int, grad_hidden: Tensor) -> Tensor:
        """Return the gradient of the gates of step t, given that of its hidden state."""
        slopes, out = self._slopes[t], self._out[t]
        self.grad_cell.addcmul_(grad_hidden, self._through[t])
        torch.mul(slopes[..., :3, :], self.grad_cell.unsqueeze(-2), out=out[..., :3, :])
        torch.mul(slopes[..., 3, :], grad_hidden, out=out[..., 3, :])
        self.grad_cell.mul_(self._forget[t])
        return self._grad_gates[t]


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
        squashed = inputs.new_empty(directions, steps, rows, units)
        cells = inputs.new_zeros(directions, steps + 1, rows, units)
        hidden = torch.zeros_like(cells)
        for t in range(steps):
            gates[:, t] += torch.bmm(hidden[:, t].to(dtype), recurrent.transpose(1, 2))
            cell_step(gates[:, t], cells[:, t], cells[:, t + 1], squashed[:, t], hidden[:, t + 1])
        ctx.save_for_backward(x, w_x, recurrent, gates, squashed, cells, hidden)
        return hidden[:, 1:], cells[:, 1:]

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_hidden: Tensor, grad_cells: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, None]:
        x, w_x, recurrent, gates, squashed, cells, hidden = ctx.saved_tensors
        dtype, wide = x.dtype, grad_hidden.dtype
        slopes = CellSlopes(gates, cells[:, :-1], squashed, hidden[:, 1:], time=1, dtype=dtype)
        from_hidden = torch.zeros_like(cells[:, 0])
        for t in reversed(range(gates.shape[1])):
            slopes.grad_cell += grad_cells[:, t]
            grad_gates = slopes.step(t, grad_hidden[:, t] + from_hidden)
            from_hidden = torch.bmm(grad_gates, recurrent)
        flat = slopes.grad_gates.flatten(1, 2)
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
        w_ih: [D, 4H, E] in our order, as bias and w_hh.
        bias: [D, 4H].
        w_hh: [D, 4H, H].
        dtype: of the matrix products.

    Returns:
        Hidden states and cells after each step, [D, S, B, H] each.
    """
    return _LstmScan.apply(inputs, w_ih, bias, w_hh, dtype)  # type: ignore[no-any-return, no-untyped-call]
