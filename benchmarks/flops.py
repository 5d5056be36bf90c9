"""Operations of one training update: those that the model needs, without padding.

A multiply-add counts as two operations, and the backward pass as twice the forward pass. With
embedding size E, decoder hidden size H (H / 2 per encoder direction) and target vocabulary size V,
a source word takes

    2 * (4H (E + H/2) + H^2)            both directions of the encoder, the attention keys

and a target word of a sentence with S source words

    2 * (4H (E + 2H) + 2SH + 2H^2 + HV) decoder, scores and context, combination, output layer

operations in the forward pass. Gates, softmax, clipping and the optimiser are not counted.
"""

from collections.abc import Sequence

from alpha_dimt.core.ragged import Ints
from alpha_dimt.data.encoded import Pairs
from benchmarks.sizes import Sizes


def training_flop(pairs: Pairs, batches: Sequence[Ints], sizes: Sizes, *, candidates: int) -> float:
    """Return the operations of one update on each batch, with K candidates per source."""
    e = h = sizes.units
    total = 0.0
    for rows in batches:
        source = pairs.source.lengths[rows]
        target = (pairs.target.lengths[rows] + 1) * candidates  # </s> is predicted too
        total += 2 * (4 * h * (e + h / 2) + h * h) * source.sum()
        total += 2 * (4 * h * (e + 2 * h) + 2 * h * h + h * sizes.target_words) * target.sum()
        total += 2 * 2 * h * (source * target).sum()
    return 3 * total
