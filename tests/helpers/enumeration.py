"""Small examples in which every candidate of a proposal can be listed."""

import itertools
import math
from collections import Counter
from collections.abc import Iterable

import numpy as np

from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import BOS, EOS, UNK
from alpha_dimt.proposals import Block, Distribution, Edits
from alpha_dimt.proposals.substitutes import Substitutes, Uniform, Unigram

Sentence = tuple[int, ...]

WORDS = (4, 5, 6, 7)
REFERENCE = (4, 5, UNK, 4)
"""With an unknown word and a word that occurs twice."""

SUBSTITUTES = ["uniform", "unigram", "block"]


def substitutes(kind: str, rows: int = 1) -> Substitutes:
    """Return substitutes over WORDS for some rows; the block has no 6."""
    if kind == "uniform":
        return Uniform(len(WORDS))
    if kind == "unigram":
        return Unigram(np.array([9, 9, 9, 9, 1, 5, 2, 3]))
    return Block(Ragged.from_rows([[4, 5, 7], [6, 7]]), np.zeros(rows, dtype=np.int64))


def repeated(sentence: Sentence, times: int) -> Ragged:
    return Ragged.from_rows([list(sentence)] * times)


def framed(sentence: Sentence) -> Sentence:
    return (BOS, *sentence, EOS)


def of_length(length: int) -> list[Sentence]:
    """List the sentences of some length, framed."""
    return [framed(y) for y in itertools.product((UNK, *WORDS), repeat=length)]


def log_probs(
    distribution: Distribution, reference: Sentence, candidates: list[Sentence]
) -> dict[Sentence, float]:
    """Return the support among some framed candidates, with log q0."""
    rows = np.zeros(len(candidates), dtype=np.int64)
    found = distribution.for_rows(rows).log_prob(
        repeated(reference, len(candidates)), Ragged.from_rows([list(y) for y in candidates])
    )
    return {y: float(v) for y, v in zip(candidates, found, strict=True) if v > -math.inf}


def sentences(edits: Edits, targets: Ragged) -> list[Sentence]:
    """Return the candidates, framed."""
    candidates = edits.apply(targets)
    flat = candidates.values.tolist()
    return [tuple(flat[a:b]) for a, b in itertools.pairwise(candidates.offsets.tolist())]


def total(support: dict[Sentence, float]) -> float:
    return math.fsum(math.exp(value) for value in support.values())


def assert_drawn_as_told(
    distribution: Distribution, reference: Sentence, candidates: list[Sentence], n: int = 40_000
) -> None:
    """Check frequencies against log_prob by chi-square, and that log_q0 is log_prob."""
    support = log_probs(distribution, reference, candidates)
    targets = repeated(reference, n)
    rows = np.zeros(n, dtype=np.int64)
    edits = distribution.for_rows(rows).draw(targets, np.random.default_rng(3))
    drawn = sentences(edits, targets)
    for y, log_q0, edited in zip(drawn, edits.log_q0, edits.counts, strict=True):
        assert y not in support or abs(log_q0 - support[y]) < 1e-9
        assert (edited == 0) == (y == framed(reference))
    counts = Counter(drawn)
    expected = {y: n * math.exp(value) for y, value in support.items()}
    cells = [(counts[y], e) for y, e in expected.items() if e >= 5]
    # Rare sequences and those outside the candidates share one cell.
    rest = n - sum(e for _, e in cells)
    if rest >= 5:
        cells.append((n - sum(c for c, _ in cells), rest))
    assert_chi_square(cells)
    assert sum(c for c, _ in cells) > 0.95 * n


def assert_chi_square(cells: Iterable[tuple[int, float]]) -> None:
    """Compare (found, expected) counts: chi-square has mean df and variance 2 df."""
    cells = list(cells)
    chi2 = sum((found - expected) ** 2 / expected for found, expected in cells)
    df = len(cells) - 1
    assert df > 0
    assert abs(chi2 - df) < 5 * math.sqrt(2 * df)
