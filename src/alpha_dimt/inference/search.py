"""Greedy and beam search over anything that can take a step; no network in here.

Shapes: B sentences, W hypotheses of each (beam width), R rows, S source steps, V words.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, Protocol, Self, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from alpha_dimt.core.vocabulary import BOS, EOS, PAD

State = TypeVar("State")
Ended = Literal["kept", "extended"]

BLOCK = 128
"""Words among which one peak is sought."""


class Stepper(Protocol[State]):
    """A next-token distribution with a state of R rows."""

    def step(self, state: State, previous: Tensor) -> tuple[Tensor, Tensor, State]:
        """Advance by one token.

        Args:
            state: R rows.
            previous: [R] the token before.

        Returns:
            [R, V] unnormalised log-probabilities, which the caller may overwrite, and the next
            step too; [R, S] attention; and the state after.
        """
        ...

    def select(self, state: State, rows: Tensor, sources: Tensor | None = None) -> State:
        """Return the state of some rows.

        Args:
            state: B sources with equally many rows each, those of a source together.
            rows: [R'] which rows, in the order given; a row may stand several times.
            sources: [B'] which sources, in order; None: all. Each has R' / B' of the new rows,
                taken from its own.
        """
        ...


@dataclass(frozen=True)
class Hypothesis:
    """A translation.

    Attributes:
        tokens: ids, without <s> and </s>.
        attended: for each token, the source position with the highest attention.
    """

    tokens: list[int]
    attended: list[int]


def _next_logits(logits: Tensor) -> Tensor:
    """Rule out, in place, what is never a next token."""
    logits[:, PAD] = -torch.inf
    logits[:, BOS] = -torch.inf
    return logits


def _highest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the highest entries of each row [R, N] and where they are; [R, count] each."""
    if count == 1:  # the first of equal ones, and faster
        best, places = values.max(dim=1, keepdim=True)
    else:
        best, places = values.topk(count, dim=1)
    return best, places


def _best_blocks(blocks: Tensor, count: int) -> Tensor:
    """Tell which blocks of each row [R, N, BLOCK] have the highest peaks, in order; [R, count]."""
    if blocks.dtype == torch.bfloat16 and not blocks.is_cuda:
        # Above 0, numbers are ordered as their bits are, and integers compare four times as fast.
        peaks, picked = _highest(blocks.view(torch.int16).amax(dim=2), count)
        low = (peaks <= 0).any(dim=1)
        if low.any():
            picked[low] = _highest(blocks[low].amax(dim=2), count)[1]
    else:
        picked = _highest(blocks.amax(dim=2), count)[1]
    return picked.sort(dim=1).values


def best_words(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the highest entries of each row and where they are, the highest first.

    They are sought in the blocks with the highest peaks: finding the peaks is one fast pass, where
    `topk` and `argmax` over whole rows take many times as long.

    Args:
        logits: [R, V].
        count: at most V.

    Returns:
        [R, count] values and [R, count] columns.
    """
    rows, words = logits.shape
    whole = words // BLOCK * BLOCK
    blocks = logits[:, :whole].view(rows, -1, BLOCK)
    picked = _best_blocks(blocks, min(count, blocks.shape[1]))
    row = torch.arange(rows, device=logits.device)[:, None]
    values = torch.cat((blocks[row, picked].flatten(1), logits[:, whole:]), dim=1)
    best, places = _highest(values, count)
    # Where the blocks start; the words after the last whole block stand behind those picked.
    starts = F.pad(picked * BLOCK, (0, 1), value=whole)
    block = (places // BLOCK).clamp(max=picked.shape[1])
    return best, starts.gather(1, block) + places - block * BLOCK


def _exponentials(logits: Tensor, best: Tensor) -> tuple[Tensor, Tensor]:
    """Return the exponentials of logits [R, V], in their place, and what they were shifted by.

    Only rows near the ends of the exponential's range are shifted, by their highest entry [R, 1].
    """
    far = best.abs() > math.log(torch.finfo(logits.dtype).max) / 2
    shift = best.where(far, 0)
    if logits.is_cuda or far.any():  # for a GPU it is cheaper than to wait for the answer
        logits.sub_(shift)
    return logits.exp_(), shift.float()


def log_sum(logits: Tensor, best: Tensor) -> Tensor:
    """Return log sum exp of logits [R, V], given the best of each row [R, 1]; overwrites them."""
    odds, shift = _exponentials(logits, best)
    return odds.sum(dim=1, keepdim=True).float().log() + shift


def greedy_search(
    stepper: Stepper[State], state: State, *, sentences: int, max_length: int, device: torch.device
) -> list[Hypothesis]:
    """Take the most probable token at each step; finished sentences leave the batch.

    Args:
        stepper: the distribution.
        state: one row a sentence.
        sentences: B.
        max_length: tokens after which a sentence is cut.
        device: where the stepper computes.
    """
    tokens = torch.full((sentences, max_length), EOS)
    attended = torch.zeros((sentences, max_length), dtype=torch.int64)
    alive = torch.arange(sentences)
    previous = torch.full((sentences,), BOS, device=device)
    for t in range(max_length):
        logits, attention, state = stepper.step(state, previous)
        previous = best_words(_next_logits(logits), 1)[1][:, 0]
        chosen = previous.cpu()
        tokens[alive, t] = chosen
        attended[alive, t] = attention.argmax(dim=1).cpu()
        going = chosen != EOS
        if not going.all():
            alive = alive[going]
            if not len(alive):
                break
            rows = going.nonzero()[:, 0].to(device)
            previous, state = previous[rows], stepper.select(state, rows, rows)
    return [_cut(row, where) for row, where in zip(tokens.tolist(), attended.tolist(), strict=True)]


def sample(
    stepper: Stepper[State], state: State, *, rows: int, max_length: int, device: torch.device
) -> Tensor:
    """Draw sequences from the distribution itself.

    Args:
        stepper: the distribution.
        state: one row a sequence.
        rows: R.
        max_length: tokens after which a sequence is cut.
        device: where the stepper computes.

    Returns:
        [R, T + 1] framed sequences `<s> ... </s>`, padded; one that was cut has no </s>.
    """
    drawn = [torch.full((rows,), BOS, device=device)]
    ended = torch.zeros(rows, dtype=torch.bool, device=device)
    while len(drawn) <= max_length and not ended.all():
        logits, _, state = stepper.step(state, drawn[-1])
        token = draw_words(logits)  # nothing is ruled out: samples stand for the distribution
        drawn.append(torch.where(ended, PAD, token))
        ended = ended | (token == EOS)
    return torch.stack(drawn, dim=1)


def draw_words(logits: Tensor) -> Tensor:
    """Draw one column of each row [R, V] from the softmax; [R]. Overwrites the logits.

    First a block of words is drawn, then one of its words, so that only short sums are running.
    Of logits that are not finite, any column is returned.
    """
    rows, words = logits.shape
    whole = words // BLOCK * BLOCK
    odds, _ = _exponentials(logits, best_words(logits, 1)[0])
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
    # Rounded, it may be the total itself, beyond which there is nothing.
    level = level.minimum(total.nextafter(torch.zeros_like(total)))
    return torch.searchsorted(summed, level, right=True)[:, 0].clamp(max=odds.shape[1] - 1)


def _cut(tokens: list[int], attended: list[int]) -> Hypothesis:
    """Return the part before </s> or padding."""
    end = next((i for i, token in enumerate(tokens) if token in (EOS, PAD)), len(tokens))
    return Hypothesis(tokens[:end], attended[:end])


@dataclass(frozen=True)
class _Beam:
    """The hypotheses of B sentences, W of each, the best first.

    Attributes:
        scores: [B, W] sums of log-probabilities.
        ended: [B, W] whether it ends in </s>.
        lengths: [B, W] tokens, </s> included.
        tokens: [B, W, T] so far; after the </s> of a hypothesis that is kept, padding.
        attended: [B, W, T] the source position with the highest attention.
    """

    scores: Tensor
    ended: Tensor
    lengths: Tensor
    tokens: Tensor
    attended: Tensor

    @classmethod
    def empty(cls, sentences: int, device: torch.device) -> Self:
        """Return one hypothesis of each sentence, without tokens."""
        scores = torch.zeros((sentences, 1), device=device)
        lengths = torch.zeros_like(scores, dtype=torch.int64)
        tokens = lengths[:, :, None][:, :, :0]
        return cls(scores, torch.zeros_like(scores, dtype=torch.bool), lengths, tokens, tokens)

    def grow(
        self,
        log_p: Tensor,
        words: Tensor,
        where: Tensor,
        *,
        width: int,
        length_penalty: float,
        ended: Ended,
    ) -> tuple[Self, Tensor]:
        """Return the best hypotheses one token longer, and [B, width] what they continue.

        Args:
            log_p: [B, W, C] log-probabilities of continuations, the highest first.
            words: [B, W, C] their words.
            where: [B, W] the source position with the highest attention.
            width: how many are kept.
            length_penalty: see `beam_search`.
            ended: see `beam_search`.
        """
        complete = self.ended if ended == "kept" else torch.zeros_like(self.ended)
        # A complete hypothesis has one continuation: itself.
        log_p = log_p.masked_fill(complete[:, :, None], -torch.inf)
        log_p[:, :, 0].masked_fill_(complete, 0)
        words = words.masked_fill(complete[:, :, None], PAD)
        scores = (self.scores[:, :, None] + log_p).flatten(1)
        lengths = self.lengths + ~complete
        ranked = scores
        if length_penalty:
            norm = lengths.to(scores.dtype) ** length_penalty
            ranked = scores / norm.repeat_interleave(log_p.shape[2], dim=1)
        _, picks = ranked.topk(min(width, ranked.shape[1]), dim=1)
        parents = picks // log_p.shape[2]
        chosen = words.flatten(1).gather(1, picks)
        history = parents[:, :, None].expand(-1, -1, self.tokens.shape[2])
        at = where.gather(1, parents)[:, :, None]
        grown = replace(
            self,
            scores=scores.gather(1, picks),
            ended=complete.gather(1, parents) | (chosen == EOS),
            lengths=lengths.gather(1, parents),
            tokens=torch.cat((self.tokens.gather(1, history), chosen[:, :, None]), dim=2),
            attended=torch.cat((self.attended.gather(1, history), at), dim=2),
        )
        return grown, parents

    def select(self, sentences: Tensor) -> Self:
        """Return the hypotheses of some sentences."""
        return replace(self, **{name: value[sentences] for name, value in vars(self).items()})

    def best(self, sentence: int) -> Hypothesis:
        """Return the best hypothesis of a sentence."""
        return _cut(self.tokens[sentence, 0].tolist(), self.attended[sentence, 0].tolist())


def beam_search(
    stepper: Stepper[State],
    state: State,
    *,
    sentences: int,
    width: int,
    max_length: int,
    length_penalty: float,
    device: torch.device,
    ended: Ended = "kept",
) -> list[Hypothesis]:
    """Keep the `width` best prefixes at each step.

    A sentence is done, and leaves the batch, when its best hypothesis ends in </s> (the authors'
    stop rule). Scores are sums of log-probabilities, divided by length ** length_penalty (0: the
    authors' plain sum).

    A hypothesis that ended below the top is "kept" in the beam with its score, or "extended" like
    any other, so that it loses score and longer translations win (the authors' code, Beam.py). Of
    an extended one that wins after all, the part before its first </s> is the translation.

    Args:
        stepper: the distribution.
        state: one row a sentence.
        sentences: B.
        width: W.
        max_length: tokens after which a sentence is cut.
        length_penalty: see above.
        device: where the stepper computes.
        ended: see above.
    """
    results: list[Hypothesis | None] = [None] * sentences
    alive = list(range(sentences))
    beam = _Beam.empty(sentences, device)
    previous = torch.full((sentences,), BOS, device=device)
    for t in range(max_length):
        b, held = beam.scores.shape
        logits, attention, state = stepper.step(state, previous)
        best, words = best_words(_next_logits(logits), min(width, logits.shape[1] - 2))
        log_p = best.float() - log_sum(logits, best[:, :1])
        beam, parents = beam.grow(
            log_p.view(b, held, -1),
            words.view(b, held, -1),
            attention.argmax(dim=1).view(b, held),
            width=width,
            length_penalty=length_penalty,
            ended=ended,
        )
        done = beam.ended[:, 0].tolist() if t + 1 < max_length else [True] * b
        for i, sentence in enumerate(alive):
            if done[i]:
                results[sentence] = beam.best(i)
        keep = torch.tensor([i for i in range(b) if not done[i]], device=device, dtype=torch.int64)
        if not len(keep):
            break
        alive = [sentence for i, sentence in enumerate(alive) if not done[i]]
        beam = beam.select(keep)
        rows = (torch.arange(b, device=device)[:, None] * held + parents)[keep].flatten()
        sources = None if len(keep) == b else keep  # to copy all sources would cost time
        state, previous = stepper.select(state, rows, sources), beam.tokens[:, :, -1].flatten()
    return [result for result in results if result is not None]
