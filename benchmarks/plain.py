"""The honest baseline: the same model in plain PyTorch modules, as a person writes it.

The parameters have the names of `alpha_dimt.models.attention_rnn.fused.Seq2Seq`, so one can be
loaded into the other; a test holds the losses equal. Nothing is done about allocators, lengths or
types beyond what tutorials do.

Shapes: B sentences, S source steps, T target steps, H units, V words.
"""

import json
import sys

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks.serve import serve

PAD = 0
LEARNING_RATE, CLIP_NORM, DROPOUT = 1.0, 5.0, 0.3
"""The paper's recipe."""


class Plain(nn.Module):
    """BiLSTM encoder, input-feeding LSTM decoder with "general" attention."""

    def __init__(self, *, source_words: int, target_words: int, units: int) -> None:
        super().__init__()
        self.source_embedding = nn.Embedding(source_words, units)
        self.encoder = nn.LSTM(units, units // 2, bidirectional=True, batch_first=True)
        self.target_embedding = nn.Embedding(target_words, units)
        self.decoder = nn.LSTMCell(2 * units, units)
        self.attention = nn.Linear(units, units, bias=False)
        self.combine = nn.Linear(2 * units, units, bias=False)
        self.output = nn.Linear(units, target_words)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Return the loss: the negative log-likelihood of a sentence, averaged over sentences.

        Args:
            source: [B, S] ids, padded.
            lengths: [B] tokens of each source.
            target: [B, T + 1] ids, `<s> ... </s>`, padded.
        """
        packed = pack_padded_sequence(
            self.source_embedding(source), lengths, batch_first=True, enforce_sorted=False
        )
        states, (hidden, cell) = self.encoder(packed)
        states, _ = pad_packed_sequence(states, batch_first=True)
        padding = source == PAD
        hidden, cell = torch.cat(tuple(hidden), dim=1), torch.cat(tuple(cell), dim=1)
        feed = torch.zeros_like(hidden)
        embedded = self.target_embedding(target[:, :-1])
        outputs = []
        for t in range(embedded.shape[1]):
            hidden, cell = self.decoder(torch.cat((embedded[:, t], feed), dim=1), (hidden, cell))
            scores = torch.bmm(states, self.attention(hidden)[:, :, None])[:, :, 0]
            weights = scores.masked_fill(padding, -torch.inf).softmax(dim=1)
            context = torch.bmm(weights[:, None, :], states)[:, 0]
            feed = self.dropout(torch.tanh(self.combine(torch.cat((context, hidden), dim=1))))
            outputs.append(feed)
        logits = self.output(torch.stack(outputs, dim=1))
        loss = F.cross_entropy(
            logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=PAD, reduction="sum"
        )
        return loss / len(source)


def main() -> None:
    """Serve rounds of training."""
    task = json.loads(sys.argv[1])
    sizes, low = task["sizes"], task["precision"] == "bf16"
    torch.set_num_threads(sizes["threads"])
    torch.manual_seed(1)
    arrays = np.load(task["arrays"])
    batches = [
        tuple(
            torch.from_numpy(arrays[f"batch{i}_{name}"])
            for name in ("source", "source_lengths", "target")
        )
        for i in range(sizes["updates"])
    ]
    model = Plain(
        source_words=sizes["source_words"],
        target_words=sizes["target_words"],
        units=sizes["units"],
    )
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.1, 0.1)
    optimiser = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    model.train()

    def train() -> float:
        tokens = 0.0
        for source, lengths, target in batches:
            optimiser.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                loss = model(source, lengths, target)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
            optimiser.step()
            assert np.isfinite(loss.item())
            tokens += float((target[:, 1:] != PAD).sum())
        return tokens

    serve({"train": train}, version=f"PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
