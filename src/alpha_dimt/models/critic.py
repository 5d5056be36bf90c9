"""A critic: the value of every next word, from the reference and the words so far.

Its network is the paper's encoder-decoder with the reference as source. Its output is an affine map
of the attentional output and no softmax. No function but `all` makes an array of N x V values.

Shapes: B references, R = B * K samples, N tokens of all samples, H units, V words.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alpha_dimt.config.critics import CriticSizes
from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.models.attention_rnn.model import AttentionRnn
from alpha_dimt.models.build import build_model


@dataclass(frozen=True)
class Values:
    """The values of all words at N tokens, x W^T + b, which are computed as far as needed.

    Attributes:
        x: [N, H].
        weight: [V, H] W.
        bias: [V] b.
        dtype: of large matrix products.
    """

    x: Tensor
    weight: Tensor
    bias: Tensor
    dtype: torch.dtype

    def detach(self) -> "Values":
        """Return the same without gradient."""
        return Values(self.x.detach(), self.weight.detach(), self.bias.detach(), self.dtype)

    def at(self, tokens: Tensor) -> "Values":
        """Return the values at some tokens, given by their numbers."""
        return Values(self.x[tokens], self.weight, self.bias, self.dtype)

    def of(self, words: Tensor) -> Tensor:
        """Return the values of one word [N] or some words [N, A] a token, in the same shape."""
        # As embeddings: on a GPU, the gradient of indexing is summed in no fixed order.
        rows = F.embedding(words, self.weight)
        bias = F.embedding(words, self.bias[:, None])[..., 0]
        if words.dim() == 1:
            return (self.x * rows).sum(dim=1) + bias
        return torch.bmm(rows, self.x[:, :, None])[:, :, 0] + bias

    def all(self) -> Tensor:
        """Return the values of all words [N, V]."""
        x, weight = self.x.to(self.dtype), self.weight.to(self.dtype)
        return torch.mm(x, weight.t()).to(self.x.dtype) + self.bias

    def mean(self) -> Tensor:
        """Return the mean over all words [N]."""
        return self.x @ self.weight.mean(dim=0) + self.bias.mean()

    def expected(self, p: Tensor) -> Tensor:
        """Return the expectation [N] under the probabilities [N, V] of a model."""
        low = p.to(self.dtype)
        mean_weight = torch.mm(low, self.weight.to(self.dtype)).to(self.x.dtype)
        return (self.x * mean_weight).sum(dim=1) + p.to(self.bias.dtype) @ self.bias

    def spread(self) -> Tensor:
        """Return the sum over tokens and words of (Q(a) - mean Q)^2, a scalar.

        With C the weights less their mean row, that is the sum of x^T (C^T C) x.
        """
        wide = torch.cat((self.weight, self.bias[:, None]), dim=1)
        centred = wide - wide.mean(dim=0)
        gram = centred.t() @ centred
        x = torch.cat((self.x, torch.ones_like(self.x[:, :1])), dim=1)
        return ((x @ gram) * x).sum()


class Critic(nn.Module):
    """Reads references and samples, and values every next word."""

    def __init__(self, sizes: CriticSizes, *, vocab_size: int, device: torch.device) -> None:
        """Make the parameters on the CPU; `initialise` fills them.

        Args:
            sizes: of the network.
            vocab_size: V, of the target language.
            device: device that it will compute on.
        """
        super().__init__()
        options = AttentionRnnConfig(
            embedding=sizes.embedding, hidden=sizes.hidden, init=sizes.init, dropout=0.0
        )
        network = build_model(
            options, source_vocab_size=vocab_size, target_vocab_size=vocab_size, device=device
        )
        assert isinstance(network, AttentionRnn)
        self.network = network

    def initialise(self, generator: torch.Generator) -> None:
        """Fill all parameters uniformly from [-init, init]."""
        self.network.initialise(generator)

    def values(
        self,
        reference: Tensor,
        reference_lengths: Tensor,
        target: Tensor,
        lengths: Tensor,
        place: tuple[Tensor, Tensor],
    ) -> Values:
        """Return the values at the tokens of samples.

        Args:
            reference: [B, S] references with </s>, padded.
            reference_lengths: [B], on the CPU.
            target: [R, T + 1] framed samples, padded; the K samples of a reference are adjacent.
            lengths: [R] predicted tokens, on the CPU.
            place: row and step of each token [N], in the order of the result.
        """
        encoded = self.network.encode(reference, reference_lengths)
        x, _, row, step = self.network.decoder_outputs(encoded, target, lengths)
        steps = target.shape[1] - 1
        order = row.new_zeros(len(target) * steps)
        order[row * steps + step] = torch.arange(len(row), device=row.device)
        wanted, at = place
        output = self.network.output
        return Values(
            x.index_select(0, order[wanted * steps + at]),
            output.weight,
            output.bias,
            self.network.compute_dtype if output.weight.dtype == torch.float32 else torch.float64,
        )
