"""The paper's model on a CUDA device: the parameters of `model.AttentionRnn`, computed faster.

Nothing waits for the device, sums have a fixed order, and the recurrences are replayed as CUDA
graphs in training. `docs/explanation/gpu.md` says what that is worth and what was never tried.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.kernels import (
    GraphedFunction,
    Workspace,
    cuda_scans,
    pack_output_weight,
    send,
    vocabulary_logits,
    wide_product,
)
from alpha_dimt.models.attention_rnn.fused import Encoded, dropout_factors, padded_index
from alpha_dimt.models.attention_rnn.model import AttentionRnn
from alpha_dimt.models.base import DecoderOutputs, Step
from alpha_dimt.models.output_layer import FusedOutput


@dataclass(frozen=True)
class StepWeights:
    """The decoder's weights as one step takes them, in the type of the matrix products.

    Attributes:
        word: [E, 4H] of the word in the gates.
        recurrent: [2H, 4H] of (hidden state, input feed) in the gates.
        combine: [2H, H] of (context, hidden state).
        output: [M, V] of the attentional output; see `pack_output_weight`.
        logits: holds the logits of a step until the next one.
    """

    word: Tensor
    recurrent: Tensor
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


class CudaAttentionRnn(FusedOutput, AttentionRnn):
    """The same parameters and the same function as `AttentionRnn`, for a CUDA device.

    Attributes:
        rows_multiple: products over tokens have a multiple of this many rows.
        steps_multiple: training pads sources and candidates to a multiple of this many steps, so
            that a few CUDA graphs serve all batches.
    """

    rows_multiple = 128
    steps_multiple = 8

    def __init__(
        self, options: AttentionRnnConfig, *, source_vocab_size: int, target_vocab_size: int
    ) -> None:
        """Make the parameters; `initialise` fills them."""
        super().__init__(
            options, source_vocab_size=source_vocab_size, target_vocab_size=target_vocab_size
        )
        self._encoder_scan = GraphedFunction(self._scan_encoder)
        self._decoder_scan = GraphedFunction(self._scan_decoder)

    def _scan_encoder(self, gates: Tensor, w_hh: Tensor) -> tuple[Tensor, Tensor]:
        return cuda_scans.lstm_scan(gates, w_hh, dtype=self.product_dtype)

    def _scan_decoder(self, *tensors: Tensor) -> Tensor:
        return cuda_scans.decoder_scan(*tensors, dtype=self.product_dtype)

    def encode(self, source: Tensor, lengths: Tensor) -> Encoded:
        """Encode padded sources; see `TranslationModel`."""
        if torch.is_grad_enabled():
            source = F.pad(source, (0, -source.shape[1] % self.steps_multiple))
        size = source.shape[1]
        steps = torch.arange(size)
        # The backward direction reads each sentence from its last word, so padding comes last in
        # both directions and reaches no state that is used.
        flip = (lengths[:, None] - 1 - steps).remainder(size)
        first = torch.arange(len(flip))[:, None] * size
        mask = torch.zeros(flip.shape, dtype=self.output.weight.dtype)
        mask.masked_fill_(steps >= lengths[:, None], -torch.inf)
        place, last, mask = send(
            ((flip + first).flatten(), first[:, 0] + lengths - 1, mask), self.device
        )
        backward = source.flatten().index_select(0, place).view_as(source)
        words = F.embedding(torch.stack((source, backward)), self.source_embedding.weight)
        w_ih, w_hh, b_ih, b_hh = map(torch.stack, zip(*self.encoder.all_weights, strict=True))
        inputs = words.permute(2, 0, 1, 3).to(self.product_dtype)  # [S, 2, B, E]
        gates = torch.matmul(inputs, w_ih.to(self.product_dtype).transpose(1, 2)).to(words.dtype)
        hiddens, cells = self._encoder_scan(gates + (b_ih + b_hh)[:, None], w_hh)
        hidden, cell = (
            # [S, 2, B, H / 2] to [2, B S, H / 2], and to the last state of each sentence.
            each.permute(1, 2, 0, 3).flatten(1, 2).index_select(1, last).transpose(0, 1).flatten(1)
            for each in (hiddens, cells)
        )
        forward, backward = hiddens.permute(1, 2, 0, 3).flatten(1, 2)
        values = torch.cat((forward, backward.index_select(0, place)), dim=1)
        values = values.view(*source.shape, -1)
        # score = (W hidden) . value = hidden . (W^T value)
        weight = self.attention.weight.t().to(self.product_dtype)
        keys = F.linear(values.to(self.product_dtype), weight).to(values.dtype)
        return Encoded(keys, values, mask[:, None, :], hidden, cell)

    def decoder_outputs(
        self, encoded: Encoded, target: Tensor, lengths: Tensor, *, inputs: Tensor | None = None
    ) -> DecoderOutputs:
        """Return what the output layer reads; arguments as of `token_log_probs`."""
        rows = len(target)
        steps = target.shape[1] - 1
        steps += -steps % self.steps_multiple  # padding for all rows, so that shapes are few
        out = self._decode(encoded, target[:, :-1] if inputs is None else inputs, steps)
        # [T, R] on the CPU, so that nothing waits for the device.
        step, row = (torch.arange(steps)[:, None] < lengths).nonzero(as_tuple=True)
        # Padding gets no gradient.
        real = padded_index(step * rows + row, self.rows_multiple)
        wanted = padded_index(row * target.shape[1] + step + 1, self.rows_multiple)
        step, row, real, wanted = send((step, row, real, wanted), self.device)
        x = out.flatten(0, 1).index_select(0, real)
        return DecoderOutputs(x, target.flatten().index_select(0, wanted), row, step)

    def _decode(self, encoded: Encoded, read: Tensor, steps: int) -> Tensor:
        """Return attentional outputs [T, R, H] of so many steps, for the words read [R, .]."""
        read = F.pad(read, (0, steps - read.shape[1]))
        words = F.embedding(read.t(), self.target_embedding.weight)  # [T, R, E]
        width, candidates = words.shape[-1], len(read) // len(encoded.keys)
        w_word, w_feed = self.decoder.weight_ih[:, :width], self.decoder.weight_ih[:, width:]
        low = self.product_dtype
        gates = F.linear(words.to(low), w_word.to(low)).to(words.dtype)
        tensors = [
            gates + (self.decoder.bias_ih + self.decoder.bias_hh),
            torch.cat((self.decoder.weight_hh, w_feed), dim=1),
            self.combine.weight,
            encoded.keys,
            encoded.values,
            encoded.mask,
            encoded.hidden.repeat_interleave(candidates, dim=0),
            encoded.cell.repeat_interleave(candidates, dim=0),
        ]
        if self.training and self.dropout:
            shape = (steps, len(read), self.decoder.hidden_size)
            tensors.append(dropout_factors(shape, self.dropout, words))
        out: Tensor = self._decoder_scan(*tensors)
        return out

    @torch.no_grad()
    def start(self, encoded: Encoded) -> DecoderState:
        """Return the state before the first target token, one row a source."""
        width, w_ih = self.target_embedding.embedding_dim, self.decoder.weight_ih.t()
        weights = StepWeights(
            word=w_ih[:width].to(self.product_dtype),
            recurrent=torch.cat((self.decoder.weight_hh.t(), w_ih[width:])).to(self.product_dtype),
            combine=self.combine.weight.t().to(self.product_dtype),
            output=pack_output_weight(self.output.weight, self.output.bias, self.product_dtype),
            logits=Workspace(),
        )
        input_feed = torch.zeros_like(encoded.hidden)
        return DecoderState(weights, encoded, encoded.hidden, encoded.cell, input_feed)

    @torch.no_grad()
    def step(self, state: DecoderState, previous: Tensor) -> Step:
        """Advance every row by one token; see `TranslationModel`."""
        weights, source, wide = state.weights, state.source, state.hidden.dtype
        word = F.embedding(previous, self.target_embedding.weight).to(self.product_dtype)
        before = torch.cat((state.hidden, state.input_feed), dim=1).to(self.product_dtype)
        hidden, cell, _ = torch.ops.aten._thnn_fused_lstm_cell(
            wide_product(word, weights.word, wide),
            wide_product(before, weights.recurrent, wide),
            state.cell,
            self.decoder.bias_ih,
            self.decoder.bias_hh,
        )
        query = hidden.view(len(source.keys), -1, hidden.shape[1])
        scores = torch.baddbmm(source.mask, query, source.keys.transpose(1, 2))
        attention = scores.softmax(dim=-1)
        context = torch.bmm(attention, source.values).view_as(hidden)
        both = torch.cat((context, hidden), dim=1).to(self.product_dtype)
        input_feed = wide_product(both, weights.combine, wide).tanh_()
        logits = vocabulary_logits(input_feed, weights.output, weights.logits)
        after = replace(state, hidden=hidden, cell=cell, input_feed=input_feed)
        return Step(logits, attention.flatten(0, 1), after)

    def select(
        self, state: DecoderState, rows: Tensor, sources: Tensor | None = None
    ) -> DecoderState:
        """Return the state of some rows; see `TranslationModel`."""
        source = state.source
        if sources is not None:
            source = Encoded(*(value.index_select(0, sources) for value in vars(source).values()))
        return replace(
            state,
            source=source,
            hidden=state.hidden.index_select(0, rows),
            cell=state.cell.index_select(0, rows),
            input_feed=state.input_feed.index_select(0, rows),
        )
