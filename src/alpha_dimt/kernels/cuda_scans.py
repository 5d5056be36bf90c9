"""The recurrences of encoder and decoder on a CUDA device.

They compute what `reference` says, as the scans of `lstm` and `attention_decoder` do on a CPU, but
are limited by the number of kernels launched instead of by arithmetic and memory. So the LSTM cell
is one kernel, gates stay in PyTorch's order, every step has the same shapes, and the host decides
nothing in between: a CUDA graph can hold each scan (`cuda_graphs`).

All sums have a fixed order, so results are the same bit for bit on the same device.

Shapes: D directions, B sources, K candidates, R = B * K rows, S source steps, T target steps, H
hidden size.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from alpha_dimt.kernels.linear import wide_product


class _LstmScan(Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, w_hh: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        wide, shape = gates.dtype, gates.shape[1:3]  # [D, B]
        recurrent = w_hh.to(dtype).transpose(1, 2)
        hidden = cell = gates.new_zeros(shape.numel(), w_hh.shape[-1])
        states, cells, activated = [hidden.to(dtype).view(*shape, -1)], [cell], []
        outputs = []
        for inputs in gates.flatten(1, 2):
            from_hidden = wide_product(states[-1], recurrent, wide).flatten(0, 1)
            hidden, cell, gate = torch.ops.aten._thnn_fused_lstm_cell(inputs, from_hidden, cell)
            outputs.append(hidden)
            states.append(hidden.to(dtype).view(*shape, -1))
            cells.append(cell)
            activated.append(gate)
        ctx.steps = len(outputs)
        ctx.save_for_backward(recurrent, *states[:-1], *cells, *activated)
        hiddens, cells_after = torch.stack(outputs), torch.stack(cells[1:])
        whole = (ctx.steps, *shape, -1)
        return hiddens.view(whole), cells_after.view(whole)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_hidden: Tensor, grad_cells: Tensor) -> tuple[Tensor | None, ...]:
        recurrent, *saved = ctx.saved_tensors
        states, cells = saved[: ctx.steps], saved[ctx.steps : 2 * ctx.steps + 1]
        activated = saved[2 * ctx.steps + 1 :]
        wide, shape = grad_hidden.dtype, grad_hidden.shape[1:3]
        weight = recurrent.transpose(1, 2)
        grad_hidden, grad_cells = grad_hidden.flatten(1, 2), grad_cells.flatten(1, 2)
        from_next, from_cell = torch.zeros_like(grad_hidden[0]), torch.zeros_like(grad_cells[0])
        grad_gates, narrow = [], []
        for t in reversed(range(ctx.steps)):
            grad, from_cell, _ = torch.ops.aten._thnn_fused_lstm_cell_backward_impl(
                grad_hidden[t] + from_next,
                grad_cells[t] + from_cell,
                cells[t],
                cells[t + 1],
                activated[t],
                False,
            )
            grad_gates.append(grad)
            narrow.append(grad.to(weight.dtype).view(*shape, -1))
            from_next = wide_product(narrow[-1], weight, wide).flatten(0, 1)
        # [D, T B, 4H] and [D, T B, H], both from the last step to the first.
        over_steps = torch.stack(narrow, dim=1).flatten(1, 2)
        read = torch.stack(states[::-1], dim=1).flatten(1, 2)
        grad_w = wide_product(over_steps.transpose(1, 2), read, wide)
        return torch.stack(grad_gates[::-1]).view(ctx.steps, *shape, -1), grad_w, None


def lstm_scan(gates: Tensor, w_hh: Tensor, *, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Run D independent LSTMs side by side from zero states.

    Args:
        gates: [S, D, B, 4H] inputs times their weights, plus the biases; in PyTorch's gate order.
        w_hh: [D, 4H, H].
        dtype: of the matrix products.

    Returns:
        Hidden states and cells after each step, [S, D, B, H] each.
    """
    return _LstmScan.apply(gates, w_hh, dtype)  # type: ignore[no-any-return, no-untyped-call]


