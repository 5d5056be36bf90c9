"""alpha-DiMT in a training loop and on a model of your own: a small Transformer learns to copy."""

import numpy as np
import torch
from torch import Tensor, nn

from alpha_dimt.config.proposals import UniformEditConfig
from alpha_dimt.library import SpecialIds, draw_candidates
from alpha_dimt.objectives import alpha_divergence

WORDS, K = 54, 4
SPECIAL = SpecialIds(pad=0, eos=1, start=2, unk=3)
PROPOSAL = UniformEditConfig(kind="uniform_edit", max_edit_fraction=0.5)


class Copier(nn.Module):
    """An encoder-decoder of PyTorch with learned positions."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, 32), nn.Embedding(16, 32)
        self.layers = nn.Transformer(32, 4, 1, 1, 64, dropout=0.0, batch_first=True)
        self.output = nn.Linear(32, WORDS)

    def embed(self, ids: Tensor) -> Tensor:
        """Return words and their positions [B, T, 32]."""
        return self.words(ids) + self.places.weight[: ids.shape[1]]

    def forward(self, source: Tensor, inputs: Tensor) -> Tensor:
        """Return logits [R, T, V] of K candidates for each source."""
        padding = (source == SPECIAL.pad).float().masked_fill(source == SPECIAL.pad, -torch.inf)
        states = self.layers.encoder(self.embed(source), src_key_padding_mask=padding)
        states, padding = (part.repeat_interleave(K, dim=0) for part in (states, padding))
        return self.output(
            self.layers.decoder(
                self.embed(inputs),
                states,
                tgt_mask=nn.Transformer.generate_square_subsequent_mask(inputs.shape[1]),
                memory_key_padding_mask=padding,
            )
        )


rng = np.random.default_rng(1)
torch.manual_seed(1)
model = Copier()
optimiser = torch.optim.Adam(model.parameters(), lr=0.003)
for step in range(201):
    sentences = [rng.integers(4, WORDS, rng.integers(5, 9)).tolist() for _ in range(32)]
    drawn = draw_candidates(
        sentences, PROPOSAL, k=K, rng=rng, vocab_size=WORDS, special=SPECIAL, reward="hamming"
    )
    source = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in sentences], batch_first=True)
    loss = alpha_divergence(
        drawn.scored(model(source, drawn.inputs)),
        alpha=0.3,
        tau=0.5,
        normaliser="source",
        log_p="mean",
        log_q0=False,
    )
    optimiser.zero_grad()
    loss.value.backward()
    optimiser.step()
    if step % 50 == 0:
        share = loss.diagnostics["reference_share"]
        print(f"step {step}: loss {loss.value:.3f}, weight of the reference {share:.2f}")
