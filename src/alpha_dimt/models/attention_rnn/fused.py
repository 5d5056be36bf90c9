"""The paper's model on a CPU: the parameters of `model.AttentionRnn`, computed faster.

`docs/explanation/kernels.md` says what each trick replaces and what it buys. Shapes are those of
`model`, and M is the number of columns of a packed output weight.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.kernels import (
    Workspace,
    decoder_scan,
    lstm_cell,
    lstm_scan,
    pack_output_weight,
    permute_gates,
    tanh_,
    vocabulary_logits,
    with_bias,
    with_one,
)
from alpha_dimt.models.attention_rnn.model import AttentionRnn
from alpha_dimt.models.base import DecoderOutputs, Step
from alpha_dimt.models.output_layer import FusedOutput


@dataclass(frozen=True)
class Encoded:
    """Encoded sources.

    Attributes:
        keys: [B, S, H] encoder states times the attention matrix.
        values: [B, S, H] encoder states.
        mask: [B, 1, S] 0 at source tokens, -inf at padding.
        hidden: [B, H] initial decoder state.
        cell: [B, H] initial decoder cell.
    """

    keys: Tensor
    values: Tensor
    mask: Tensor
    hidden: Tensor
    cell: Tensor


@dataclass(frozen=True)
class StepWeights:
    """The decoder's weights as one step takes them, in the type of the matrix products.

    Attributes:
        gates: [4H, E + 2H + 2] of (word, hidden state, input feed, 1, 0), permuted by
            `permute_gates`.
        combine: [H, 2H] of (context, hidden state).
        output: [M, V] of the attentional output; see `pack_output_weight`.
        logits: holds the logits of a step until the next one.
    """

    gates: Tensor
    combine: Tensor
    output: Tensor
    logits: Workspace


@dataclass(frozen=True)
class DecoderState:
    """What the decoder carries from step to step, for B sources and R rows.

    Attributes:
        weights: the same at every step.
        source: the encoded sources; the rows of a source are adjacent, equally many each.
        hidden: [R, H].
        cell: [R, H].
        input_feed: [R, H] the attentional output of the step before.
    """

    weights: StepWeights
    source: Encoded
    hidden: Tensor
    cell: Tensor
    input_feed: Tensor


class FusedAttentionRnn(FusedOutput, AttentionRnn):
    """The same parameters and the same function as `AttentionRnn`, on the kernels for CPUs.

    Attributes:
        rows_multiple: products over tokens, or over the rows of all steps, have a multiple of this
            many rows. The CPU library compiles a kernel for each new matrix shape (a few
            milliseconds) and caches about a thousand of them, so shapes are rounded up.
        sources_together: this many sources leave the decoder at once, for the same reason.
    """

    rows_multiple = 128
    sources_together = 32

    def __init__(
        self, options: AttentionRnnConfig, *, source_vocab_size: int, target_vocab_size: int
    ) -> None:
        """Make the parameters; `initialise` fills them."""
        super().__init__(
            options, source_vocab_size=source_vocab_size, target_vocab_size=target_vocab_size
        )
        # [V, H] in the memory order of [H, V], which suits products with a large vocabulary.
        self.output.weight = nn.Parameter(torch.empty(options.hidden, target_vocab_size).t())

    @staticmethod
    def _embed(words: Tensor, table: nn.Embedding) -> Tensor:
        """Look words up, with a sparse gradient."""
        return F.embedding(words, table.weight, sparse=True)

    def encode(self, source: Tensor, lengths: Tensor) -> Encoded:
        """Encode padded sources; see `TranslationModel`."""
        values, hidden, cell = self._encode_scan(source, lengths)
        steps = torch.arange(source.shape[1])
        mask = torch.zeros(source.shape, dtype=values.dtype)
        mask.masked_fill_(steps >= lengths[:, None], -torch.inf)
        # score = (W hidden) . value = hidden . (W^T value)
        weight = self.attention.weight.t().to(self.product_dtype)
        keys = F.linear(values.to(self.product_dtype), weight).to(values.dtype)
        return Encoded(keys, values, mask[:, None, :], hidden, cell)

    def _encode_scan(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return states [B, S, H], last hidden state and cell [B, H], by `lstm_scan`."""
        steps = torch.arange(source.shape[1])
        # The backward direction reads each sentence from its last word, so padding comes last in
        # both directions and reaches no state that is used.
        flip = (lengths[:, None] - 1 - steps).remainder(source.shape[1])
        both = torch.stack((source, source.gather(1, flip)))
        words = self._embed(both.transpose(1, 2), self.source_embedding)
        w_ih, w_hh, bias = (
            torch.stack(directions)
            for directions in zip(
                *(
                    (permute_gates(w_ih), permute_gates(w_hh), permute_gates(b_ih + b_hh))
                    for w_ih, w_hh, b_ih, b_hh in self.encoder.all_weights
                ),
                strict=True,
            )
        )
        hiddens, cells = lstm_scan(
            words, w_ih, bias, w_hh, dtype=self.product_dtype
        )  # [2, S, B, H / 2]
        last = (lengths - 1)[None, None, :, None].expand(2, 1, -1, hiddens.shape[-1])
        hidden = hiddens.gather(1, last)[:, 0].transpose(0, 1).flatten(1)
        cell = cells.gather(1, last)[:, 0].transpose(0, 1).flatten(1)
        batch = hiddens.permute(2, 1, 0, 3)  # [B, S, 2, H / 2]
        place = flip + torch.arange(len(flip))[:, None] * source.shape[1]
        backward = batch[:, :, 1].flatten(0, 1).index_select(0, place.flatten())
        return torch.cat((batch[:, :, 0], backward.view_as(batch[:, :, 0])), dim=-1), hidden, cell

    def decoder_outputs(
        self, encoded: Encoded, target: Tensor, lengths: Tensor, *, inputs: Tensor | None = None
    ) -> DecoderOutputs:
        """Return what the output layer reads; arguments as of `token_log_probs`."""
        candidates = len(target) // len(encoded.keys)
        counts, step, row = packed_steps(lengths, candidates, self.sources_together)
        real = (step < lengths[row]).nonzero()[:, 0]
        count = len(real)
        real = padded_index(real, self.rows_multiple)  # padding gets no gradient
        read_at = padded_index(row * target.shape[1] + step, self.rows_multiple)
        step, row = step[real], row[real]
        read = target if inputs is None else F.pad(inputs, (0, 1))
        embedded = self._embed(read.flatten().index_select(0, read_at), self.target_embedding)
        w_embedding, w_input_feed = self._input_weights()
        dropout_mask = None
        if self.training and self.dropout:
            shape = (len(embedded), self.decoder.hidden_size)
            dropout_mask = dropout_factors(shape, self.dropout, embedded)
        out = decoder_scan(
            embedded,
            w_ih=permute_gates(w_embedding),
            bias=permute_gates(self.decoder.bias_ih + self.decoder.bias_hh),
            w_recurrent=permute_gates(torch.cat((self.decoder.weight_hh, w_input_feed), dim=1)),
            w_out=self.combine.weight,
            keys=encoded.keys,
            values=encoded.values,
            mask=encoded.mask,
            hidden=encoded.hidden.repeat_interleave(candidates, dim=0),
            cell=encoded.cell.repeat_interleave(candidates, dim=0),
            dropout_mask=dropout_mask,
            counts=counts,
            dtype=self.product_dtype,
        )
        # The gradient of `index_select` adds rows; that of indexing adds elements.
        x = out.index_select(0, real)
        return DecoderOutputs(x, target[row, step + 1], row[:count], step[:count])

    def _input_weights(self) -> tuple[Tensor, Tensor]:
        """Return the parts of the decoder's input weights for the word and for the input feed."""
        width = self.target_embedding.embedding_dim
        return self.decoder.weight_ih[:, :width], self.decoder.weight_ih[:, width:]

    @torch.no_grad()
    def start(self, encoded: Encoded) -> DecoderState:
        """Return the state before the first target token, one row a source."""
        w_embedding, w_input_feed = self._input_weights()
        gates = torch.cat((w_embedding, self.decoder.weight_hh, w_input_feed), dim=1)
        bias = self.decoder.bias_ih + self.decoder.bias_hh
        weights = StepWeights(
            gates=with_bias(permute_gates(gates), permute_gates(bias), self.product_dtype),
            combine=self.combine.weight.to(self.product_dtype),
            output=pack_output_weight(self.output.weight, self.output.bias, self.product_dtype),
            logits=Workspace(),
        )
        input_feed = torch.zeros_like(encoded.hidden)
        return DecoderState(weights, encoded, encoded.hidden, encoded.cell, input_feed)

    @torch.no_grad()
    def step(self, state: DecoderState, previous: Tensor) -> Step:
        """Advance every row by one token; see `TranslationModel`."""
        weights, source = state.weights, state.source
        word = F.embedding(previous, self.target_embedding.weight)
        joined = with_one(
            torch.cat((word, state.hidden, state.input_feed), dim=1), self.product_dtype
        )
        gates = torch.mm(joined, weights.gates.t()).to(word.dtype)
        cell, tanh_sigmoid, hidden = (torch.empty_like(state.cell) for _ in range(3))
        lstm_cell(gates, state.cell, cell, tanh_sigmoid, hidden)
        query = hidden.view(len(source.keys), -1, hidden.shape[1])
        scores = torch.baddbmm(source.mask, query, source.keys.transpose(1, 2))
        attention = scores.softmax(dim=-1)
        context = torch.bmm(attention, source.values).view_as(hidden)
        both = torch.cat((context, hidden), dim=1).to(self.product_dtype)
        input_feed = tanh_(torch.mm(both, weights.combine.t()).to(word.dtype))
        logits = vocabulary_logits(input_feed, weights.output, weights.logits)
        after = replace(state, hidden=hidden, cell=cell, input_feed=input_feed)
        return Step(logits, attention.flatten(0, 1), after)

    def select(
        self, state: DecoderState, rows: Tensor, sources: Tensor | None = None
    ) -> DecoderState:
        """Return the state of some rows; see `TranslationModel`."""
        source = state.source
        if sources is not None:
            source = Encoded(*(value[sources] for value in vars(source).values()))
        return replace(
            state,
            source=source,
            hidden=state.hidden[rows],
            cell=state.cell[rows],
            input_feed=state.input_feed[rows],
        )


