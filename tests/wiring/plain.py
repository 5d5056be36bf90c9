"""The model of the paper in plain PyTorch, one sentence and one step at a time."""

from typing import Any

import torch
from torch import Tensor, nn

PAD, UNK, BOS, EOS = range(4)


class Plain(nn.Module):
    """The same parameters, by the names that they have on disk."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        words, embedding = weights["source_embedding.weight"].shape
        units = weights["attention.weight"].shape[0]
        targets = len(weights["output.bias"])
        self.source_embedding = nn.Embedding(words, embedding)
        self.encoder = nn.LSTM(embedding, units // 2, bidirectional=True)
        self.target_embedding = nn.Embedding(targets, embedding)
        self.decoder = nn.LSTMCell(embedding + units, units)
        self.attention = nn.Linear(units, units, bias=False)
        self.combine = nn.Linear(2 * units, units, bias=False)
        self.output = nn.Linear(units, targets)
        self.to(weights["output.bias"].dtype)
        self.load_state_dict(weights)

    def start(self, source: list[int]) -> tuple[Tensor, ...]:
        """Return the states of the encoder, and the decoder's state, cell and feed."""
        states, (hidden, cell) = self.encoder(self.source_embedding(torch.tensor(source))[:, None])
        hidden, cell = hidden.reshape(1, -1), cell.reshape(1, -1)
        return states[:, 0], hidden, cell, torch.zeros_like(hidden)

    def step(self, state: tuple[Tensor, ...], token: int) -> tuple[Tensor, Tensor, Any]:
        """Return [V] log-probabilities of the next word, [S] attention and the state after."""
        states, h, c, feed = state
        word = self.target_embedding(torch.tensor([token]))
        h, c = self.decoder(torch.cat((word, feed), dim=1), (h, c))
        attention = (states @ self.attention(h)[0]).softmax(dim=0)
        feed = torch.tanh(self.combine(torch.cat(((attention @ states)[None], h), dim=1)))
        return self.output(feed)[0].log_softmax(dim=0), attention, (states, h, c, feed)

    def forward(self, source: list[int], inputs: list[int]) -> tuple[Tensor, Tensor]:
        """Return [T, V] log-probabilities of the next word after each input, [T, S] attention."""
        state, log_p, attention = self.start(source), [], []
        for token in inputs:
            of_step, attended, state = self.step(state, token)
            log_p.append(of_step)
            attention.append(attended)
        return torch.stack(log_p), torch.stack(attention)

    def token_log_p(
        self, source: list[int], framed: list[int], inputs: list[int] | None = None
    ) -> Tensor:
        """Return [T] log p of all tokens but the first of a framed sentence."""
        log_p, _ = self(source, framed[:-1] if inputs is None else inputs)
        return log_p[torch.arange(len(framed) - 1), torch.tensor(framed[1:])]

    @torch.no_grad()
    def greedy(self, source: list[int], max_length: int) -> tuple[list[int], list[int]]:
        """Return the most probable words one by one, and the source position of each."""
        state, token, tokens, attended = self.start(source), BOS, [], []
        while len(tokens) < max_length:
            log_p, attention, state = self.step(state, token)
            log_p[[PAD, BOS]] = -torch.inf
            if (token := int(log_p.argmax())) == EOS:
                break
            tokens.append(token)
            attended.append(int(attention.argmax()))
        return tokens, attended
