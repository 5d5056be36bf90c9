"""The Transformer, faster: the parameters of `model.Transformer`, the same function.

- The K candidates of a source attend to its keys and values, which are computed once.
- Search keeps keys and values of what it has read, instead of reading prefixes again.
- Log-probabilities come from the fused output layer, on real tokens only.
- Weights are converted to the type of the products once a batch, not at every step.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alpha_dimt.config.models import TransformerConfig
from alpha_dimt.kernels import (
    Workspace,
    affine,
    attend,
    pack_output_weight,
    send,
    vocabulary_logits,
)
from alpha_dimt.models.attention_rnn.fused import dropout_factors, padded_index
from alpha_dimt.models.base import DecoderOutputs, Step
from alpha_dimt.models.output_layer import FusedOutput
from alpha_dimt.models.transformer.model import Transformer, sinusoids

Affine = tuple[Tensor, Tensor]
"""Weight and bias in the type of the matrix products."""


@dataclass(frozen=True)
class LayerWeights:
    """A decoder layer as search needs it; see `model.Layer`.

    Attributes:
        query_key_value: of the self-attention.
        self_output: of the self-attention.
        query: of the attention to the source.
        source_output: of the attention to the source.
        inner: of the feed-forward layer.
        outer: of the feed-forward layer.
        norms: weights and biases of the three layer normalisations.
    """

    query_key_value: Affine
    self_output: Affine
    query: Affine
    source_output: Affine
    inner: Affine
    outer: Affine
    norms: tuple[Affine, ...]


@dataclass(frozen=True)
class Encoded:
    """B encoded sources.

    Attributes:
        states: [B, S, D].
        mask: [B, 1, 1, S], 0 at words and -inf at padding.
    """

    states: Tensor
    mask: Tensor

    def rows(self, rows: Tensor) -> "Encoded":
        """Return some of the sources."""
        return Encoded(self.states[rows], self.mask[rows])


@dataclass(frozen=True)
class DecoderState:
    """What the decoder carries from step to step, for B sources and R rows.

    Attributes:
        layers: weights, the same at every step.
        output: [M, V] of the output layer; see `pack_output_weight`.
        logits: holds the logits of a step until the next one.
        sources: for each layer, keys and values of the source, [B, heads, S, d] each.
        mask: see `Encoded`.
        past: for each layer, keys and values of the tokens read, [R, heads, t, d] each.
    """

    layers: tuple[LayerWeights, ...]
    output: Tensor
    logits: Workspace
    sources: tuple[tuple[Tensor, Tensor], ...]
    mask: Tensor
    past: tuple[tuple[Tensor, Tensor], ...]


class FusedTransformer(FusedOutput, Transformer):
    """The same parameters and the same function as `Transformer`, faster.

    Attributes:
        rows_multiple: products over tokens have a multiple of this many rows; see
            `FusedAttentionRnn`.
    """

    rows_multiple = 128

    def __init__(
        self, options: TransformerConfig, *, source_vocab_size: int, target_vocab_size: int
    ) -> None:
        """Make the parameters; `initialise` fills them."""
        super().__init__(
            options, source_vocab_size=source_vocab_size, target_vocab_size=target_vocab_size
        )
        self.heads = options.heads

    def encode(self, source: Tensor, lengths: Tensor) -> Encoded:
        """Encode padded sources; see `TranslationModel`."""
        mask = torch.zeros(source.shape, dtype=self.output_bias.dtype)
        mask.masked_fill_(torch.arange(source.shape[1]) >= lengths[:, None], -torch.inf)
        (mask,) = send([mask[:, None, None]], source.device)
        x = self._drop(self._embed(self.source_embedding, source))
        for layer in self.encoder:
            x = x + self._drop(self._attend_to_self(layer, x, mask))
            x = self._feed_forward(layer, x)
        return Encoded(self.encoder_norm(x), mask)

    def decoder_outputs(
        self, encoded: Encoded, target: Tensor, lengths: Tensor, *, inputs: Tensor | None = None
    ) -> DecoderOutputs:
        """Return what the output layer reads; arguments as of `token_log_probs`."""
        steps = target.shape[1] - 1
        x = self._drop(
            self._embed(self.target_embedding, target[:, :-1] if inputs is None else inputs)
        )
        # Padding comes last, so no real token attends to it.
        past = x.new_full((steps, steps), -torch.inf).triu(diagonal=1)
        for layer in self.decoder:
            x = x + self._drop(self._attend_to_self(layer, x, past))
            x = x + self._drop(self._attend_to_source(layer, x, encoded))
            x = self._feed_forward(layer, x)
        # Places are found on the host, so that nothing waits for a GPU.
        row, step = (torch.arange(steps) < lengths[:, None]).nonzero(as_tuple=True)
        real = padded_index(row * steps + step, self.rows_multiple)  # padding gets no gradient
        wanted = padded_index(row * target.shape[1] + step + 1, self.rows_multiple)
        row, step, real, wanted = send((row, step, real, wanted), self.device)
        packed = self.decoder_norm(x).flatten(0, 1).index_select(0, real)
        words = target.flatten().index_select(0, wanted)
        return DecoderOutputs(packed, words, row, step)

    @torch.no_grad()
    def start(self, encoded: Encoded) -> DecoderState:
        """Return the state before the first target token, one row a source."""
        low, shape = (
            self.product_dtype,
            (len(encoded.states), self.heads, 0, self.units // self.heads),
        )
        nothing = encoded.states.new_empty(shape, dtype=low)
        layers, sources = [], []
        for layer in self.decoder:
            own, source = layer.self_attention, layer.source_attention
            weight, bias = _query_key_value(own)
            norms = (layer.self_norm, layer.source_norm, layer.inner_norm)
            layers.append(
                LayerWeights(
                    query_key_value=(weight.to(low), bias.to(low)),
                    self_output=_affine(own.output, low),
                    query=_affine(source.query, low),
                    source_output=_affine(source.output, low),
                    inner=_affine(layer.inner, low),
                    outer=_affine(layer.outer, low),
                    norms=tuple((norm.weight, norm.bias) for norm in norms),
                )
            )
            key, value = self._linear(source.key_value, encoded.states).chunk(2, dim=2)
            sources.append((source.split(key).contiguous(), source.split(value).contiguous()))
        return DecoderState(
            tuple(layers),
            pack_output_weight(self.target_embedding.weight, self.output_bias, low),
            Workspace(),
            tuple(sources),
            encoded.mask,
            ((nothing, nothing),) * len(layers),
        )

    @torch.no_grad()
    def step(self, state: DecoderState, previous: Tensor) -> Step:
        """Advance every row by one token; see `TranslationModel`."""
        rows, (units, low) = len(previous), (self.units, self.product_dtype)
        position = sinusoids(1, units, self.output_bias, first=state.past[0][0].shape[2])
        x = math.sqrt(units) * F.embedding(previous, self.target_embedding.weight) + position
        past, attention = [], None
        for weights, source, read in zip(state.layers, state.sources, state.past, strict=True):
            normed = F.layer_norm(x, (units,), *weights.norms[0]).to(low)
            split = F.linear(normed, *weights.query_key_value).view(rows, 3, self.heads, 1, -1)
            query, key, value = split.unbind(dim=1)
            keys, values = torch.cat((read[0], key), dim=2), torch.cat((read[1], value), dim=2)
            past.append((keys, values))
            out = F.scaled_dot_product_attention(query, keys, values).reshape(rows, units)
            x = x + F.linear(out, *weights.self_output).to(x.dtype)
            normed = F.layer_norm(x, (units,), *weights.norms[1]).to(low)
            query = F.linear(normed, *weights.query)
            # [R, D] to [B, heads, R / B, d]: the rows of a source attend to the same keys.
            query = query.view(len(source[0]), -1, self.heads, units // self.heads).transpose(1, 2)
            scores = query @ source[0].transpose(2, 3) / math.sqrt(query.shape[3])
            scores = scores + state.mask
            attention = scores.softmax(dim=3, dtype=x.dtype)
            out = (attention.to(low) @ source[1]).transpose(1, 2).reshape(rows, units)
            x = x + F.linear(out, *weights.source_output).to(x.dtype)
            normed = F.layer_norm(x, (units,), *weights.norms[2]).to(low)
            inner = F.linear(normed, *weights.inner).relu_()
            x = x + F.linear(inner, *weights.outer).to(x.dtype)
        logits = vocabulary_logits(self.decoder_norm(x), state.output, state.logits)
        assert attention is not None
        mean = attention.mean(dim=1).flatten(0, 1)
        return Step(logits, mean, replace(state, past=tuple(past)))

    def select(
        self, state: DecoderState, rows: Tensor, sources: Tensor | None = None
    ) -> DecoderState:
        """Return the state of some rows; see `TranslationModel`."""
        chosen, mask = state.sources, state.mask
        if sources is not None:
            chosen = tuple((keys[sources], values[sources]) for keys, values in chosen)
            mask = mask[sources]
        past = tuple((keys[rows], values[rows]) for keys, values in state.past)
        return replace(state, sources=chosen, mask=mask, past=past)

    def _linear(self, module: Any, x: Tensor) -> Tensor:
        return affine(x, module.weight, module.bias, self.product_dtype)

    def _attend_to_self(self, layer: Any, x: Tensor, mask: Tensor) -> Tensor:
        """Return what states x [B, T, D] get from each other."""
        attention = layer.self_attention
        weight, bias = _query_key_value(attention)
        parts = affine(layer.self_norm(x), weight, bias, self.product_dtype).chunk(3, dim=2)
        return self._linear(attention.output, attend(*parts, mask=mask, heads=self.heads))

    def _attend_to_source(self, layer: Any, x: Tensor, encoded: Encoded) -> Tensor:
        """Return what rows x [R, T, D] get from their sources."""
        attention, b = layer.source_attention, len(encoded.states)
        query = self._linear(attention.query, layer.source_norm(x))
        both = self._linear(attention.key_value, encoded.states)
        # [B K, T, D] to [B, K T, D]: the candidates of a source share its keys.
        query = query.view(b, -1, self.units)
        out = attend(query, *both.chunk(2, dim=2), mask=encoded.mask, heads=self.heads)
        return self._linear(attention.output, out).view_as(x)

    def _feed_forward(self, layer: Any, x: Tensor) -> Tensor:
        inner = F.relu(self._linear(layer.inner, layer.inner_norm(x)))
        return x + self._drop(self._linear(layer.outer, inner))

    def _drop(self, x: Tensor) -> Tensor:
        """Return x in the type of the parameters, with dropout in training."""
        x = x.to(self.output_bias.dtype)
        if self.training and self.dropout:
            x = x * dropout_factors(tuple(x.shape), self.dropout, x)
        return x


def _affine(module: nn.Linear, dtype: torch.dtype) -> Affine:
    return module.weight.to(dtype), module.bias.to(dtype)


def _query_key_value(attention: Any) -> Affine:
    """Return the weights of query, key and value as one product, in their own type."""
    weight = torch.cat((attention.query.weight, attention.key_value.weight))
    return weight, torch.cat((attention.query.bias, attention.key_value.bias))
