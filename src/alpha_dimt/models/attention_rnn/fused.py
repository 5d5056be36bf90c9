"""The paper's model: BiLSTM encoder, input-feeding LSTM decoder with "general" attention.

Shapes: B sources, K candidates of each, R = B * K rows, S source steps, T target steps, E embedding
units, H decoder units, V words. Steps come first inside the model.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.kernels import (
    Spare,
    cell_order,
    cell_step,
    decoder_scan,
    lstm_scan,
    tanh_,
    token_log_probs,
    with_bias,
    with_one,
    word_products,
    word_weights,
)

ROWS = 128
"""Products over tokens or over rows of all steps have a multiple of so many.

A product of a new size costs the library a new kernel, some milliseconds; a thousand are kept.
"""

GROUP = 32
"""So many sources at once leave the decoder, for the same reason."""


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
    """The decoder's weights as one step wants them, in the type of the matrix products.

    Attributes:
        gates: [4H, E + 2H + 2] of (word, hidden state, feed, 1, 0); rows as `cell_order` has them.
        combine: [H, 2H] of (context, hidden state).
        output: [M, V] of the attentional output; see `word_weights`.
        logits: where every step writes them.
    """

    gates: Tensor
    combine: Tensor
    output: Tensor
    logits: Spare


@dataclass(frozen=True)
class DecoderState:
    """What the decoder carries from step to step, for B sources and R rows.

    Attributes:
        weights: the same at every step.
        source: the encoded sources; each source's rows stand together, equally many.
        hidden: [R, H].
        cell: [R, H].
        feed: [R, H] the attentional output of the step before.
    """

    weights: StepWeights
    source: Encoded
    hidden: Tensor
    cell: Tensor
    feed: Tensor


class Seq2Seq(nn.Module):
    """Parameters as in the authors' model; 21,285,418 at the paper's sizes."""

    def __init__(self, sizes: AttentionRnnConfig, *, source_words: int, target_words: int) -> None:
        """Make the parameters; `initialise` fills them."""
        super().__init__()
        units = sizes.hidden
        self.dropout = sizes.dropout
        self.source_embedding = nn.Embedding(source_words, sizes.embedding)
        self.encoder = nn.LSTM(sizes.embedding, units // 2, bidirectional=True)
        self.target_embedding = nn.Embedding(target_words, sizes.embedding)
        self.decoder = nn.LSTMCell(sizes.embedding + units, units)
        self.attention = nn.Linear(units, units, bias=False)
        self.combine = nn.Linear(2 * units, units, bias=False)
        self.output = nn.Linear(units, target_words)
        # [V, H] in the order of [H, V], as the fast products of so many words want it.
        self.output.weight = nn.Parameter(torch.empty(units, target_words).t())
        self.compute_dtype = torch.float32

    def initialise(self, bound: float, generator: torch.Generator) -> None:
        """Fill all parameters uniformly from [-bound, bound]."""
        with torch.no_grad():
            for parameter in self.parameters():
                # Row by row, in whatever order a parameter is kept.
                values = torch.empty_like(parameter, memory_format=torch.contiguous_format)
                parameter.copy_(values.uniform_(-bound, bound, generator=generator))

    @property
    def _dtype(self) -> torch.dtype:
        """The type of the matrix products; a model in float64 multiplies in float64."""
        wide = self.output.weight.dtype
        return wide if wide == torch.float64 else self.compute_dtype

    @staticmethod
    def _embed(words: Tensor, table: nn.Embedding) -> Tensor:
        """Look words up; on the CPU with a sparse gradient, which a GPU would wait to sum."""
        return F.embedding(words, table.weight, sparse=not words.is_cuda)

    def encode(self, source: Tensor, lengths: Tensor) -> Encoded:
        """Encode padded sources.

        Args:
            source: [B, S] ids.
            lengths: [B] tokens of each source, at least 1; on the CPU.
        """
        encoder = self._encode_packed if source.is_cuda else self._encode_scan
        values, hidden, cell = encoder(source, lengths)
        steps = torch.arange(source.shape[1])
        mask = torch.zeros(source.shape, dtype=values.dtype)
        mask.masked_fill_(steps >= lengths[:, None], -torch.inf)
        # score = (W hidden) . value = hidden . (W^T value)
        weight = self.attention.weight.t().to(self._dtype)
        keys = F.linear(values.to(self._dtype), weight).to(values.dtype)
        on_device = mask.to(source.device, non_blocking=True)
        return Encoded(keys, values, on_device[:, None, :], hidden, cell)

    def _encode_scan(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return states [B, S, H], last hidden state and cell [B, H], by our own kernel."""
        steps = torch.arange(source.shape[1])
        # The backward direction reads each sentence from its last word, so that padding comes
        # last in both directions and reaches no state that is used.
        flip = (lengths[:, None] - 1 - steps).remainder(source.shape[1])
        both = torch.stack((source, source.gather(1, flip)))
        words = self._embed(both.transpose(1, 2), self.source_embedding)
        w_ih, w_hh, bias = (
            torch.stack(directions)
            for directions in zip(
                *(
                    (cell_order(w_ih), cell_order(w_hh), cell_order(b_ih + b_hh))
                    for w_ih, w_hh, b_ih, b_hh in self.encoder.all_weights
                ),
                strict=True,
            )
        )
        hiddens, cells = lstm_scan(words, w_ih, bias, w_hh, dtype=self._dtype)  # [2, S, B, H / 2]
        last = (lengths - 1)[None, None, :, None].expand(2, 1, -1, hiddens.shape[-1])
        hidden = hiddens.gather(1, last)[:, 0].transpose(0, 1).flatten(1)
        cell = cells.gather(1, last)[:, 0].transpose(0, 1).flatten(1)
        batch = hiddens.permute(2, 1, 0, 3)  # [B, S, 2, H / 2]
        place = flip + torch.arange(len(flip))[:, None] * source.shape[1]
        backward = batch[:, :, 1].flatten(0, 1).index_select(0, place.flatten())
        return torch.cat((batch[:, :, 0], backward.view_as(batch[:, :, 0])), dim=-1), hidden, cell

    def _encode_packed(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the same by PyTorch's LSTM, which is cuDNN's on a GPU."""
        words = self._embed(source.t(), self.source_embedding)
        with torch.autocast(source.device.type, self._dtype, enabled=self._dtype == torch.bfloat16):
            packed = pack_padded_sequence(words, lengths, enforce_sorted=False)
            states, (hidden, cell) = self.encoder(packed)
        values, _ = pad_packed_sequence(states, batch_first=True, total_length=source.shape[1])
        wide = words.dtype
        return (
            values.to(wide),
            hidden.transpose(0, 1).flatten(1).to(wide),
            cell.transpose(0, 1).flatten(1).to(wide),
        )

    def log_probs(
        self,
        encoded: Encoded,
        target: Tensor,
        lengths: Tensor,
        *,
        inputs: Tensor | None = None,
    ) -> Tensor:
        """Return log p(y|x) of every candidate, summed over its tokens, with gradient.

        Args:
            encoded: B sources.
            target: [R, T + 1] framed candidates, padded; the K rows of a source stand together.
            lengths: [R] predicted tokens (everything after the first); on the CPU.
            inputs: [R, T] what the decoder reads instead of the candidates' own tokens.

        Returns:
            [R].
        """
        tokens, row, _ = self._token_log_probs(encoded, target, lengths, inputs)
        return tokens.new_zeros(len(target)).index_add(0, row, tokens)

    def chunk_log_probs(
        self, encoded: Encoded, target: Tensor, lengths: Tensor, *, chunk: int
    ) -> Tensor:
        """Return [C, R], the log-probabilities of each chunk of so many steps; see `log_probs`."""
        tokens, row, step = self._token_log_probs(encoded, target, lengths, None)
        chunks = -(-(target.shape[1] - 1) // chunk)
        flat = tokens.new_zeros(chunks * len(target))
        flat = flat.index_add(0, step // chunk * len(target) + row, tokens)
        return flat.view(chunks, len(target))

    def _token_log_probs(
        self, encoded: Encoded, target: Tensor, lengths: Tensor, inputs: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the log-probabilities of all N real tokens, their rows and their steps."""
        candidates = len(target) // len(encoded.keys)
        counts, step, row = packed_steps(lengths, candidates)
        real = (step < lengths[row]).nonzero()[:, 0]
        count = len(real)
        # All of it on the CPU, where nothing waits for a GPU. What fills up gets no gradient.
        real, read_at = filled(real), filled(row * target.shape[1] + step)
        read_at, step, row, real = (
            index.to(target.device, non_blocking=True)
            for index in (read_at, step[real], row[real], real)
        )
        read = target if inputs is None else F.pad(inputs, (0, 1))
        embedded = self._embed(read.flatten().index_select(0, read_at), self.target_embedding)
        w_embedding, w_feed = self._input_weights()
        keep = None
        if self.training and self.dropout:
            shape = (len(embedded), self.decoder.hidden_size)
            keep = dropout_factors(shape, self.dropout, embedded)
        out = decoder_scan(
            embedded,
            w_ih=cell_order(w_embedding),
            bias=cell_order(self.decoder.bias_ih + self.decoder.bias_hh),
            w_recurrent=cell_order(torch.cat((self.decoder.weight_hh, w_feed), dim=1)),
            w_out=self.combine.weight,
            keys=encoded.keys,
            values=encoded.values,
            mask=encoded.mask,
            hidden=encoded.hidden.repeat_interleave(candidates, dim=0),
            cell=encoded.cell.repeat_interleave(candidates, dim=0),
            keep=keep,
            counts=counts,
            dtype=self._dtype,
        )
        tokens = token_log_probs(
            # The gradient of `index_select` is a sum of rows; that of an index, of elements.
            out.index_select(0, real),
            self.output.weight,
            self.output.bias,
            target[row, step + 1],
            dtype=self._dtype,
        )
        return tokens[:count], row[:count], step[:count]

    def _input_weights(self) -> tuple[Tensor, Tensor]:
        """Return the parts of the decoder's input weights for the word and for the feed."""
        width = self.target_embedding.embedding_dim
        return self.decoder.weight_ih[:, :width], self.decoder.weight_ih[:, width:]

    @torch.no_grad()
    def start(self, encoded: Encoded) -> DecoderState:
        """Return the state before the first target token, one row a source."""
        w_embedding, w_feed = self._input_weights()
        gates = torch.cat((w_embedding, self.decoder.weight_hh, w_feed), dim=1)
        bias = self.decoder.bias_ih + self.decoder.bias_hh
        weights = StepWeights(
            gates=with_bias(cell_order(gates), cell_order(bias), self._dtype),
            combine=self.combine.weight.to(self._dtype),
            output=word_weights(self.output.weight, self.output.bias, self._dtype),
            logits=Spare(),
        )
        feed = torch.zeros_like(encoded.hidden)
        return DecoderState(weights, encoded, encoded.hidden, encoded.cell, feed)

    @torch.no_grad()
    def step(self, state: DecoderState, previous: Tensor) -> tuple[Tensor, Tensor, DecoderState]:
        """Advance every row by one token, without gradient or dropout.

        Args:
            state: R rows.
            previous: [R] the token before.

        Returns:
            [R, V] unnormalised log-probabilities, which the next step overwrites; [R, S]
            attention; and the state after.
        """
        weights, source = state.weights, state.source
        word = F.embedding(previous, self.target_embedding.weight)
        joined = with_one(torch.cat((word, state.hidden, state.feed), dim=1), self._dtype)
        gates = torch.mm(joined, weights.gates.t()).to(word.dtype)
        cell, squashed, hidden = (torch.empty_like(state.cell) for _ in range(3))
        cell_step(gates, state.cell, cell, squashed, hidden)
        query = hidden.view(len(source.keys), -1, hidden.shape[1])
        scores = torch.baddbmm(source.mask, query, source.keys.transpose(1, 2))
        attention = scores.softmax(dim=-1)
        context = torch.bmm(attention, source.values).view_as(hidden)
        both = torch.cat((context, hidden), dim=1).to(self._dtype)
        feed = tanh_(torch.mm(both, weights.combine.t()).to(word.dtype))
        logits = word_products(feed, weights.output, weights.logits)
        after = replace(state, hidden=hidden, cell=cell, feed=feed)
        return logits, attention.flatten(0, 1), after

    def select(
        self, state: DecoderState, rows: Tensor, sources: Tensor | None = None
    ) -> DecoderState:
        """Return the state of some rows; see `search.Stepper`."""
        source = state.source
        if sources is not None:
            source = Encoded(*(value[sources] for value in vars(source).values()))
        return replace(
            state,
            source=source,
            hidden=state.hidden[rows],
            cell=state.cell[rows],
            feed=state.feed[rows],
        )


def packed_steps(lengths: Tensor, candidates: int) -> tuple[list[int], Tensor, Tensor]:
    """Lay out rows and steps as `decoder_scan` wants them, GROUP sources together.

    Args:
        lengths: [R] steps of each row, at least 1; on the CPU.
        candidates: K, rows of a source.

    Returns:
        How many sources take part in each step; and of each of N packed rows its step and its row.
    """
    longest = lengths.numpy().reshape(-1, candidates).max(axis=1)
    reach = np.maximum.accumulate(longest[::-1])[::-1]  # of a source and all that come after it
    reach = reach[::GROUP].repeat(GROUP)[: len(reach)]
    part = np.arange(reach[0])[:, None] < reach
    step, row = part.repeat(candidates, axis=1).nonzero()
    return part.sum(axis=1).tolist(), torch.from_numpy(step), torch.from_numpy(row)


def filled(index: Tensor) -> Tensor:
    """Return an index [N] filled up with 0 to a multiple of ROWS."""
    return F.pad(index, (0, -len(index) % ROWS))


def dropout_factors(shape: tuple[int, ...], rate: float, like: Tensor) -> Tensor:
    """Return 0 with probability `rate` (to 1 / 65,536), else 1 / (1 - rate).

    16 random bits decide each entry: the generator is asked once for four of them. Type and device
    are those of `like`.
    """
    count = 1
    for size in shape:
        count *= size
    bits = torch.empty(-(-count // 4), dtype=torch.int64, device=like.device)
    bits.random_(-(2**63), None)
    threshold = round(rate * 2**16) - 2**15
    kept = bits.view(torch.int16)[:count] >= threshold
    return kept.to(like.dtype).div_(1 - rate).view(shape)
