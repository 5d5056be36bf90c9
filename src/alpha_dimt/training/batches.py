"""The batches of an epoch: the same sentences in the same order for every objective."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from alpha_dimt.config import RunConfig
from alpha_dimt.config.systems import Needs
from alpha_dimt.data.batching import (
    Batch,
    bucketed_batches,
    candidate_batch,
    reference_batch,
    side_by_side,
    sorted_batches,
    source_batch,
)
from alpha_dimt.data.encoded import AugmentedCorpus, Pairs
from alpha_dimt.rewards import reward_named


def epoch_batches(
    config: RunConfig,
    needs: Needs,
    pairs: Pairs,
    augmented: AugmentedCorpus | None,
    epoch: int,
) -> Iterator[Batch]:
    """Yield the batches of an epoch (counted from 1).

    The candidates of a source are the reference, if the objective needs it, and those of the
    proposal; if the objective only needs samples, there are none.
    """
    recipe, lengths = config.training, (pairs.source.lengths, pairs.target.lengths)
    size: Any = {"batch_size": recipe.batch_size, "batch_type": recipe.batch_type}
    rng = np.random.Generator(np.random.Philox(key=[config.seed, epoch]))
    in_order = epoch == 1 and recipe.sorted_first_epoch
    if in_order or recipe.batches == "fixed":
        dealt = sorted_batches(*lengths, **size)
        if not in_order:
            dealt = [dealt[i] for i in rng.permutation(len(dealt))]
    else:
        dealt = bucketed_batches(*lengths, **size, rng=rng)
    candidates = augmented[(epoch - 1) % len(augmented)] if augmented else None
    reward = needs.reward or (config.proposal.reward if config.proposal else None)
    best = reward_named(reward).best if reward else 0.0
    for rows in dealt:
        parts = []
        if needs.reference:
            parts.append(reference_batch(pairs, rows, reward=best))
        if candidates is not None:
            parts.append(candidate_batch(pairs, candidates, rows))
        yield side_by_side(*parts) if parts else source_batch(pairs, rows)
