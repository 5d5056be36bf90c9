"""A critic: the value of every next word, from the reference and the words so far.

Its network is the paper's encoder-decoder with the reference as source. Its output is an affine map
of the attentional output and no softmax.

Shapes: B references, R = B * K samples, N tokens of all samples, V words.
"""

import torch
from torch import Tensor, nn

from alpha_dimt.config.critics import CriticSizes
from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.kernels import WordScores
from alpha_dimt.models.attention_rnn.model import AttentionRnn
from alpha_dimt.models.build import build_model


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
    ) -> WordScores:
        """Return the values of all words at the tokens of samples.

        Args:
            reference: [B, S] references with </s>, padded.
            reference_lengths: [B], on the CPU.
            target: [R, T + 1] framed samples, padded; the K samples of a reference are adjacent.
            lengths: [R] predicted tokens, on the CPU.
            place: row and step of each token [N], in the order of the result.
        """
        encoded = self.network.encode(reference, reference_lengths)
        tokens = self.network.token_states(encoded, target, lengths)
        order = tokens.row.new_zeros(tokens.rows * tokens.steps)
        numbers = torch.arange(len(tokens.row), device=order.device)
        order[tokens.row * tokens.steps + tokens.step] = numbers
        row, step = place
        return tokens.logits.at(order[row * tokens.steps + step])
