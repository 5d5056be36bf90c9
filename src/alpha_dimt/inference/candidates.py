"""Candidates of a model: samples, and the places of a beam; no network in here.

Shapes: B sentences, W candidates of each, R rows.
"""

from typing import Any

import torch
from torch import Tensor

from alpha_dimt.core.vocabulary import BOS, EOS, PAD
from alpha_dimt.inference.search import Stepper, looks, next_logits
from alpha_dimt.kernels import vocabulary_search


def sample(
    stepper: Stepper,
    state: Any,
    *,
    rows: int,
    max_length: int,
    device: torch.device,
    prefix: Tensor | None = None,
) -> Tensor:
    """Draw sequences from the distribution itself.

    Args:
        stepper: the distribution.
        state: one row a sequence.
        rows: R.
        max_length: tokens after which a sequence is cut.
        device: where the stepper computes.
        prefix: [R, P + 1] how the sequences begin, `<s>` first, padded; None: with `<s>` alone.

    Returns:
        [R, T + 1] framed sequences `<s> ... </s>`, padded; one that was cut has no </s>.
    """
    drawn = [torch.full((rows,), BOS, device=device)]
    ended = torch.zeros(rows, dtype=torch.bool, device=device)
    for t in range(max_length):
        logits, _, state = stepper.step(state, drawn[-1])
        # Nothing is ruled out: samples are of the distribution itself.
        token = vocabulary_search.sample(logits)
        if prefix is not None and t + 1 < prefix.shape[1]:
            token = torch.where(prefix[:, t + 1] == PAD, token, prefix[:, t + 1])
        drawn.append(torch.where(ended, PAD, token))
        ended = ended | (token == EOS)
        if looks(t, device) and ended.all():
            break
    return torch.stack(drawn, dim=1)


def beam_candidates(
    stepper: Stepper,
    state: Any,
    *,
    sentences: int,
    width: int,
    max_length: int,
    device: torch.device,
    epsilon: float = 0.0,
) -> Tensor:
    """Find W different candidates of each sentence by a beam search with random choices.

    At each step, the places in the beam are filled one after another: with the best continuation
    that is left, or, with probability epsilon, with a random one (Guu et al., 2017). The
    continuations of a prefix are its W most probable words; one that has ended stays.

    Args:
        stepper: the distribution.
        state: one row a sentence.
        sentences: B.
        width: W; at most the size of the vocabulary less the two words that are never predicted.
        max_length: tokens after which a candidate is cut.
        device: where the stepper computes.
        epsilon: 0 to 1.

    Returns:
        [B * W, T + 1] framed candidates `<s> ... </s>`, padded, source by source; one that was cut
        has no </s>.
    """
    found = torch.full((sentences, 1, 1), BOS, device=device)
    scores = torch.zeros((sentences, 1), device=device)
    ended = torch.zeros_like(scores, dtype=torch.bool)
    for t in range(max_length):
        logits, _, state = stepper.step(state, found[:, :, -1].flatten())
        best, words = vocabulary_search.topk(next_logits(logits), width)
        log_p = best.float() - vocabulary_search.logsumexp(logits, best[:, :1])
        log_p, words = (each.view(sentences, -1, width) for each in (log_p, words))
        log_p = log_p.masked_fill(ended[:, :, None], -torch.inf)
        log_p[:, :, 0].masked_fill_(ended, 0)
        words = words.masked_fill(ended[:, :, None], PAD)
        grown = (scores[:, :, None] + log_p).flatten(1)
        picks = _picks(grown, width, epsilon)
        held, parents = scores.shape[1], picks // width
        rows = torch.arange(sentences, device=device)[:, None] * held + parents
        chosen = words.flatten(1).gather(1, picks)
        before = found.flatten(0, 1).index_select(0, rows.flatten()).view(sentences, width, -1)
        found = torch.cat((before, chosen[:, :, None]), dim=2)
        scores, ended = grown.gather(1, picks), ended.gather(1, parents) | (chosen == EOS)
        if looks(t, device) and ended.all():
            break
        state = stepper.select(state, rows.flatten())
    return found.flatten(0, 1)


def _picks(scores: Tensor, count: int, epsilon: float) -> Tensor:
    """Return `count` different entries of each row [R, N] that are not -inf, see above."""
    noise = torch.rand_like(scores).masked_fill(scores == -torch.inf, -1.0)
    random = torch.rand((len(scores), count), device=scores.device) < epsilon
    left, picks = scores.clone(), []
    for place in range(count):
        by_chance = random[:, place, None]
        pick = torch.where(by_chance, noise, left).argmax(dim=1, keepdim=True)
        left, noise = left.scatter(1, pick, -torch.inf), noise.scatter(1, pick, -1.0)
        picks.append(pick)
    return torch.cat(picks, dim=1)
