"""The Transformer in plain PyTorch: its definition, and the judge of everything faster.

Vaswani et al. (2017), with layer normalisation before each sublayer (pre-norm) and the target
embedding as output weight. D is the number of units, and every sublayer f adds to its input:

    x      = sqrt(D) e(y) + position(t)              word and sinusoidal position
    x      = x + dropout(f(norm(x)))                 f: self-attention, attention, feed-forward
    f(x)   = W_o [head_1; ..; head_h]                attention: head = softmax(q k^T / sqrt(d)) v
    f(x)   = W_2 max(0, W_1 x + b_1) + b_2           feed-forward
    p(y_t) = softmax(E norm(x_t) + b)                next token; E is the target embedding

`fused.FusedTransformer` has the same parameters and computes the same faster.

Shapes: B sources, K candidates of each, R = B * K rows, S source steps, T target steps, N predicted
tokens, D units, V vocabulary size.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alpha_dimt.config.models import TransformerConfig
from alpha_dimt.models.base import (
    DecoderOutputs,
    Step,
)
from alpha_dimt.models.output_layer import LinearOutput


class Attention(nn.Module):
    """Multi-head attention of some states to others, or to themselves."""

    def __init__(self, units: int, heads: int) -> None:
        """Make the parameters."""
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(units, units)
        self.key_value = nn.Linear(units, 2 * units)
        self.output = nn.Linear(units, units)

    def split(self, x: Tensor) -> Tensor:
        """Return [B, T, D] as heads [B, heads, T, D / heads]."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, x: Tensor, context: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Attend from x [B, T, D] to the context [B, S, D].

        Args:
            x: states that attend.
            context: states that are attended to.
            visible: whether a state may attend to another; broadcast to [B, heads, T, S].

        Returns:
            [B, T, D], and the attention [B, heads, T, S].
        """
        query = self.split(self.query(x))
        key, value = (self.split(part) for part in self.key_value(context).chunk(2, dim=2))
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
        attention = scores.masked_fill(~visible, -torch.inf).softmax(dim=3)
        return self.output((attention @ value).transpose(1, 2).flatten(2)), attention


class Layer(nn.Module):
    """A layer of the encoder, or of the decoder: then it also attends to the source."""

    def __init__(self, options: TransformerConfig, *, decoder: bool) -> None:
        """Make the parameters."""
        super().__init__()
        units = options.units
        self.self_norm = nn.LayerNorm(units)
        self.self_attention = Attention(units, options.heads)
        if decoder:
            self.source_norm = nn.LayerNorm(units)
            self.source_attention = Attention(units, options.heads)
        self.inner_norm = nn.LayerNorm(units)
        self.inner = nn.Linear(units, options.inner)
        self.outer = nn.Linear(options.inner, units)


@dataclass(frozen=True)
class Prefixes:
    """What the decoder carries from step to step: everything that it has read.

    Attributes:
        states: [R, S, D] encoder states.
        real: [R, S] whether a source position is a word.
        read: [R, t] tokens so far.
    """

    states: Tensor
    real: Tensor
    read: Tensor


class Transformer(LinearOutput):
    """The encoder-decoder."""

    def __init__(
        self, options: TransformerConfig, *, source_vocab_size: int, target_vocab_size: int
    ) -> None:
        """Make the parameters; `initialise` fills them."""
        super().__init__()
        self.units, self.dropout = options.units, options.dropout
        self.state_size = options.units
        self.source_embedding = nn.Embedding(source_vocab_size, options.units)
        self.target_embedding = nn.Embedding(target_vocab_size, options.units)
        self.output_bias = nn.Parameter(torch.empty(target_vocab_size))
        self.encoder: Any = nn.ModuleList(
            Layer(options, decoder=False) for _ in range(options.layers)
        )
        self.decoder: Any = nn.ModuleList(
            Layer(options, decoder=True) for _ in range(options.layers)
        )
        self.encoder_norm = nn.LayerNorm(options.units)
        self.decoder_norm = nn.LayerNorm(options.units)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Fill matrices by Glorot and Bengio (2010), embeddings from a normal of 1 / sqrt(D)."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, generator=generator)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=self.units**-0.5, generator=generator)
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()
        nn.init.zeros_(self.output_bias)

    def encode(self, source: Tensor, lengths: Tensor) -> Any:
        """Encode padded sources; see `TranslationModel`. Returns the decoder's first state."""
        real = (torch.arange(source.shape[1]) < lengths[:, None]).to(source.device)
        with self._precision():
            x = self._drop(self._embed(self.source_embedding, source))
            for layer in self.encoder:
                x, _ = self._attend(layer.self_norm, layer.self_attention, x, real[:, None, None])
                x = self._feed_forward(layer, x)
            states = self.encoder_norm(x).to(x.dtype)
        return Prefixes(states, real, source[:, :0])

    @property
    def output_parameters(self) -> tuple[Tensor, Tensor]:
        """See `LinearOutput`; the weight is that of the target embedding."""
        return self.target_embedding.weight, self.output_bias

    def decoder_outputs(
        self, encoded: Any, target: Tensor, lengths: Tensor, *, inputs: Tensor | None = None
    ) -> DecoderOutputs:
        """Return what the output layer reads; arguments as of `token_log_probs`."""
        rows, steps = len(target), target.shape[1] - 1
        each = torch.arange(len(encoded.states), device=target.device)
        each = each.repeat_interleave(rows // len(encoded.states))
        read = target[:, :-1] if inputs is None else inputs
        x, _ = self._decode(Prefixes(encoded.states[each], encoded.real[each], read))
        row, step = (torch.arange(steps) < lengths[:, None]).nonzero(as_tuple=True)
        row, step = row.to(target.device), step.to(target.device)
        return DecoderOutputs(x[row, step], target[row, step + 1], row, step)

    @torch.no_grad()
    def start(self, encoded: Any) -> Any:
        """Return the state before the first target token; see `TranslationModel`."""
        return encoded

    @torch.no_grad()
    def step(self, state: Any, previous: Tensor) -> Step:
        """Advance every row by one token; see `TranslationModel`."""
        read = torch.cat((state.read, previous[:, None]), dim=1)
        after = Prefixes(state.states, state.real, read)
        x, attention = self._decode(after)
        return Step(self._logits(x[:, -1]), attention[:, :, -1].mean(dim=1), after)

    def select(self, state: Any, rows: Tensor, sources: Tensor | None = None) -> Any:
        """Return the state of some rows; see `TranslationModel`."""
        return Prefixes(state.states[rows], state.real[rows], state.read[rows])

    def _embed(self, table: nn.Embedding, words: Tensor) -> Tensor:
        """Return words [B, T] as [B, T, D], with their positions."""
        positions = sinusoids(words.shape[1], self.units, table.weight)
        embedded: Tensor = table(words)
        return math.sqrt(self.units) * embedded + positions

    def _decode(self, state: Prefixes) -> tuple[Tensor, Tensor]:
        """Return states [R, T, D], and the last layer's attention [R, heads, T, S]."""
        steps = torch.arange(state.read.shape[1], device=state.read.device)
        past, real = steps <= steps[:, None], state.real[:, None, None]
        with self._precision():
            x = self._drop(self._embed(self.target_embedding, state.read))
            for layer in self.decoder:
                x, _ = self._attend(layer.self_norm, layer.self_attention, x, past)
                x, attention = self._attend(
                    layer.source_norm, layer.source_attention, x, real, state.states
                )
                x = self._feed_forward(layer, x)
            return self.decoder_norm(x).to(x.dtype), attention

    def _attend(
        self,
        norm: nn.Module,
        attention: nn.Module,
        x: Tensor,
        visible: Tensor,
        context: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return x after attention to the context, by default to itself, and the attention."""
        normed = norm(x)
        out, weights = attention(normed, normed if context is None else context, visible)
        return x + self._drop(out), weights

    def _feed_forward(self, layer: Any, x: Tensor) -> Tensor:
        return x + self._drop(layer.outer(F.relu(layer.inner(layer.inner_norm(x)))))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


def sinusoids(steps: int, units: int, like: Tensor, *, first: int = 0) -> Tensor:
    """Return the positions of some steps [T, D]: sines, then cosines, of pos / 10000^(2 i / D)."""
    half = units // 2
    numbers = torch.arange(max(half, first + steps), dtype=torch.float64, device=like.device)
    rates = torch.exp(numbers[:half] * (-math.log(10_000) / half))
    angles = numbers[first : first + steps, None] * rates
    return torch.cat((angles.sin(), angles.cos()), dim=1).to(like)
