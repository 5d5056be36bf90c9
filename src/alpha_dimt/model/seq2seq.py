"""The paper's model: BiLSTM encoder, input-feeding LSTM decoder with "general" attention.

Shapes: B sources, K candidates of each, R = B * K rows, S source steps, T target steps, E embedding
units, H decoder units, V words. Steps come first inside the model.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alpha_dimt.config import Model
from alpha_dimt.kernels import decoder_scan, lstm_scan, token_log_probs

ROWS = 128
"""The output layer computes a multiple of so many tokens."""


@dataclass(frozen=True)
class Encoded:
    """Encoded sources.

    Attributes:
        keys: [B, S, H] encoder states times the attention matrix.
        values: [B, S, H] encoder states.
        bias: [B, 1, S] 0 at source tokens, -inf at padding.
        hidden: [B, H] initial decoder state.
        cell: [B, H] initial decoder cell.
    """

    keys: Tensor
    values: Tensor
    bias: Tensor
    hidden: Tensor
    cell: Tensor


@dataclass(frozen=True)
class DecoderState:
    """What the decoder carries from step to step, for R rows.

    Attributes:
        source: the encoded sources, one a row.
        hidden: [R, H].
        cell: [R, H].
        feed: [R, H] the attentional output of the step before.
    """

    source: Encoded
    hidden: Tensor
    cell: Tensor
    feed: Tensor


class Seq2Seq(nn.Module):
    """Parameters as in the authors' model; 21,285,418 at the paper's sizes."""

    def __init__(self, sizes: Model, *, source_words: int, target_words: int) -> None:
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
        self.compute_dtype = torch.float32

    def initialise(self, bound: float, generator: torch.Generator) -> None:
        """Fill all parameters uniformly from [-bound, bound]."""
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-bound, bound, generator=generator)

    def _low(self, tensor: Tensor) -> Tensor:
        """Return a tensor in the type of the matrix products."""
        wide = tensor.dtype == torch.float64
        return tensor if wide else tensor.to(self.compute_dtype)

    def _linear(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return x weight^T, multiplied in the type of the matrix products, in the type of x."""
        return F.linear(self._low(x), self._low(weight)).to(x.dtype)

    def encode(self, source: Tensor, lengths: Tensor) -> Encoded:
        """Encode padded sources.

        Args:
            source: [B, S] ids.
            lengths: [B] tokens of each source, at least 1.
        """
        steps = torch.arange(source.shape[1], device=source.device)
        # The backward direction reads each sentence from its last word, so that padding comes
        # last in both directions and reaches no state that is used.
        flip = (lengths[:, None] - 1 - steps).remainder(source.shape[1])
        both = torch.stack((source, source.gather(1, flip)))
        embedded = F.embedding(both.transpose(1, 2), self.source_embedding.weight)  # [2, S, B, E]
        directions = self.encoder.all_weights
        gates = [
            self._linear(words, w_ih) + (b_ih + b_hh)
            for words, (w_ih, _, b_ih, b_hh) in zip(embedded, directions, strict=True)
        ]
        recurrent = torch.stack([w_hh for _, w_hh, _, _ in directions])
        hiddens, cells = lstm_scan(torch.stack(gates, dim=1), self._low(recurrent))
        last = (lengths - 1)[None, None, :, None].expand(1, 2, -1, hiddens.shape[-1])
        hidden = hiddens.gather(0, last)[0].transpose(0, 1).flatten(1)
        cell = cells.gather(0, last)[0].transpose(0, 1).flatten(1)
        batch = hiddens.permute(2, 0, 1, 3)  # [B, S, 2, H / 2]
        back = flip[:, :, None].expand(-1, -1, batch.shape[-1])
        values = torch.cat((batch[:, :, 0], batch[:, :, 1].gather(1, back)), dim=-1)
        bias = torch.zeros_like(source, dtype=values.dtype)
        bias.masked_fill_(steps >= lengths[:, None], -torch.inf)
        # score = (W hidden) . value = hidden . (W^T value)
        keys = self._linear(values, self.attention.weight.t())
        return Encoded(keys, values, bias[:, None, :], hidden, cell)

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
            lengths: [R] predicted tokens (everything after the first).
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
        rows, steps = len(target), target.shape[1] - 1
        candidates = rows // len(encoded.keys)
        read = target[:, :-1] if inputs is None else inputs
        embedded = F.embedding(read.t(), self.target_embedding.weight)
        width = embedded.shape[-1]
        w_embedding, w_feed = self.decoder.weight_ih[:, :width], self.decoder.weight_ih[:, width:]
        gates_in = self._linear(embedded, w_embedding)
        gates_in = gates_in + (self.decoder.bias_ih + self.decoder.bias_hh)
        keep = None
        if self.training and self.dropout:
            keep = gates_in.new_empty(steps, rows, self.decoder.hidden_size)
            keep = keep.bernoulli_(1 - self.dropout).div_(1 - self.dropout)
        out = decoder_scan(
            gates_in,
            encoded.keys,
            encoded.values,
            encoded.bias,
            encoded.hidden.repeat_interleave(candidates, dim=0),
            encoded.cell.repeat_interleave(candidates, dim=0),
            self._low(torch.cat((w_feed, self.decoder.weight_hh), dim=1)),
            self._low(self.combine.weight),
            keep,
        )
        real = torch.arange(steps, device=target.device)[:, None] < lengths
        step, row = real.nonzero(as_tuple=True)
        # Products of a new size cost the library a new kernel, which it keeps: a multiple of
        # ROWS makes few sizes. The rows that fill it up get no gradient.
        spare = -len(step) % ROWS
        steps_read, rows_read = F.pad(step, (0, spare)), F.pad(row, (0, spare))
        tokens = token_log_probs(
            self._low(out[steps_read, rows_read]),
            self._low(self.output.weight),
            self._low(self.output.bias),
            target[rows_read, steps_read + 1],
        )
        return tokens[: len(step)], row, step

    def start(self, encoded: Encoded) -> DecoderState:
        """Return the state before the first target token, one row a source."""
        return DecoderState(encoded, encoded.hidden, encoded.cell, torch.zeros_like(encoded.hidden))

    def step(self, state: DecoderState, previous: Tensor) -> tuple[Tensor, Tensor, DecoderState]:
        """Advance every row by one token, without gradient or dropout.

        Args:
            state: R rows.
            previous: [R] the token before.

        Returns:
            [R, V] unnormalised log-probabilities, [R, S] attention, and the state after.
        """
        decoder, source = self.decoder, state.source
        embedded = F.embedding(previous, self.target_embedding.weight)
        gates = self._linear(torch.cat((embedded, state.feed), dim=1), decoder.weight_ih)
        gates = gates + self._linear(state.hidden, decoder.weight_hh)
        i, f, g, o = (gates + decoder.bias_ih + decoder.bias_hh).chunk(4, dim=1)
        cell = f.sigmoid() * state.cell + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * cell.tanh()
        query = hidden[:, None, :]
        attention = torch.baddbmm(source.bias, query, source.keys.transpose(1, 2)).softmax(dim=-1)
        context = torch.bmm(attention, source.values)[:, 0]
        feed = self._linear(torch.cat((context, hidden), dim=1), self.combine.weight).tanh()
        logits = self._linear(feed, self.output.weight) + self.output.bias
        return logits, attention[:, 0], DecoderState(source, hidden, cell, feed)

    def select(self, state: DecoderState, rows: Tensor) -> DecoderState:
        """Return the state of some rows."""
        source = state.source
        return DecoderState(
            Encoded(
                keys=source.keys[rows],
                values=source.values[rows],
                bias=source.bias[rows],
                hidden=source.hidden[rows],
                cell=source.cell[rows],
            ),
            state.hidden[rows],
            state.cell[rows],
            state.feed[rows],
        )
