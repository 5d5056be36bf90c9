"""Greedy and beam search over anything that takes steps; no network in here.

Shapes: B sentences, W hypotheses of each (beam width), R rows, S source steps, V words.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, Self

import torch
from torch import Tensor

from alpha_dimt.core.vocabulary import BOS, EOS, PAD
from alpha_dimt.kernels import vocabulary_search
from alpha_dimt.models.base import Step

Ended = Literal["kept", "extended"]


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


def _attended(attention: Tensor | None, previous: Tensor) -> Tensor:
    """Return [R], the source position with the highest attention; -1 without attention."""
    return torch.full_like(previous, -1) if attention is None else attention.argmax(dim=1)


def _next_logits(logits: Tensor) -> Tensor:
    """Rule out, in place, what is never a next token."""
    logits[:, PAD] = -torch.inf
    logits[:, BOS] = -torch.inf
    return logits


def greedy_search(
    stepper: Stepper, state: Any, *, sentences: int, max_length: int, device: torch.device
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
        attended[alive, t] = _attended(attention, previous).cpu()
        previous = vocabulary_search.topk(_next_logits(logits), 1)[1][:, 0]
        chosen = previous.cpu()
        tokens[alive, t] = chosen
        going = chosen != EOS
        if not going.all():
            alive = alive[going]
            if not len(alive):
                break
            rows = going.nonzero()[:, 0].to(device)
            previous, state = previous[rows], stepper.select(state, rows, rows)
    return [_cut(row, where) for row, where in zip(tokens.tolist(), attended.tolist(), strict=True)]


def sample(
    stepper: Stepper, state: Any, *, rows: int, max_length: int, device: torch.device
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
        # Nothing is ruled out: samples are of the distribution itself.
        token = vocabulary_search.sample(logits)
        drawn.append(torch.where(ended, PAD, token))
        ended = ended | (token == EOS)
    return torch.stack(drawn, dim=1)


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
    stepper: Stepper,
    state: Any,
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
        best, words = vocabulary_search.topk(_next_logits(logits), min(width, logits.shape[1] - 2))
        log_p = best.float() - vocabulary_search.logsumexp(logits, best[:, :1])
        beam, parents = beam.grow(
            log_p.view(b, held, -1),
            words.view(b, held, -1),
            _attended(attention, previous).view(b, held),
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


def _cut(tokens: list[int], attended: list[int]) -> Hypothesis:
    """Return the part before </s> or padding."""
    end = next((i for i, token in enumerate(tokens) if token in (EOS, PAD)), len(tokens))
    return Hypothesis(tokens[:end], attended[:end])
