"""The recurrence of the attentional decoder with input feeding."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from alpha_dimt.kernels.lstm import CellSlopes, cell_step
from alpha_dimt.kernels.products import with_bias, with_one


class _DecoderScan(Function):
    @staticmethod
    def forward(
        ctx: Any,
        embedded: Tensor,
        w_ih: Tensor,
        bias: Tensor,
        w_recurrent: Tensor,
        w_out: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor,
        hidden: Tensor,
        cell: Tensor,
        keep: Tensor | None,
        dtype: torch.dtype,
    ) -> Tensor:
        steps, rows, units = len(embedded), *hidden.shape
        sources = len(keys)
        x, w_x = with_one(embedded, dtype), with_bias(w_ih, bias, dtype)
        # tanh(x) = 1 - 2 sigmoid(-2 x), as in the cell.
        w_recurrent, w_out = w_recurrent.to(dtype), (-2 * w_out).to(dtype)
        if keep is None:
            keep = hidden.new_ones(()).expand(steps, rows, units)
        gates = torch.mm(x.flatten(0, 1), w_x.t()).to(hidden.dtype).view(steps, rows, -1)
        squashed = hidden.new_empty(steps, rows, units)
        cells = hidden.new_empty(steps + 1, rows, units)
        hiddens = hidden.new_empty(steps, rows, units)
        combined = hidden.new_empty(steps, rows, units)
        out = torch.empty_like(combined)
        attention = hidden.new_empty(steps, sources, rows // sources, keys.shape[1])
        # Context, hidden state and feed side by side: (context, hidden) goes into the output of a
        # step, (hidden, feed) into the gates of the next.
        # Zeros, since products may read beyond the columns asked for; see `as_table`.
        states = hidden.new_zeros(steps + 1, rows, 3 * units, dtype=dtype)
        states[0, :, units : 2 * units] = hidden
        cells[0] = cell
        for t in range(steps):
            gates[t] += torch.mm(states[t, :, units:], w_recurrent.t())
            cell_step(gates[t], cells[t], cells[t + 1], squashed[t], hiddens[t])
            query = hiddens[t].view(sources, -1, units)
            scores = torch.baddbmm(mask, query, keys.transpose(1, 2))
            torch.softmax(scores, dim=-1, out=attention[t])
            new = states[t + 1]
            new[:, :units] = torch.bmm(attention[t], values).view(rows, units)
            new[:, units : 2 * units] = hiddens[t]
            combined[t] = torch.mm(new[:, : 2 * units], w_out.t())
            torch.addcmul(keep[t], keep[t], combined[t].sigmoid_(), value=-2, out=out[t])
            new[:, 2 * units :] = out[t]
        ctx.save_for_backward(
            x, w_x, w_recurrent, w_out, keys, values, keep,
            gates, squashed, cells, hiddens, combined, attention, states,
        )  # fmt: skip
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        (
            x, w_x, w_recurrent, w_out, keys, values, keep,
            gates, squashed, cells, hiddens, combined, attention, states,
        ) = ctx.saved_tensors  # fmt: skip
        dtype, wide = x.dtype, grad_out.dtype
        steps, rows, units = combined.shape
        sources = len(keys)
        slopes = CellSlopes(gates, cells[:-1], squashed, hiddens, time=0, dtype=dtype)
        slope_out = torch.addcmul(combined, combined, combined, value=-1).mul_(keep).mul_(-2)
        grad_pre = torch.empty_like(combined, dtype=dtype)
        grad_context = torch.empty_like(combined)
        grad_scores = torch.empty_like(attention)
        from_hidden = grad_out.new_zeros(rows, units)
        from_feed = torch.zeros_like(from_hidden)
        for t in reversed(range(steps)):
            torch.mul(grad_out[t] + from_feed, slope_out[t], out=grad_pre[t])
            grad_joined = torch.mm(grad_pre[t], w_out)
            grad_context[t] = grad_joined[:, :units]
            context = grad_context[t].view(sources, -1, units)
            grad_scores[t] = torch._softmax_backward_data(
                torch.bmm(context, values.transpose(1, 2)), attention[t], -1, wide
            )
            grad_hidden = torch.baddbmm(
                from_hidden.view(sources, -1, units), grad_scores[t], keys
            ).view(rows, units)
            grad_hidden += grad_joined[:, units:]
            grad_states = torch.mm(slopes.step(t, grad_hidden), w_recurrent).to(wide)
            from_hidden, from_feed = grad_states[:, :units].contiguous(), grad_states[:, units:]
        flat = slopes.grad_gates.flatten(0, 1)
        grad_w_x = torch.mm(flat.t(), x.flatten(0, 1)).to(wide)
        return (
            torch.mm(flat, w_x[:, :-2]).to(wide).view(steps, rows, -1),
            grad_w_x[:, :-2],
            grad_w_x[:, -2],
            torch.mm(flat.t(), states[:-1].flatten(0, 1)[:, units:]).to(wide),
            torch.mm(grad_pre.flatten(0, 1).t(), states[1:].flatten(0, 1)[:, : 2 * units]).to(wide)
            * -2,
            _over_steps(grad_scores, hiddens),
            _over_steps(attention, grad_context),
            None,
            from_hidden,
            slopes.grad_cell,
            None,
            None,
        )


def _over_steps(weights: Tensor, rows: Tensor) -> Tensor:
    """Sum weights [T, B, K, S] times rows [T, R, H] over steps and candidates, to [B, S, H]."""
    steps, sources, _, source_steps = weights.shape
    left = weights.permute(1, 3, 0, 2).reshape(sources, source_steps, -1)
    right = rows.view(steps, sources, -1, rows.shape[-1]).transpose(0, 1)
    return torch.bmm(left, right.reshape(sources, -1, rows.shape[-1]))


def decoder_scan(
    embedded: Tensor,
    *,
    w_ih: Tensor,
    bias: Tensor,
    w_recurrent: Tensor,
    w_out: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor,
    hidden: Tensor,
    cell: Tensor,
    keep: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """Run the decoder over given target prefixes.

    Args:
        embedded: [T, R, E] the words read.
        w_ih: [4H, E] weights of the words in the gates; rows as `cell_order` has them.
        bias: [4H] of the gates, likewise.
        w_recurrent: [4H, 2H] weights of (hidden state, feed) in the gates, likewise.
        w_out: [H, 2H] weights of (context, hidden state).
        keys: [B, S, H] encoder states times the attention matrix.
        values: [B, S, H] encoder states.
        mask: [B, 1, S] 0 at source tokens, -inf at padding.
        hidden: [R, H] initial hidden state; each source's K rows stand together.
        cell: [R, H] initial cell.
        keep: [T, R, H] dropout factors of the attentional output, or None.
        dtype: of the matrix products.

    Returns:
        [T, R, H] attentional outputs (after dropout), as fed to the next step.
    """
    return _DecoderScan.apply(  # type: ignore[no-any-return, no-untyped-call]
        embedded, w_ih, bias, w_recurrent, w_out, keys, values, mask, hidden, cell, keep, dtype
    )
