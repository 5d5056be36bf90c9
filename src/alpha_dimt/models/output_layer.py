"""What fused models share: log-probabilities of packed tokens from the fused output layer."""

from functools import partial

import torch
from torch import Tensor

from alpha_dimt.kernels import Workspace, mean_log_probs, token_log_probs
from alpha_dimt.models.base import TokenLogProbs


def packed_log_probs(
    packed: Tensor,
    weight: Tensor,
    bias: Tensor,
    words: Tensor,
    place: tuple[Tensor, Tensor],
    size: tuple[int, int],
    *,
    dtype: torch.dtype,
    workspace: Workspace,
) -> TokenLogProbs:
    """Return log p of the tokens of a batch, with gradient.

    Args:
        packed: [N', H] what the output layer reads, with padding behind the N tokens.
        weight: [V, H] of the output layer.
        bias: [V] of the output layer.
        words: [N'] the token at each place.
        place: row and step of each token, [N] each.
        size: R and T.
        dtype: of the matrix products.
        workspace: see `token_log_probs`.
    """
    count = len(place[0])
    log_p = token_log_probs(packed, weight, bias, words, dtype=dtype, workspace=workspace)[:count]
    mean = partial(mean_log_probs, log_p, packed[:count], weight, bias, words[:count], dtype=dtype)
    return TokenLogProbs(log_p, *place, *size, mean)
