import math

import numpy as np
import pytest
from enumeration import SUBSTITUTES, assert_chi_square, substitutes

from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import EOS, UNK
from alpha_dimt.proposals import Block
from alpha_dimt.proposals.substitutes import NO_ORIGINAL, Uniform, Unigram, choices, log_prob

TOKENS = np.arange(8)


@pytest.mark.parametrize("kind", SUBSTITUTES)
@pytest.mark.parametrize("original", [4, 6, UNK, EOS, NO_ORIGINAL])
def test_substitutes_are_other_words_with_known_probabilities(kind: str, original: int) -> None:
    n = 20_000
    rows = np.zeros(n, dtype=np.int64)
    source = substitutes(kind, n)
    drawn = source.draw(np.full(n, original), rows, np.random.default_rng(1))
    log_probs = log_prob(source, TOKENS, np.full(8, original), rows[:8])
    probabilities = np.exp(log_probs)
    assert probabilities.sum() == pytest.approx(1, abs=1e-12)
    assert probabilities[original] == 0
    assert (probabilities[:4] == 0).all()
    assert choices(source, np.array([original]), rows[:1]) == np.count_nonzero(probabilities)
    found = np.bincount(drawn, minlength=8)
    assert (found[probabilities == 0] == 0).all()
    assert_chi_square((c, n * p) for c, p in zip(found, probabilities, strict=True) if p)


def test_each_kind_has_its_probabilities() -> None:
    row = np.zeros(1, dtype=np.int64)
    # Counts are 1, 5, 2 and 3; the block holds 4, 5 and 7.
    for kind, expected in (("uniform", 1 / 3), ("unigram", 3 / 6), ("block", 1 / 2)):
        found = log_prob(substitutes(kind), np.array([7]), np.array([5]), row)
        assert found == pytest.approx([math.log(expected)])


def test_blocks_hold_the_words_of_their_sentences() -> None:
    rng = np.random.default_rng(0)
    rows = [[UNK, *rng.integers(4, 500, 3).tolist()] for _ in range(300)]
    block = Block.deal(Ragged.from_rows(rows), rng)
    sizes = np.bincount(block.of_row)
    assert sorted(sizes.tolist()) == [100, 100, 100]  # 128 at most
    for number in range(3):
        mine = {w for row, b in zip(rows, block.of_row, strict=True) if b == number for w in row}
        assert block.words.row(number).tolist() == sorted(mine - {UNK})
    other = Block.deal(Ragged.from_rows(rows), rng)
    assert (other.of_row != block.of_row).any()
    some = np.array([7, 3])
    assert block.for_rows(some).of_row.tolist() == block.of_row[some].tolist()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Uniform(1),
        lambda: Unigram(np.array([0, 9, 9, 9, 2, 0])),
        lambda: Block(Ragged.from_rows([[4, 5], [6]]), np.array([0, 1])),
    ],
)
def test_a_vocabulary_without_alternatives_is_refused(make: object) -> None:
    with pytest.raises(ValueError, match="at least 2 ordinary words, not 1"):
        make()  # type: ignore[operator]
