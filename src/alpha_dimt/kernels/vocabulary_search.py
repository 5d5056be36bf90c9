"""Highest entries, sums and samples over a large vocabulary.

On a CPU they are faster than PyTorch's operations; on a GPU they are PyTorch's operations.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 128
"""Words among which one peak is sought."""


def _highest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the highest entries of each row [R, N] and where they are; [R, count] each."""
    if count == 1:  # the first of equal ones, and faster
        best, places = values.max(dim=1, keepdim=True)
    else:
        best, places = values.topk(count, dim=1)
    return best, places


def _best_blocks(blocks: Tensor, count: int) -> Tensor:
    """Return the blocks of each row [R, N, BLOCK] with the highest peaks, in order; [R, count]."""
    if blocks.dtype == torch.bfloat16:
        # Above 0, numbers are ordered as their bits are, and integers compare four times as fast.
        peaks, picked = _highest(blocks.view(torch.int16).amax(dim=2), count)
        low = (peaks <= 0).any(dim=1)
        if low.any():
            picked[low] = _highest(blocks[low].amax(dim=2), count)[1]
    else:
        picked = _highest(blocks.amax(dim=2), count)[1]
    return picked.sort(dim=1).values


def topk(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the highest entries of each row, the highest first, as `torch.topk` does.

    They are sought in the blocks with the highest peaks: finding the peaks is one fast pass, while
    `torch.topk` and `argmax` over whole rows take many times as long.

    Args:
        logits: [R, V].
        count: at most V.

    Returns:
        [R, count] values and [R, count] indices.
    """
    if logits.is_cuda:
        return _highest(logits, count)
    rows, words = logits.shape
    whole = words // BLOCK * BLOCK
    blocks = logits[:, :whole].view(rows, -1, BLOCK)
    picked = _best_blocks(blocks, min(count, blocks.shape[1]))
    row = torch.arange(rows, device=logits.device)[:, None]
    values = torch.cat((blocks[row, picked].flatten(1), logits[:, whole:]), dim=1)
    best, places = _highest(values, count)
    # Where the blocks start; the words after the last whole block follow those picked.
    starts = F.pad(picked * BLOCK, (0, 1), value=whole)
    block = (places // BLOCK).clamp(max=picked.shape[1])
    return best, starts.gather(1, block) + places - block * BLOCK


def _exponentials(logits: Tensor, best: Tensor) -> tuple[Tensor, Tensor]:
    """Return the exponentials of logits [R, V], in their place, and what they were shifted by.

    Only rows near the ends of the exponential's range are shifted, by their highest entry [R, 1].
    """
    far = best.abs() > math.log(torch.finfo(logits.dtype).max) / 2
    shift = best.where(far, 0)
    if far.any():
        logits.sub_(shift)
    return logits.exp_(), shift.float()


def logsumexp(logits: Tensor, best: Tensor) -> Tensor:
    """Return log sum exp of each row [R, 1], as `torch.logsumexp` does; overwrites the logits.

    Args:
        logits: [R, V].
        best: [R, 1] the highest entry of each row.
    """
    if logits.is_cuda:
        return logits.float().logsumexp(dim=1, keepdim=True)
    odds, shift = _exponentials(logits, best)
    return odds.sum(dim=1, keepdim=True).float().log() + shift


def sample(logits: Tensor) -> Tensor:
    """Draw one index of each row [R, V] from the softmax, as `torch.multinomial` does; [R].

    Overwrites the logits. First a block of words is drawn, then one of its words, which keeps
    running sums short. Rows that are not finite give any index.
    """
    if logits.is_cuda:  # as `torch.multinomial` does: running sums have no fixed order there
        odds = logits.float().softmax(dim=1)
        return odds.div_(torch.empty_like(odds).exponential_()).argmax(dim=1)
    rows, words = logits.shape
    whole = words // BLOCK * BLOCK
    odds, _ = _exponentials(logits, topk(logits, 1)[0])
    blocks = odds[:, :whole].view(rows, -1, BLOCK)
    # Each word after the last whole block stands for itself.
    drawn = _draw(torch.cat((blocks.sum(dim=2), odds[:, whole:]), dim=1))
    inside = drawn < blocks.shape[1]
    first = torch.where(inside, drawn * BLOCK, drawn - blocks.shape[1] + whole)
    columns = first[:, None] + torch.arange(BLOCK, device=logits.device)
    word = _draw(odds.gather(1, columns.clamp(max=words - 1)))
    return first + word * inside


def _draw(odds: Tensor) -> Tensor:
    """Draw one column of each row [R, N] with probabilities proportional to the entries; [R]."""
    summed = odds.float().cumsum(dim=1)
    total = summed[:, -1:]
    level = torch.rand_like(total) * total
    # Rounding may give the total itself, beyond which there is no entry.
    level = level.minimum(total.nextafter(torch.zeros_like(total)))
    return torch.searchsorted(summed, level, right=True)[:, 0].clamp(max=odds.shape[1] - 1)
