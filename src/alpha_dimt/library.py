"""The objectives in a training loop of your own: draw candidates, score them, get a loss.

    drawn = draw_candidates(references, proposal, k=4, rng=rng, vocab_size=V, special=special)
    logits = model(..., decoder_input_ids=drawn.inputs).logits
    loss = alpha_divergence(drawn.scored(logits), alpha=0.5, tau=1.0, ...)
    loss.value.backward()

This module, `alpha_dimt.objectives` and the options in `alpha_dimt.config.proposals` are public:
`docs/how-to/other_trainers.md` says what that means, and shows them in an own loop and in a trainer
of Hugging Face.

Shapes: B references, K candidates of each, R = B * K rows, T predicted tokens of the longest
candidate, V vocabulary size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from alpha_dimt.config.proposals import DistributionConfig
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.special_ids import IdMap, SpecialIds
from alpha_dimt.objectives import Scored
from alpha_dimt.proposals import Words, build
from alpha_dimt.rewards import reward_of_edits

__all__ = ["Drawn", "SpecialIds", "draw_candidates", "log_probs"]


@dataclass(frozen=True)
class Drawn:
    """K candidates of each of B references, as tensors on the CPU.

    Attributes:
        target: [R, T + 1] ids: the start, the candidate, the end, padding; the candidates of a
            reference are adjacent.
        lengths: [R] predicted tokens of each candidate, the end included.
        reward: [B, K].
        log_q0: [B, K] log-probability under the proposal.
        reference: [B, K] whether the candidate equals the reference.
    """

    target: Tensor
    lengths: Tensor
    reward: Tensor
    log_q0: Tensor
    reference: Tensor

    @property
    def inputs(self) -> Tensor:
        """What the decoder reads [R, T]."""
        return self.target[:, :-1]

    def scored(self, logits: Tensor) -> Scored:
        """Return the candidates with their log-probabilities, on the device of the logits.

        Args:
            logits: [R, T, V] of the next token after each of `inputs`.
        """
        target, lengths = self.target.to(logits.device), self.lengths.to(logits.device)
        log_p = log_probs(logits, target, lengths).view_as(self.reward)
        rest = (self.reward, self.log_q0, self.reference)
        reward, log_q0, reference = (part.to(logits.device) for part in rest)
        return Scored.of(
            log_p,
            target=target,
            lengths=lengths,
            reward=reward,
            log_q0=log_q0,
            reference=reference,
        )


def log_probs(logits: Tensor, target: Tensor, lengths: Tensor) -> Tensor:
    """Return the log-probability of every row, the sum over its tokens [R], with gradient.

    Args:
        logits: [R, T, V] unnormalised, of the next token after each of `target[:, :-1]`.
        target: [R, T + 1] ids, the start first.
        lengths: [R] predicted tokens of each row.
    """
    wide = logits if logits.dtype == torch.float64 else logits.float()
    wanted = target[:, 1:]
    tokens = -F.cross_entropy(wide.transpose(1, 2), wanted, reduction="none")
    real = torch.arange(wanted.shape[1], device=lengths.device) < lengths[:, None]
    return tokens.masked_fill(~real, 0.0).sum(dim=1)


def draw_candidates(
    references: Sequence[Sequence[int]],
    proposal: DistributionConfig,
    *,
    k: int,
    rng: np.random.Generator,
    vocab_size: int,
    special: SpecialIds,
    reward: str = "hamming",
    counts: npt.NDArray[np.integer] | None = None,
) -> Drawn:
    """Draw K candidates of each reference.

    Args:
        references: B references as ids of any tokeniser, without start, end and padding.
        proposal: its options, say `UniformEditConfig(kind="uniform_edit")`; not with substitutes
            from a block.
        k: K.
        rng: source of randomness.
        vocab_size: V, special ids included.
        special: the ids that are no ordinary words.
        reward: a name (`hamming`, `edit_distance`, `bleu`, `gleu`, `constant`) or an import path.
        counts: [V] occurrences of each id, for substitutes by frequency.

    Raises:
        ValueError: the special ids do not fit the vocabulary, a reference contains an id that it
            cannot have, or the proposal lacks what it needs.
    """
    ids = IdMap(vocab_size, special)
    for number, row in enumerate(references):
        _check_reference(row, number, vocab_size, special)
    rows = [ids.inside[np.asarray(row, dtype=np.int64)].tolist() for row in references]
    repeated = Ragged.from_rows(rows).take(np.repeat(np.arange(len(rows)), k))
    words = Words(ids.words, counts=None if counts is None else ids.counts(counts))
    edits = build(proposal, words).draw(repeated, rng)
    framed = edits.apply(repeated)
    outside = Ragged(ids.outside[framed.values], framed.offsets)
    target = outside.padded(np.arange(len(outside)), fill=special.pad)
    shape = (len(rows), k)
    return Drawn(
        target=torch.from_numpy(target),
        lengths=torch.from_numpy(framed.lengths - 1),
        reward=torch.from_numpy(reward_of_edits(reward, edits, repeated)).float().view(shape),
        log_q0=torch.from_numpy(edits.log_q0).float().view(shape),
        reference=torch.from_numpy(edits.counts == 0).view(shape),
    )


def _check_reference(row: Sequence[int], number: int, vocab_size: int, special: SpecialIds) -> None:
    for name in ("pad", "eos"):
        if getattr(special, name) in row:
            raise ValueError(
                f"reference {number} contains the id of {name}, {getattr(special, name)}; give "
                "references without start, end and padding"
            )
    if wrong := [id for id in row if not 0 <= id < vocab_size]:
        raise ValueError(
            f"reference {number} contains the id {wrong[0]}, but the vocabulary has "
            f"{vocab_size:,} entries; leave out what is ignored (-100)"
        )
