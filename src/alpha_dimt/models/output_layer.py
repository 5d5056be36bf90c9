"""What fused models share: log-probabilities of packed tokens from the fused output layer."""

from functools import partial

import torch
from torch import Tensor

from alpha_dimt.kernels import WordScores, Workspace, mean_log_probs, token_log_probs
from alpha_dimt.models.base import DecoderOutputs, TokenLogProbs, TokenStates


def packed_log_probs(
    outputs: DecoderOutputs,
    weight: Tensor,
    bias: Tensor,
    size: tuple[int, int],
    *,
    dtype: torch.dtype,
    workspace: Workspace,
) -> TokenLogProbs:
    """Return log p of the tokens of a batch, with gradient.

    Args:
        outputs: what the output layer reads.
        weight: [V, H] of the output layer.
        bias: [V] of the output layer.
        size: R and T.
        dtype: of the matrix products.
        workspace: see `token_log_probs`.
    """
    packed, words, row, step = outputs
    x, count = packed[: len(row)], len(row)
    log_p = token_log_probs(packed, weight, bias, words, dtype=dtype, workspace=workspace)[:count]
    mean = partial(mean_log_probs, log_p, x, weight, bias, words[:count], dtype=dtype)
    return TokenLogProbs(log_p, row, step, *size, mean)


def packed_states(
    outputs: DecoderOutputs,
    weight: Tensor,
    bias: Tensor,
    size: tuple[int, int],
    *,
    dtype: torch.dtype,
    workspace: Workspace,
) -> TokenStates:
    """Return the states of the tokens of a batch; arguments as of `packed_log_probs`."""
    x, words, row, step = outputs
    logits = WordScores(x[: len(row)], weight, bias, dtype, workspace)
    return TokenStates(logits, words[: len(row)], row, step, *size)