def packed_steps(
    lengths: Tensor, candidates: int, together: int
) -> tuple[list[int], Tensor, Tensor]:
    """Lay out rows and steps as `decoder_scan` takes them.

    Args:
        lengths: [R] steps of each row, at least 1; on the CPU.
        candidates: K, rows of a source.
        together: this many sources leave at once.

    Returns:
        The number of sources in each step; and the step and the row of each of N packed rows.
    """
    longest = lengths.numpy().reshape(-1, candidates).max(axis=1)
    reach = np.maximum.accumulate(longest[::-1])[::-1]  # of a source and all that come after it
    reach = reach[::together].repeat(together)[: len(reach)]
    part = np.arange(reach[0])[:, None] < reach
    step, row = part.repeat(candidates, axis=1).nonzero()
    return part.sum(axis=1).tolist(), torch.from_numpy(step), torch.from_numpy(row)


def padded_index(index: Tensor, multiple: int) -> Tensor:
    """Return an index [N], padded with 0 to a multiple of some size."""
    return F.pad(index, (0, -len(index) % multiple))


def dropout_factors(shape: tuple[int, ...], rate: float, like: Tensor) -> Tensor:
    """Return 0 with probability `rate` (to 1 / 65,536), else 1 / (1 - rate).

    Each entry takes 16 random bits, four entries one draw of the generator. Type and device are
    those of `like`.
    """
    count = 1
    for size in shape:
        count *= size
    bits = torch.empty(-(-count // 4), dtype=torch.int64, device=like.device)
    bits.random_(-(2**63), None)
    threshold = round(rate * 2**16) - 2**15
    kept = bits.view(torch.int16)[:count] >= threshold
    return kept.to(like.dtype).div_(1 - rate).view(shape)
