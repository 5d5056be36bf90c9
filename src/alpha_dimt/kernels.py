"""The fast parts: the output layer, and the recurrences of encoder and decoder.

Each is an autograd function with a backward pass of its own. What eager autograd would do at every
time step (weight gradients, gates of the inputs, attention keys) is done here in one product over
all steps, and matrix products run in the type of their inputs (bf16 on capable processors) while
gates and probabilities stay in the type of the master parameters.

Shapes: B sources, K candidates, R = B * K rows, S source steps, T target steps, H units, V words.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

BLOCK = 512
"""Rows of the output layer computed at once: their logits stay in the cache."""


class _Spare:
    """One large array that is used again at the next step.

    Getting 150 MB from the system at every step, page by page, costs more than the arithmetic on
    them. A forward pass takes the array and its backward pass hands it back; where there is no
    backward pass, it is freed like any other.
    """

    array: Tensor | None = None

    @classmethod
    def take(cls, size: int, like: Tensor) -> Tensor:
        """Return [size] uninitialised elements, or more, of the type of `like`."""
        array, cls.array = cls.array, None
        if (
            array is None
            or len(array) < size
            or (array.dtype, array.device)
            != (
                like.dtype,
                like.device,
            )
        ):
            return like.new_empty(size)
        return array


class _TokenLogProbs(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
        ctx.array = _Spare.take(len(x) * len(weight), x)
        probabilities = ctx.array[: len(x) * len(weight)].view(len(x), len(weight))
        for start in range(0, len(x), BLOCK):
            rows = slice(start, start + BLOCK)
            logits = torch.addmm(bias, x[rows], weight.t())
            torch.softmax(logits, dim=1, out=probabilities[rows])
        columns = targets[:, None]
        at_target = probabilities.gather(1, columns).squeeze(1)
        # The target's entry is kept apart, so that the rest of a row sums to 1 - p: near p = 1
        # this sum is precise where p itself is rounded.
        probabilities.scatter_(1, columns, 0)
        others = probabilities.sum(dim=1)
        wide = torch.promote_types(x.dtype, torch.float32)
        at_target, others = at_target.to(wide), others.to(wide)
        tiny = torch.finfo(wide).tiny
        log_p = torch.where(at_target > 0.5, torch.log1p(-others), at_target.clamp_min(tiny).log())
        ctx.save_for_backward(x, weight, targets, log_p)
        return log_p

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, targets, log_p = ctx.saved_tensors
        if ctx.array is None:
            raise RuntimeError("token_log_probs can be differentiated once only")
        probabilities = ctx.array[: len(x) * len(weight)].view(len(x), len(weight))
        # d log p / d logits = onehot - P, row by row times `grad`. The part of the target's column
        # is (1 - p) grad, exactly; the rest is -P, with `grad` applied on the [N, H] side.
        scale = -grad[:, None].to(x.dtype)
        at_target = (-torch.expm1(log_p) * grad)[:, None].to(x.dtype)
        grad_x = torch.mm(probabilities, weight) * scale + weight[targets] * at_target
        grad_weight = torch.mm(probabilities.t(), x * scale).to(weight.dtype)
        grad_weight.index_add_(0, targets, x * at_target)
        grad_bias = torch.mv(probabilities.t(), scale.squeeze(1))
        grad_bias.index_add_(0, targets, at_target.squeeze(1))
        _Spare.array, ctx.array = ctx.array, None
        return grad_x, grad_weight, grad_bias, None


def token_log_probs(x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Return log softmax(x weight^T + bias) at the targets.

    Only one [N, V] array is kept, in the type of `x`. A log-probability below the smallest normal
    number is cut off there (-87 in float32).

    Args:
        x: [N, H] in the type of the matrix products, like weight and bias.
        weight: [V, H].
        bias: [V].
        targets: [N] int64.

    Returns:
        [N], at least float32. Its gradient may be anything (weights of sentences, for one): it is
        applied to the [N, H] side of the products, never to the [N, V] side.
    """
    return _TokenLogProbs.apply(x, weight, bias, targets)  # type: ignore[no-any-return, no-untyped-call]


