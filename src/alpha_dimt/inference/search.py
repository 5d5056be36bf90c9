"""Greedy and beam search over anything that takes steps; no network in here.

Shapes: B sentences, W hypotheses of each (beam width), R rows, S source steps, V words.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from alpha_dimt.core.vocabulary import BOS, EOS, PAD
from alpha_dimt.kernels import send, vocabulary_search
from alpha_dimt.models.base import Step

Ended = Literal["kept", "extended"]

LOOK_EVERY = 8
"""Steps of a search on a GPU from one look at what has ended to the next."""

ROWS_TOGETHER = 32
"""Greedy search continues a multiple of this many rows. A matrix product is compiled for each shape
of its factors, and kept; if every number of rows had its own, they would fill the memory."""


class Stepper(Protocol):
    """A next-token distribution with a state of R rows."""

    def step(self, state: Any, previous: Tensor) -> Step:
        """Advance every row by one token; see `TranslationModel.step`."""

    def select(self, state: Any, rows: Tensor, sources: Tensor | None = None) -> Any:
        """Return the state of some rows; see `TranslationModel.select`."""


@dataclass(frozen=True)
class Hypothesis:
    """A translation.

    Attributes:
        tokens: ids, without <s> and </s>.
        attended: for each token, the source position with the highest attention; -1 without
            attention.
    """

    tokens: list[int]
    attended: list[int]


def looks(step: int, device: torch.device) -> bool:
    """Return whether search asks at this step, counted from 0, which sentences have ended.

    A GPU has to finish all steps before it can answer, so it is asked rarely; what ended meanwhile
    is computed in vain.
    """
    return device.type == "cpu" or step % LOOK_EVERY == LOOK_EVERY - 1


def rows_to_continue(ended: Tensor) -> Tensor:
    """Return the rows of a batch to continue, on the CPU; none if all have ended.

    They are those that have not ended, and as many of the others as fill up `ROWS_TOGETHER`.

    Args:
        ended: [R] whether a row has ended.
    """
    done = ended.cpu()
    going = int((~done).sum())
    count = -(-going // ROWS_TOGETHER) * ROWS_TOGETHER
    return done.to(torch.uint8).argsort(stable=True)[:count].sort().values


def _attended(attention: Tensor | None, previous: Tensor) -> Tensor:
    """Return [R], the source position with the highest attention; -1 without attention."""
    return torch.full_like(previous, -1) if attention is None else attention.argmax(dim=1)


def next_logits(logits: Tensor) -> Tensor:
    """Rule out, in place, what is never a next token."""
    logits[:, PAD] = -torch.inf
    logits[:, BOS] = -torch.inf
    return logits


def greedy_search(
    stepper: Stepper,
    state: Any,
    *,
    sentences: int,
    max_length: int,
    device: torch.device,
    temperature: float | None = None,
) -> list[Hypothesis]:
    """Take the most probable token at each step; finished sentences leave the batch together.

    Args:
        stepper: the distribution.
        state: one row a sentence.
        sentences: B.
        max_length: tokens after which a sentence is cut.
        device: where the stepper computes.
        temperature: draw from p^(1 / temperature) instead.
    """
    tokens = torch.full((max_length, sentences), EOS, device=device)
    attended = torch.zeros_like(tokens)
    alive = torch.arange(sentences, device=device)
    previous = torch.full_like(alive, BOS)
    ended = torch.zeros_like(alive, dtype=torch.bool)
    for t in range(max_length):
        logits, attention, state = stepper.step(state, previous)
        attended[t].index_copy_(0, alive, _attended(attention, previous))
        logits = next_logits(logits)
        if temperature is None:
            previous = vocabulary_search.topk(logits, 1)[1][:, 0]
        else:
            previous = vocabulary_search.sample(logits.float() / temperature)
        tokens[t].index_copy_(0, alive, previous)
        ended = ended | (previous == EOS)
        if looks(t, device):
            going = rows_to_continue(ended)
            if not len(going):
                break
            if len(going) < len(alive):
                (rows,) = send([going], device)
                alive, previous, ended = alive[rows], previous[rows], ended[rows]
                state = stepper.select(state, rows, rows)
    found = zip(tokens.t().tolist(), attended.t().tolist(), strict=True)
    return [_cut(row, where) for row, where in found]


@dataclass(frozen=True)
class _Beam:
    """The hypotheses of B sentences, W of each, the best first.

    Attributes:
        scores: [B, W] sums of log-probabilities.
        ended: [B, W] whether it ends in </s>.
        lengths: [B, W] tokens, </s> included.
    """

    scores: Tensor
    ended: Tensor
    lengths: Tensor

    @classmethod
    def empty(cls, sentences: int, device: torch.device) -> Self:
        """Return one hypothesis of each sentence, without tokens."""
        scores = torch.zeros((sentences, 1), device=device)
        lengths = torch.zeros_like(scores, dtype=torch.int64)
        return cls(scores, torch.zeros_like(scores, dtype=torch.bool), lengths)

    def grow(
        self,
        log_p: Tensor,
        words: Tensor,
        *,
        width: int,
        length_penalty: float,
        length_bonus: float,
        ended: Ended,
    ) -> tuple[Self, Tensor, Tensor]:
        """Return the best hypotheses one token longer.

        Args:
            log_p: [B, W, C] log-probabilities of continuations, the highest first.
            words: [B, W, C] their words.
            width: how many are kept.
            length_penalty: see `beam_search`.
            length_bonus: see `beam_search`.
            ended: see `beam_search`.

        Returns:
            The hypotheses; [B, width] their last words, padding for one that did not grow; and
            [B, width] which of those before they continue.
        """
        # All hypotheses of a sentence that is done stay as they are, until it leaves the batch.
        complete = self.ended[:, :1].expand_as(self.ended)
        if ended == "kept":
            complete = complete | self.ended
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
        if length_bonus:
            bonus = length_bonus * lengths.to(scores.dtype)
            ranked = ranked + bonus.repeat_interleave(log_p.shape[2], dim=1)
        _, picks = ranked.topk(min(width, ranked.shape[1]), dim=1)
        parents = picks // log_p.shape[2]
        chosen = words.flatten(1).gather(1, picks)
        grown = replace(
            self,
            scores=scores.gather(1, picks),
            ended=complete.gather(1, parents) | (chosen == EOS),
            lengths=lengths.gather(1, parents),
        )
        return grown, chosen, parents

    def select(self, sentences: Tensor) -> Self:
        """Return the hypotheses of some sentences."""
        parts = {name: value.index_select(0, sentences) for name, value in vars(self).items()}
        return replace(self, **parts)


class _History:
    """What each step of a beam search chose, from which the best hypotheses are read at the end.

    Attributes:
        words: [T, B, W] last words; padding once a sentence has left.
        parents: [T, B, W] which hypothesis of the step before each one continues.
        attended: [T, B, W] the source position with the highest attention of each parent.
    """

    def __init__(self, steps: int, sentences: int, width: int, device: torch.device) -> None:
        shape = (steps, sentences, width)
        self.words = torch.full(shape, PAD, device=device)
        self.parents, self.attended = torch.zeros_like(self.words), torch.zeros_like(self.words)

    def note(self, step: int, sentences: Tensor, **choices: Tensor) -> None:
        """Note the choices of some sentences at a step."""
        for name, choice in choices.items():
            getattr(self, name)[step, :, : choice.shape[1]].index_copy_(0, sentences, choice)

    def best(self, steps: int) -> list[Hypothesis]:
        """Return the best hypothesis of every sentence after so many steps."""
        words, parents, attended = (
            each[:steps].cpu().numpy() for each in (self.words, self.parents, self.attended)
        )
        every = np.arange(words.shape[1])
        at = np.zeros_like(every)
        tokens, where = np.empty((2, len(every), steps), dtype=np.int64)
        for t in reversed(range(steps)):
            tokens[:, t] = words[t, every, at]
            at = parents[t, every, at]
            where[:, t] = attended[t, every, at]
        found = zip(tokens.tolist(), where.tolist(), strict=True)
        return [_cut(row, places) for row, places in found]


def beam_search(
    stepper: Stepper,
    state: Any,
    *,
    sentences: int,
    width: int,
    max_length: int,
    length_penalty: float,
    device: torch.device,
    length_bonus: float = 0.0,
    ended: Ended = "kept",
) -> list[Hypothesis]:
    """Keep the `width` best prefixes at each step.

    A sentence is done, and leaves the batch, when its best hypothesis ends in </s> (the authors'
    stop rule). Scores are sums of log-probabilities, divided by length ** length_penalty (0: the
    authors' plain sum), plus length_bonus times length (Bahdanau et al., 2017).

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
        length_bonus: see above.
        ended: see above.
    """
    history = _History(max_length, sentences, width, device)
    alive = torch.arange(sentences, device=device)
    beam = _Beam.empty(sentences, device)
    previous = torch.full_like(alive, BOS)
    steps = 0
    for t in range(max_length):
        b, held = beam.scores.shape
        logits, attention, state = stepper.step(state, previous)
        best, words = vocabulary_search.topk(next_logits(logits), min(width, logits.shape[1] - 2))
        log_p = best.float() - vocabulary_search.logsumexp(logits, best[:, :1])
        beam, chosen, parents = beam.grow(
            log_p.view(b, held, -1),
            words.view(b, held, -1),
            width=width,
            length_penalty=length_penalty,
            length_bonus=length_bonus,
            ended=ended,
        )
        where = _attended(attention, previous).view(b, held)
        history.note(t, alive, words=chosen, parents=parents, attended=where)
        steps = t + 1
        rows, sources = torch.arange(b, device=device)[:, None] * held + parents, None
        if looks(t, device):
            going = (~beam.ended[:, 0].cpu()).nonzero()[:, 0]
            if not len(going):
                break
            if len(going) < b:  # to copy all sources would cost time
                (sources,) = send([going], device)
                alive, chosen, rows = alive[sources], chosen[sources], rows[sources]
                beam = beam.select(sources)
        state, previous = stepper.select(state, rows.flatten(), sources), chosen.flatten()
    return history.best(steps)


def _cut(tokens: list[int], attended: list[int]) -> Hypothesis:
    """Return the part before </s> or padding."""
    end = next((i for i, token in enumerate(tokens) if token in (EOS, PAD)), len(tokens))
    return Hypothesis(tokens[:end], attended[:end])
