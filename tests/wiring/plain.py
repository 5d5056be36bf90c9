"""The model of the paper in plain PyTorch, one sentence and one step at a time."""

from typing import Any

import torch
from torch import Tensor, nn

PAD, UNK, BOS, EOS = range(4)


class Plain(nn.Module):
    """The same parameters, by their names on disk."""

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


def beam_search(
    plain: Any,
    source: Any,
    *,
    width: int,
    max_length: int,
    length_penalty: float,
    length_bonus: float = 0.0,
    ended: str = "kept",
) -> tuple[list[int], list[int]]:
    """Return words and source positions of the best hypothesis; `plain` has `start` and `step`.

    A score is a sum of log-probabilities. Hypotheses are ranked by score / length ** penalty,
    plus bonus * length, </s> counted, and the search is over when the first of them has ended. One
    that ended below stays with its score ("kept"), or goes on like any other ("extended").
    """
    beam: list[tuple[float, list[int], list[int], Any]] = [(0.0, [], [], plain.start(source))]
    for _ in range(max_length):
        grown = []
        for score, tokens, attended, state in beam:
            if EOS in tokens and ended == "kept":
                grown.append((score, tokens, attended, state))
                continue
            log_p, attention, after = plain.step(state, tokens[-1] if tokens else BOS)
            log_p = log_p.clone()
            log_p[[PAD, BOS]] = -torch.inf
            log_p = log_p.log_softmax(dim=0)
            where = int(attention.argmax())
            grown += [
                (score + value, [*tokens, word], [*attended, where], after)
                for word, value in enumerate(log_p.tolist())
                if word not in (PAD, BOS)
            ]
        grown.sort(
            key=lambda one: -(one[0] / len(one[1]) ** length_penalty + length_bonus * len(one[1]))
        )
        beam = grown[:width]
        if beam[0][1][-1] == EOS:
            break
    _, tokens, attended, _ = beam[0]
    end = tokens.index(EOS) if EOS in tokens else len(tokens)
    return tokens[:end], attended[:end]
