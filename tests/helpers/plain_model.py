"""The same model in plain PyTorch modules: slow, obvious, and the judge of the fast one."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alpha_dimt.models.attention_rnn.fused import Seq2Seq


def plain_log_probs(
    model: Seq2Seq, source: Tensor, lengths: Tensor, target: Tensor, target_lengths: Tensor
) -> Tensor:
    """Return log p of each row's candidate [R], one source and one step at a time."""
    k = len(target) // len(source)
    units = model.decoder.hidden_size
    totals = []
    for row in range(len(target)):
        n = int(lengths[row // k])
        words = F.embedding(source[row // k, :n], model.source_embedding.weight)
        states, (hidden, cell) = model.encoder(words[:, None])
        states = states[:, 0]
        h, c = hidden.reshape(1, units), cell.reshape(1, units)
        feed = torch.zeros_like(h)
        total = torch.zeros((), dtype=words.dtype)
        for t in range(int(target_lengths[row])):
            embedded = F.embedding(target[row, t : t + 1], model.target_embedding.weight)
            h, c = model.decoder(torch.cat((embedded, feed), dim=1), (h, c))
            attention = (states @ model.attention(h)[0]).softmax(dim=0)
            context = (attention @ states)[None]
            feed = torch.tanh(model.combine(torch.cat((context, h), dim=1)))
            log_probs = nn.functional.log_softmax(model.output(feed), dim=1)
            total = total + log_probs[0, target[row, t + 1]]
        totals.append(total)
    return torch.stack(totals)
