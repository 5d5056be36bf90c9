"""What fused models share: log-probabilities of packed tokens from the fused output layer."""

from functools import partial

import torch
from torch import Tensor

from alpha_dimt.kernels import Workspace, affine, mean_log_probs, token_log_probs
from alpha_dimt.models.base import DecoderOutputs, TokenLogProbs


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
    logits = partial(_logits, x, weight, bias, dtype)
    return TokenLogProbs(log_p, row, step, *size, mean, logits, x)


def _logits(x: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    return affine(x, weight, bias, dtype).to(x.dtype)
