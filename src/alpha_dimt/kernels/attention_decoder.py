"""The recurrence of the attentional decoder with input feeding.

Each step covers a prefix of the batch: every source up to the last one that still has an unfinished
candidate. Rows at steps are packed, N of them, step by step, so padding costs nothing where sources
with longer targets come first. `reference.decoder_scan` says the same in plain PyTorch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from alpha_dimt.kernels.linear import with_bias, with_one
from alpha_dimt.kernels.lstm import lstm_cell, lstm_cell_backward


@dataclass(frozen=True)
class _Step:
    """Where one step is in packed arrays.

    Attributes:
        sources: number of sources in the step.
        rows: number of their rows.
        part: the step's sources among the M of all steps.
        now: the step's rows among the N of all steps.
        after: the step's rows among R + N, where the first R are the initial states.
        before: the same rows one step earlier, among R + N.
    """

    sources: int
    rows: int
    part: slice
    now: slice
    after: slice
    before: slice


def _steps(counts: Sequence[int], first: int, num_candidates: int) -> Iterator[_Step]:
    """Yield the steps, after `first` rows, with `num_candidates` rows a source."""
    old = done = 0
    for count in counts:
        size, start, new = (
            count * num_candidates,
            done * num_candidates,
            first + done * num_candidates,
        )
        yield _Step(
            sources=count,
            rows=size,
            part=slice(done, done + count),
            now=slice(start, start + size),
            after=slice(new, new + size),
            before=slice(old, old + size),
        )
        old, done = new, done + count


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
        dropout_mask: Tensor | None,
        counts: Sequence[int],
        dtype: torch.dtype,
    ) -> Tensor:
        total, rows, units = len(embedded), *hidden.shape
        num_candidates = rows // len(keys)
        x, w_x = with_one(embedded, dtype), with_bias(w_ih, bias, dtype)
        # tanh(x) = 1 - 2 sigmoid(-2 x), as in the cell.
        w_recurrent, w_out = w_recurrent.to(dtype), (-2 * w_out).to(dtype)
        if dropout_mask is None:
            dropout_mask = hidden.new_ones(()).expand(total, units)
        gates = torch.mm(x, w_x.t()).to(hidden.dtype)
        tanh_sigmoid, hiddens, combined, out = (hidden.new_empty(total, units) for _ in range(4))
        cells = hidden.new_empty(rows + total, units)
        cells[:rows] = cell
        attention = hidden.new_empty(sum(counts), num_candidates, keys.shape[1])
        # Context, hidden state and input feed side by side: (context, hidden) enters the output of
        # a step, (hidden, input feed) the gates of the next.
        # Zeros, since products may read beyond the columns asked for; see `as_table`.
        states = hidden.new_zeros(rows + total, 3 * units, dtype=dtype)
        states[:rows, units : 2 * units] = hidden
        for step in _steps(counts, rows, num_candidates):
            now, gate, state = step.now, gates[step.now], hiddens[step.now]
            gate += torch.mm(states[step.before, units:], w_recurrent.t())
            lstm_cell(gate, cells[step.before], cells[step.after], tanh_sigmoid[now], state)
            query, source = state.view(step.sources, num_candidates, units), slice(step.sources)
            scores = torch.baddbmm(mask[source], query, keys[source].transpose(1, 2))
            weights = torch.softmax(scores, dim=-1, out=attention[step.part])
            new = states[step.after]
            new[:, :units] = torch.bmm(weights, values[source]).view_as(state)
            new[:, units : 2 * units] = state
            mixed = combined[now].copy_(torch.mm(new[:, : 2 * units], w_out.t())).sigmoid_()
            new[:, 2 * units :] = torch.addcmul(
                dropout_mask[now], dropout_mask[now], mixed, value=-2, out=out[now]
            )
        ctx.counts = counts
        ctx.save_for_backward(
            x, w_x, w_recurrent, w_out, keys, values, dropout_mask,
            gates, tanh_sigmoid, cells, hiddens, combined, attention, states,
        )  # fmt: skip
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        (
            x, w_x, w_recurrent, w_out, keys, values, dropout_mask,
            gates, tanh_sigmoid, cells, hiddens, combined, attention, states,
        ) = ctx.saved_tensors  # fmt: skip
        dtype, wide = x.dtype, grad_out.dtype
        total, units = combined.shape
        rows = len(cells) - total
        num_candidates = rows // len(keys)
        steps = list(_steps(ctx.counts, rows, num_candidates))
        before = [step.before for step in steps]
        slope_out = (
            torch.addcmul(combined, combined, combined, value=-1).mul_(dropout_mask).mul_(-2)
        )
        grad_gates = torch.empty_like(gates, dtype=dtype)
        grad_pre = torch.empty_like(combined, dtype=dtype)
        real = steps[-1].now.stop
        grad_gates[real:] = grad_pre[real:] = 0
        grad_context = torch.empty_like(combined)
        grad_scores = torch.empty_like(attention)
        from_hidden, from_feed, grad_cell = grad_out.new_zeros(3, rows, units)
        for step in reversed(steps):
            now, active, source = step.now, slice(step.rows), slice(step.sources)
            shape = (step.sources, num_candidates, units)
            torch.mul(grad_out[now] + from_feed[active], slope_out[now], out=grad_pre[now])
            joined = torch.mm(grad_pre[now], w_out)
            context = grad_context[now].copy_(joined[:, :units]).view(shape)
            weights = torch.bmm(context, values[source].transpose(1, 2))
            scores = torch._softmax_backward_data(weights, attention[step.part], -1, wide)
            grad_scores[step.part] = scores
            grad_hidden = torch.baddbmm(from_hidden[active].view(shape), scores, keys[source])
            grad_hidden = grad_hidden.view(step.rows, units).add_(joined[:, units:])
            lstm_cell_backward(
                gates[now],
                cells[step.before],
                tanh_sigmoid[now],
                hiddens[now],
                grad_hidden=grad_hidden,
                grad_cell=grad_cell[active],
                grad_gates=grad_gates[now],
            )
            joined = torch.mm(grad_gates[now], w_recurrent)
            from_hidden[active] = joined[:, :units]
            from_feed[active] = joined[:, units:]
        grad_w_x = torch.mm(grad_gates.t(), x).to(wide)
        read = torch.cat([states[part, units:] for part in (*before, slice(rows + real, None))])
        over_steps = _OverSteps(ctx.counts, len(keys), keys.device)
        return (
            torch.mm(grad_gates, w_x[:, :-2]).to(wide),
            grad_w_x[:, :-2],
            grad_w_x[:, -2],
            torch.mm(grad_gates.t(), read).to(wide),
            torch.mm(grad_pre.t(), states[rows:, : 2 * units]).to(wide) * -2,
            over_steps(grad_scores, hiddens),
            over_steps(attention, grad_context),
            None,
            from_hidden,
            grad_cell,
            None,
            None,
            None,
        )


class _OverSteps:
    """Sums over steps and candidates of each source: [M, K, S] times [N, H] to [B, S, H]."""

    def __init__(self, counts: Sequence[int], sources: int, device: torch.device) -> None:
        sizes = torch.tensor(counts)
        source = torch.arange(sources)[:, None]
        there = source < sizes  # [B, T]
        place = torch.where(there, sizes.cumsum(0) - sizes + source, 0).flatten()
        self._sources = sources
        self._place = place.to(device, non_blocking=True)
        self._there = there.flatten()[:, None, None].to(device, non_blocking=True)

    def __call__(self, weights: Tensor, rows: Tensor) -> Tensor:
        left = weights.index_select(0, self._place) * self._there  # [B T, K, S]
        num_candidates = weights.shape[1]
        right = (
            rows[: len(weights) * num_candidates]
            .view(len(weights), -1)
            .index_select(0, self._place)
        )
        left = left.view(self._sources, -1, weights.shape[-1])
        right = right.view(self._sources, -1, rows.shape[-1])
        return torch.bmm(left.transpose(1, 2), right)


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
    dropout_mask: Tensor | None,
    counts: Sequence[int],
    dtype: torch.dtype,
) -> Tensor:
    """Run the decoder over given target prefixes.

    Args:
        embedded: [N, E] the words read, packed; rows beyond those of all steps are padding.
        w_ih: [4H, E] weights of the words in the gates, permuted by `permute_gates`.
        bias: [4H] of the gates, likewise.
        w_recurrent: [4H, 2H] weights of (hidden state, input feed) in the gates, likewise.
        w_out: [H, 2H] weights of (context, hidden state).
        keys: [B, S, H] encoder states times the attention matrix.
        values: [B, S, H] encoder states.
        mask: [B, 1, S] 0 at source tokens, -inf at padding.
        hidden: [R, H] initial hidden state; the K rows of a source are adjacent.
        cell: [R, H] initial cell.
        dropout_mask: [N, H] dropout factors of the attentional output, packed, or None.
        counts: sources in each step, with K rows each; at least 1, never increasing.
        dtype: of the matrix products.

    Returns:
        [N, H] attentional outputs (after dropout), which are fed to the next step, packed; the rows
        beyond those of all steps are meaningless.
    """
    return _DecoderScan.apply(  # type: ignore[no-any-return, no-untyped-call]
        embedded,
        w_ih,
        bias,
        w_recurrent,
        w_out,
        keys,
        values,
        mask,
        hidden,
        cell,
        dropout_mask,
        counts,
        dtype,
    )