def _cell(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return activated gates (in place), new cell, its tanh, and the hidden state of an LSTM."""
    units = cell.shape[-1]
    candidate = gates[..., 2 * units : 3 * units].tanh()
    gates.sigmoid_()
    gates[..., 2 * units : 3 * units] = candidate
    i, f, _, o = gates.chunk(4, dim=-1)
    new = torch.addcmul(f * cell, i, candidate)
    squashed = new.tanh()
    return gates, new, squashed, o * squashed


def _cell_backward(
    grad_hidden: Tensor, grad_cell: Tensor, gates: Tensor, cell: Tensor, squashed: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the gradients of the gates before activation and of the cell before the step.

    Args:
        grad_hidden: gradient of the hidden state after the step.
        grad_cell: gradient of the cell after the step, without the part through `grad_hidden`.
        gates: activated gates.
        cell: the cell before the step.
        squashed: tanh of the cell after the step.
    """
    i, f, g, o = gates.chunk(4, dim=-1)
    grad_cell = torch.addcmul(grad_cell, grad_hidden * o, 1 - squashed * squashed)
    grad_gates = torch.empty_like(gates)
    d_i, d_f, d_g, d_o = grad_gates.chunk(4, dim=-1)
    torch.mul(grad_cell * g, i * (1 - i), out=d_i)
    torch.mul(grad_cell * cell, f * (1 - f), out=d_f)
    torch.mul(grad_cell * i, 1 - g * g, out=d_g)
    torch.mul(grad_hidden * squashed, o * (1 - o), out=d_o)
    return grad_gates, grad_cell * f


class _LstmScan(Function):
    @staticmethod
    def forward(ctx: Any, gates_in: Tensor, w_hh: Tensor) -> tuple[Tensor, Tensor]:
        steps, directions, rows, four_h = gates_in.shape
        gates = torch.empty_like(gates_in)
        squashed = gates_in.new_empty(steps, directions, rows, four_h // 4)
        cells = gates_in.new_zeros(steps + 1, directions, rows, four_h // 4)
        hidden = torch.zeros_like(cells)
        recurrent = w_hh.transpose(1, 2)
        for t in range(steps):
            pre = gates_in[t] + torch.bmm(hidden[t].to(w_hh.dtype), recurrent)
            gates[t], cells[t + 1], squashed[t], hidden[t + 1] = _cell(pre, cells[t])
        ctx.save_for_backward(w_hh, gates, squashed, cells, hidden)
        return hidden[1:], cells[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_hidden: Tensor, grad_cells: Tensor) -> tuple[Tensor, Tensor]:
        w_hh, gates, squashed, cells, hidden = ctx.saved_tensors
        grad_gates = torch.empty_like(gates)
        from_hidden = torch.zeros_like(cells[0])
        from_cell = torch.zeros_like(cells[0])
        for t in reversed(range(len(gates))):
            grad_gates[t], from_cell = _cell_backward(
                grad_hidden[t] + from_hidden,
                grad_cells[t] + from_cell,
                gates[t],
                cells[t],
                squashed[t],
            )
            from_hidden = torch.bmm(grad_gates[t].to(w_hh.dtype), w_hh).to(cells.dtype)
        rows = grad_gates.to(w_hh.dtype).transpose(0, 1).flatten(1, 2)
        states = hidden[:-1].to(w_hh.dtype).transpose(0, 1).flatten(1, 2)
        return grad_gates, torch.bmm(rows.transpose(1, 2), states)


def lstm_scan(gates_in: Tensor, w_hh: Tensor) -> tuple[Tensor, Tensor]:
    """Run D independent LSTMs side by side from zero states.

    Args:
        gates_in: [S, D, B, 4H] the inputs' half of the gates, biases included (order i, f, g, o).
        w_hh: [D, 4H, H] in the type of the matrix products.

    Returns:
        Hidden states and cells after each step, [S, D, B, H] each.
    """
    return _LstmScan.apply(gates_in, w_hh)  # type: ignore[no-any-return, no-untyped-call]


class _DecoderScan(Function):
    @staticmethod
    def forward(
        ctx: Any,
        gates_in: Tensor,
        keys: Tensor,
        values: Tensor,
        bias: Tensor,
        hidden: Tensor,
        cell: Tensor,
        w_recurrent: Tensor,
        w_out: Tensor,
        keep: Tensor | None,
    ) -> Tensor:
        steps, rows, units = len(gates_in), *hidden.shape
        sources = len(keys)
        gates = torch.empty_like(gates_in)
        squashed = gates_in.new_empty(steps, rows, units)
        cells = gates_in.new_empty(steps + 1, rows, units)
        attention = gates_in.new_empty(steps, sources, rows // sources, keys.shape[1])
        attended = gates_in.new_empty(steps, rows, units)
        # [feed, hidden] and [context, hidden], the inputs of the two products of a step.
        fed = w_recurrent.new_empty(steps, rows, 2 * units)
        joined = w_out.new_empty(steps, rows, 2 * units)
        out = gates_in.new_empty(steps, rows, units)
        feed = torch.zeros_like(hidden)
        hiddens = gates_in.new_empty(steps, rows, units)
        cells[0] = cell
        for t in range(steps):
            fed[t, :, :units] = feed
            fed[t, :, units:] = hidden
            pre = gates_in[t] + torch.mm(fed[t], w_recurrent.t())
            gates[t], cells[t + 1], squashed[t], hidden = _cell(pre, cells[t])
            query = hidden.view(sources, -1, units)
            weights = torch.baddbmm(bias, query, keys.transpose(1, 2)).softmax(dim=-1)
            joined[t, :, :units] = torch.bmm(weights, values).view(rows, units)
            joined[t, :, units:] = hidden
            attended[t] = torch.mm(joined[t], w_out.t()).to(gates_in.dtype).tanh_()
            feed = attended[t] if keep is None else attended[t] * keep[t]
            attention[t], hiddens[t], out[t] = weights, hidden, feed
        ctx.save_for_backward(
            keys, values, w_recurrent, w_out, keep,
            gates, squashed, cells, attention, attended, fed, joined, hiddens,
        )  # fmt: skip
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        (
            keys, values, w_recurrent, w_out, keep,
            gates, squashed, cells, attention, attended, fed, joined, hiddens,
        ) = ctx.saved_tensors  # fmt: skip
        steps, rows, units = attended.shape
        sources = len(keys)
        grad_gates = torch.empty_like(gates)
        grad_pre = torch.empty_like(attended)
        grad_scores = torch.empty_like(attention)
        grad_context = torch.empty_like(attended)
        from_feed = torch.zeros_like(cells[0])
        from_hidden = torch.zeros_like(cells[0])
        from_cell = torch.zeros_like(cells[0])
        for t in reversed(range(steps)):
            grad = grad_out[t] + from_feed
            if keep is not None:
                grad = grad * keep[t]
            grad_pre[t] = grad * (1 - attended[t] * attended[t])
            grad_joined = torch.mm(grad_pre[t].to(w_out.dtype), w_out).to(grad.dtype)
            grad_context[t] = grad_joined[:, :units]
            context = grad_context[t].view(sources, -1, units)
            grad_weights = torch.bmm(context, values.transpose(1, 2))
            weights = attention[t]
            inner = (weights * grad_weights).sum(dim=-1, keepdim=True)
            grad_scores[t] = weights * (grad_weights - inner)
            grad_hidden = grad_joined[:, units:] + from_hidden
            grad_hidden += torch.bmm(grad_scores[t], keys).view(rows, units)
            grad_gates[t], from_cell = _cell_backward(
                grad_hidden, from_cell, gates[t], cells[t], squashed[t]
            )
            back = torch.mm(grad_gates[t].to(w_recurrent.dtype), w_recurrent).to(grad.dtype)
            from_feed, from_hidden = back[:, :units], back[:, units:]
        grad_w_recurrent = torch.mm(grad_gates.flatten(0, 1).to(fed.dtype).t(), fed.flatten(0, 1))
        grad_w_out = torch.mm(grad_pre.flatten(0, 1).to(joined.dtype).t(), joined.flatten(0, 1))
        grad_keys = _over_steps(grad_scores, hiddens)
        grad_values = _over_steps(attention, grad_context)
        return (
            grad_gates, grad_keys, grad_values, None, from_hidden, from_cell,
            grad_w_recurrent, grad_w_out, None,
        )  # fmt: skip


def _over_steps(weights: Tensor, rows: Tensor) -> Tensor:
    """Sum weights [T, B, K, S] times rows [T, R, H] over steps and candidates, to [B, S, H]."""
    steps, sources, _, source_steps = weights.shape
    left = weights.permute(1, 3, 0, 2).reshape(sources, source_steps, -1)
    right = rows.view(steps, sources, -1, rows.shape[-1]).transpose(0, 1)
    return torch.bmm(left, right.reshape(sources, -1, rows.shape[-1]))


def decoder_scan(
    gates_in: Tensor,
    keys: Tensor,
    values: Tensor,
    bias: Tensor,
    hidden: Tensor,
    cell: Tensor,
    w_recurrent: Tensor,
    w_out: Tensor,
    keep: Tensor | None,
) -> Tensor:
    """Run the attentional decoder with input feeding over given target prefixes.

    Args:
        gates_in: [T, R, 4H] the embeddings' part of the gates, biases included (i, f, g, o).
        keys: [B, S, H] encoder states times the attention matrix.
        values: [B, S, H] encoder states.
        bias: [B, 1, S] 0 at source tokens, -inf at padding.
        hidden: [R, H] initial hidden state; each source's K rows stand together.
        cell: [R, H] initial cell.
        w_recurrent: [4H, 2H] weights of [feed, hidden], in the type of the matrix products.
        w_out: [H, 2H] weights of [context, hidden], in the type of the matrix products.
        keep: [T, R, H] dropout factors of the attentional output, or None.

    Returns:
        [T, R, H] attentional outputs (after dropout), as fed to the next step.
    """
    return _DecoderScan.apply(  # type: ignore[no-any-return, no-untyped-call]
        gates_in, keys, values, bias, hidden, cell, w_recurrent, w_out, keep
    )
