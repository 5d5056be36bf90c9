"""Samples whose words are rewarded one by one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from alpha_dimt.core.ragged import Ints
from alpha_dimt.core.vocabulary import EOS, PAD
from alpha_dimt.data.batching import Batch
from alpha_dimt.inference.candidates import sample
from alpha_dimt.kernels import send
from alpha_dimt.models.base import TranslationModel
from alpha_dimt.prefix_rewards import word_rewards
from alpha_dimt.training.rollout import prefixes

LONGER = 3
"""Tokens that a sample may be longer than its reference."""


@dataclass(frozen=True)
class Samples:
    """Samples with the rewards of their words.

    Attributes:
        target: [R, T + 1] framed, padded.
        lengths: [R] predicted tokens; </s> included, unless the sample was cut.
        rewards: [R, T] reward of each token; </s> and padding have 0.
    """

    target: Ints
    lengths: Ints
    rewards: np.ndarray[Any, np.dtype[np.float64]]


def draw(
    model: TranslationModel,
    encoded: Any,
    batch: Batch,
    device: torch.device,
    *,
    samples: int,
    reward: str,
    gold: int = 0,
) -> Samples:
    """Draw samples without dropout, and reward their words.

    One that would be more than 3 tokens longer than its reference is cut.

    Args:
        model: to draw from.
        encoded: B sources.
        batch: the sources and their references.
        device: of the model.
        samples: K.
        reward: score of prefixes, see `word_rewards`.
        gold: words of the reference that the samples begin with.
    """
    training = model.training
    model.eval()
    rows = np.repeat(np.arange(len(batch.rows)), samples)
    longest = batch.target_lengths[rows] + LONGER
    begin = batch.target[rows, : gold + 1]
    each, prefix = send([torch.from_numpy(rows), torch.from_numpy(begin)], device)
    with torch.no_grad():
        drawn = sample(
            model,
            model.select(model.start(encoded), each),
            rows=len(rows),
            max_length=int(longest.max()),
            device=device,
            prefix=prefix,
        )
    model.train(training)
    target = drawn.cpu().numpy()
    ended = target == EOS
    ends = np.where(ended.any(axis=1), ended.argmax(axis=1), target.shape[1] - 1)
    lengths = np.minimum(ends, longest)
    words = lengths - ended[np.arange(len(target)), lengths]
    places = np.arange(lengths.max() + 1)
    target = np.where(places <= lengths[:, None], target[:, : len(places)], PAD)
    references = prefixes(batch.target[:, 1:], batch.target_lengths - 1)
    rewards = np.zeros((len(target), len(places) - 1))
    rewards[places[:-1] < words[:, None]] = word_rewards(
        reward, prefixes(target[:, 1:], words), references.take(rows)
    )
    return Samples(target, lengths, rewards)