class _DecoderScan(Function):
    @staticmethod
    def forward(
        ctx: Any,
        gates: Tensor,
        w_recurrent: Tensor,
        w_out: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor,
        hidden: Tensor,
        cell: Tensor,
        dropout_mask: Tensor | None,
        dtype: torch.dtype,
    ) -> Tensor:
        wide, (rows, units) = gates.dtype, hidden.shape
        by_source = (len(keys), rows // len(keys), units)
        w_recurrent, w_out = w_recurrent.to(dtype), w_out.to(dtype)
        keys_t = keys.transpose(1, 2)
        state = torch.cat((hidden, torch.zeros_like(hidden)), dim=1).to(dtype)
        states, cells, outputs = [state], [cell], []
        activated, queries, attended, joined, mixed = [], [], [], [], []
        for t, inputs in enumerate(gates):
            recurrent = wide_product(state, w_recurrent.t(), wide)
            hidden, cell, gate = torch.ops.aten._thnn_fused_lstm_cell(inputs, recurrent, cell)
            query = hidden.view(by_source)
            attention = torch.baddbmm(mask, query, keys_t).softmax(dim=-1)
            context = torch.bmm(attention, values).view_as(hidden)
            both = torch.cat((context, hidden), dim=1).to(dtype)
            combined = wide_product(both, w_out.t(), wide).tanh_()
            feed = combined if dropout_mask is None else combined * dropout_mask[t]
            state = torch.cat((hidden, feed), dim=1).to(dtype)
            states.append(state)
            cells.append(cell)
            outputs.append(feed)
            activated.append(gate)
            queries.append(query)
            attended.append(attention)
            joined.append(both)
            mixed.append(combined)
        ctx.steps = len(outputs)
        ctx.save_for_backward(
            w_recurrent, w_out, keys, values, dropout_mask, *states[:-1], *cells, *activated,
            *queries, *attended, *joined, *mixed,
        )  # fmt: skip
        return torch.stack(outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        w_recurrent, w_out, keys, values, dropout_mask, *saved = ctx.saved_tensors
        count = ctx.steps
        states, saved = saved[:count], saved[count:]
        cells, saved = saved[: count + 1], saved[count + 1 :]
        activated, queries, attended, joined, mixed = (
            saved[i * count : (i + 1) * count] for i in range(5)
        )
        dtype, wide, units = w_out.dtype, grad_out.dtype, keys.shape[-1]
        by_source = queries[0].shape
        slope = torch.stack(mixed).square_().neg_().add_(1)  # of tanh
        if dropout_mask is not None:
            slope *= dropout_mask
        values_t = values.transpose(1, 2)
        from_hidden = from_feed = grad_cell = torch.zeros_like(cells[0])
        gates, narrow_gates, pre, scores, contexts = [], [], [], [], []
        for t in reversed(range(count)):
            grad_pre = ((grad_out[t] + from_feed) * slope[t]).to(dtype)
            grad_both = wide_product(grad_pre, w_out, wide)
            grad_context = grad_both[:, :units].view(by_source)
            grad_attention = torch.bmm(grad_context, values_t)
            grad_scores = torch._softmax_backward_data(grad_attention, attended[t], -1, wide)
            grad_hidden = (grad_both[:, units:] + from_hidden).view(by_source)
            grad_hidden = torch.baddbmm(grad_hidden, grad_scores, keys).flatten(0, 1)
            grad_gates, grad_cell, _ = torch.ops.aten._thnn_fused_lstm_cell_backward_impl(
                grad_hidden, grad_cell, cells[t], cells[t + 1], activated[t], False
            )
            narrow = grad_gates.to(dtype)
            back = wide_product(narrow, w_recurrent, wide)
            from_hidden, from_feed = back[:, :units], back[:, units:]
            gates.append(grad_gates)
            narrow_gates.append(narrow)
            pre.append(grad_pre)
            scores.append(grad_scores)
            contexts.append(grad_context)

        def over_steps(left: list[Tensor], right: list[Tensor]) -> Tensor:
            """Return the sum over steps and candidates of each source, [B, S, H]."""
            rows = torch.stack(left, dim=1).flatten(1, 2)  # [B, T K, S]
            return torch.bmm(rows.transpose(1, 2), torch.stack(right, dim=1).flatten(1, 2))

        def weight_gradient(left: list[Tensor], right: list[Tensor]) -> Tensor:
            return wide_product(torch.cat(left).t(), torch.cat(right), wide)

        # The lists of gradients go from the last step to the first.
        return (
            torch.stack(gates[::-1]),
            weight_gradient(narrow_gates, states[::-1]),
            weight_gradient(pre, joined[::-1]),
            over_steps(scores, queries[::-1]),
            over_steps(attended[::-1], contexts),
            None,
            from_hidden.clone(),
            grad_cell,
            None,
            None,
        )


def decoder_scan(
    gates: Tensor,
    w_recurrent: Tensor,
    w_out: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor,
    hidden: Tensor,
    cell: Tensor,
    dropout_mask: Tensor | None = None,
    *,
    dtype: torch.dtype,
) -> Tensor:
    """Run the attentional decoder over given target prefixes, all rows for T steps.

    Args:
        gates: [T, R, 4H] words read times their weights, plus the bias; in PyTorch's gate order.
        w_recurrent: [4H, 2H] weights of (hidden state, input feed) in the gates.
        w_out: [H, 2H] weights of (context, hidden state).
        keys: [B, S, H] encoder states times the attention matrix.
        values: [B, S, H] encoder states.
        mask: [B, 1, S] 0 at source tokens, -inf at padding.
        hidden: [R, H] initial hidden state; the K rows of a source are adjacent.
        cell: [R, H] initial cell.
        dropout_mask: [T, R, H] dropout factors of the attentional output, or None.
        dtype: of the matrix products.

    Returns:
        [T, R, H] attentional outputs (after dropout).
    """
    return _DecoderScan.apply(  # type: ignore[no-any-return, no-untyped-call]
        gates, w_recurrent, w_out, keys, values, mask, hidden, cell, dropout_mask, dtype
    )
