"""The kernels in plain PyTorch: what each computes, without what makes it fast.

Tests hold the scans and the output layer equal to their twins here, in values and in gradients. The
twins of `vocabulary_search` are PyTorch's own `topk`, `logsumexp` and `multinomial`; those of
`attend`, `affine` and `word_scores` are in their tests.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def lstm_cell(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Return hidden state and cell [..., H] after a step; gates [..., 4H] in PyTorch's order."""
    i, f, g, o = gates.chunk(4, dim=-1)
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


def lstm_scan(inputs: Tensor, w_ih: Tensor, bias: Tensor, w_hh: Tensor) -> tuple[Tensor, Tensor]:
    """Run D independent LSTMs from zero states; see `kernels.lstm_scan`.

    The weights are in PyTorch's gate order.
    """
    hidden = inputs.new_zeros(len(inputs), inputs.shape[2], w_hh.shape[-1])
    cell, hiddens, cells = hidden, [], []
    for t in range(inputs.shape[1]):
        gates = inputs[:, t] @ w_ih.transpose(1, 2) + hidden @ w_hh.transpose(1, 2)
        hidden, cell = lstm_cell(gates + bias[:, None], cell)
        hiddens.append(hidden)
        cells.append(cell)
    return torch.stack(hiddens, dim=1), torch.stack(cells, dim=1)


def decoder_scan(
    embedded: Tensor,
    *,
    w_ih: Tensor,
    bias: Tensor,
    w_recurrent: Tensor,
    w_out: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor,
    hidden: Tensor,
    cell: Tensor,
    dropout_mask: Tensor,
    counts: Sequence[int],
) -> Tensor:
    """Run the attentional decoder over given words; see `kernels.decoder_scan`.

    The weights of the gates are in PyTorch's order.
    """
    num_candidates = len(hidden) // len(keys)
    input_feed, outputs, start = torch.zeros_like(hidden), [], 0
    for sources in counts:
        rows = sources * num_candidates
        now = slice(start, start + rows)
        recurrent = torch.cat((hidden[:rows], input_feed[:rows]), dim=1)
        gates = embedded[now] @ w_ih.t() + recurrent @ w_recurrent.t() + bias
        hidden, cell = lstm_cell(gates, cell[:rows])
        query = hidden.view(sources, num_candidates, -1)
        scores = query @ keys[:sources].transpose(1, 2) + mask[:sources]
        context = (scores.softmax(dim=-1) @ values[:sources]).flatten(0, 1)
        output = torch.tanh(torch.cat((context, hidden), dim=1) @ w_out.t())
        input_feed = dropout_mask[now] * output
        outputs.append(input_feed)
        start += rows
    return torch.cat(outputs)


def token_log_probs(x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Return log softmax(x weight^T + bias) at the targets [N]."""
    logits = x @ weight.t() + bias
    return logits.log_softmax(dim=1).gather(1, targets[:, None])[:, 0]


def mean_log_probs(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the mean over the vocabulary of log softmax(x weight^T + bias) [N]."""
    return (x @ weight.t() + bias).log_softmax(dim=1).mean(dim=1)
