"""The paper's model in plain PyTorch: its definition, and the judge of everything faster.

A bidirectional LSTM encodes the source x_1 .. x_S. The decoder is an LSTM with "general" attention
and input feeding (Luong et al., 2015):

    s_j     = [forward LSTM; backward LSTM](x_j)                  encoder states
    h_t     = LSTM([e(y_t-1); f_t-1], h_t-1)                      f is fed back, f_0 = 0
    a_tj    = softmax over j of  s_j . (W_a h_t)                  attention ("general", Eq. 7, 8)
    c_t     = sum over j of  a_tj s_j                             context
    f_t     = dropout(tanh(W_c [c_t; h_t]))                       attentional output (Eq. 5)
    p(y_t)  = softmax(W_o f_t + b_o)                              next token (Eq. 6)

`fused.FusedAttentionRnn` has the same parameters and computes the same on the kernels.

Shapes: B sources, K candidates of each, R = B * K rows, S source steps, T target steps, N predicted
tokens, E embedding size, H hidden size, V vocabulary size.
"""

from contextlib import nullcontext
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.models.base import (
    DecoderOutputs,
    Step,
    fill_uniformly,
)
from alpha_dimt.models.output_layer import LinearOutput


@dataclass(frozen=True)
class DecoderState:
    """What the decoder carries from step to step, for R rows.

    Attributes:
        states: [R, S, H] encoder states s.
        padding: [R, S] whether a source position is padding.
        hidden: [R, H] hidden state h.
        cell: [R, H] cell of the LSTM.
        input_feed: [R, H] attentional output f of the step before.
    """

    states: Tensor
    padding: Tensor
    hidden: Tensor
    cell: Tensor
    input_feed: Tensor

    def rows(self, rows: Tensor) -> "DecoderState":
        """Return some of the rows, in the order given."""
        return DecoderState(*(getattr(self, field.name)[rows] for field in fields(self)))


class AttentionRnn(LinearOutput):
    """The encoder-decoder; 21,285,418 parameters at the paper's sizes."""

    def __init__(
        self, options: AttentionRnnConfig, *, source_vocab_size: int, target_vocab_size: int
    ) -> None:
        """Make the parameters; `initialise` fills them."""
        super().__init__()
        embedding_size, hidden_size = options.embedding, options.hidden
        self.init, self.dropout = options.init, options.dropout
        self.state_size = hidden_size
        self.source_embedding = nn.Embedding(source_vocab_size, embedding_size)
        self.encoder = nn.LSTM(embedding_size, hidden_size // 2, bidirectional=True)
        self.target_embedding = nn.Embedding(target_vocab_size, embedding_size)
        self.decoder = nn.LSTMCell(embedding_size + hidden_size, hidden_size)
        self.attention = nn.Linear(hidden_size, hidden_size, bias=False)
        self.combine = nn.Linear(2 * hidden_size, hidden_size, bias=False)
        self.output = nn.Linear(hidden_size, target_vocab_size)

    def initialise(self, generator: torch.Generator) -> None:
        """Fill all parameters uniformly from [-init, init]."""
        fill_uniformly(self, self.init, generator)

    def encode(self, source: Tensor, lengths: Tensor) -> Any:
        """Encode padded sources; see `TranslationModel`. Returns the decoder's initial state."""
        # Autocast computes an LSTM in float16 on a GPU, whatever type it is asked for, and fails on
        # a CPU without bf16.
        wide = source.is_cuda or not torch.ops.mkldnn._is_mkldnn_bf16_supported()
        with nullcontext() if wide else self._precision():
            words = self.source_embedding(source.t())
            packed = pack_padded_sequence(words, lengths, enforce_sorted=False)
            states, (hidden, cell) = self.encoder(packed)
        states, _ = pad_packed_sequence(states, batch_first=True, total_length=source.shape[1])
        # The last states of both directions, side by side, start the decoder.
        hidden, cell = (last.transpose(0, 1).flatten(1).to(words.dtype) for last in (hidden, cell))
        padding = torch.arange(source.shape[1]) >= lengths[:, None]
        return DecoderState(
            states.to(words.dtype),
            padding.to(source.device, non_blocking=True),
            hidden,
            cell,
            torch.zeros_like(hidden),
        )

    @property
    def output_parameters(self) -> tuple[Tensor, Tensor]:
        """See `LinearOutput`."""
        return self.output.weight, self.output.bias

    def decoder_outputs(
        self, encoded: Any, target: Tensor, lengths: Tensor, *, inputs: Tensor | None = None
    ) -> DecoderOutputs:
        """Return what the output layer reads; arguments as of `token_log_probs`."""
        sources, (rows, steps) = len(encoded.hidden), (len(target), target.shape[1] - 1)
        each = torch.arange(sources, device=target.device).repeat_interleave(rows // sources)
        state = encoded.rows(each)
        outputs = []
        for previous in (target[:, :-1] if inputs is None else inputs).unbind(dim=1):
            state, _ = self._advance(state, previous)
            outputs.append(state.input_feed)
        real = (torch.arange(steps) < lengths[:, None]).to(target.device, non_blocking=True)
        row, step = real.nonzero(as_tuple=True)
        x = torch.stack(outputs, dim=1)[row, step]
        return DecoderOutputs(x, target[row, step + 1], row, step)

    @torch.no_grad()
    def start(self, encoded: Any) -> Any:
        """Return the state before the first target token; see `TranslationModel`."""
        return encoded

    @torch.no_grad()
    def step(self, state: Any, previous: Tensor) -> Step:
        """Advance every row by one token; see `TranslationModel`."""
        after, attention = self._advance(state, previous, dropout=False)
        return Step(self._logits(after.input_feed), attention, after)

    def select(self, state: Any, rows: Tensor, sources: Tensor | None = None) -> Any:
        """Return the state of some rows; see `TranslationModel`."""
        return state.rows(rows)

    def _advance(
        self, state: DecoderState, previous: Tensor, *, dropout: bool = True
    ) -> tuple[DecoderState, Tensor]:
        """Read one token a row [R]; return the state after it, and the attention [R, S]."""
        with self._precision():
            read = torch.cat((self.target_embedding(previous), state.input_feed), dim=1)
            hidden, cell = self.decoder(read, (state.hidden, state.cell))
            scores = torch.bmm(state.states, self.attention(hidden)[:, :, None])
            attention = scores[:, :, 0].masked_fill(state.padding, -torch.inf).softmax(dim=1)
            context = torch.bmm(attention[:, None], state.states)[:, 0]
            output = torch.tanh(self.combine(torch.cat((context, hidden), dim=1)))
        output = F.dropout(output, self.dropout, self.training and dropout)
        hidden, cell, output = (value.to(state.hidden.dtype) for value in (hidden, cell, output))
        return DecoderState(state.states, state.padding, hidden, cell, output), attention
