"""The new words that proposals put into references.

Every kind gives each ordinary word w a weight (1, its count, or 1 within a block) and draws it with
probability weight(w) / rest(o): the rest is what remains of the total without the original word o,
so that a word is never replaced by itself. Originals that are no ordinary words (<unk>, <s>, </s>)
and inserted words leave nothing out. Special tokens are never drawn.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from alpha_dimt.core.ragged import Ints, Ragged
from alpha_dimt.core.vocabulary import PAD, SPECIALS

BLOCK = 128
"""Sentences that share their words when substitutes come from a block."""

NO_ORIGINAL = PAD
"""Original of an inserted word."""

Floats = npt.NDArray[np.float64]


class Substitutes(Protocol):
    """A distribution over ordinary words for each row, one word left out.

    All arrays are [n]: words and the rows (references) that they are drawn for.
    """

    def sizes(self, row: Ints) -> Ints:
        """Return V', how many words can be drawn for these rows."""

    def weights(self, token: Ints, row: Ints) -> Ints:
        """Return the weights of tokens; 0 for what is never drawn."""

    def rest(self, original: Ints, row: Ints) -> Ints:
        """Return the total of all weights without that of the original."""

    def draw(self, original: Ints, row: Ints, rng: np.random.Generator) -> Ints:
        """Draw one word for each original, other than it."""

    def for_rows(self, rows: Ints) -> Self:
        """Return the same for some of the rows."""


def log_prob(substitutes: Substitutes, token: Ints, original: Ints, row: Ints) -> Floats:
    """Return [n] log-probabilities that `token` is drawn for `original`; -inf where never."""
    weights = np.where(token == original, 0, substitutes.weights(token, row))
    with np.errstate(divide="ignore"):
        log_weights: Floats = np.log(weights)
    return log_weights - np.log(substitutes.rest(original, row))


def choices(substitutes: Substitutes, original: Ints, row: Ints) -> Ints:
    """Return [n] numbers of different words that can be drawn for each original."""
    return substitutes.sizes(row) - (substitutes.weights(original, row) > 0)


def _skipping(weight: Ints, before: Ints, rest: Ints, rng: np.random.Generator) -> Ints:
    """Draw integers below rest + weight, uniform outside before <= n < before + weight."""
    number = (rng.random(len(rest)) * rest).astype(np.int64)
    number += weight * (number >= before)
    return number


def _enough(words: int) -> None:
    if words < 2:
        raise ValueError(f"a substitution needs at least 2 ordinary words, not {words}")


@dataclass(frozen=True)
class Uniform:
    """Uniform over the ordinary words of the vocabulary.

    Attributes:
        words: V', the vocabulary without the specials.
    """

    words: int

    def __post_init__(self) -> None:
        _enough(self.words)

    def sizes(self, row: Ints) -> Ints:
        """See `Substitutes`."""
        return np.full(len(row), self.words)

    def weights(self, token: Ints, row: Ints) -> Ints:
        """See `Substitutes`."""
        ordinary = (token >= len(SPECIALS)) & (token < len(SPECIALS) + self.words)
        return ordinary.astype(np.int64)

    def rest(self, original: Ints, row: Ints) -> Ints:
        """See `Substitutes`."""
        return self.words - self.weights(original, row)

    def draw(self, original: Ints, row: Ints, rng: np.random.Generator) -> Ints:
        """See `Substitutes`."""
        first = len(SPECIALS)
        weight = self.weights(original, row)
        return first + _skipping(weight, original - first, self.words - weight, rng)

    def for_rows(self, rows: Ints) -> Self:
        """See `Substitutes`."""
        return self


@dataclass(frozen=True)
class Unigram:
    """By frequency.

    Attributes:
        counts: [V] occurrences of each token in the training text; those of specials are ignored.
    """

    counts: Ints
    _ends: Ints = field(init=False, repr=False)

    def __post_init__(self) -> None:
        counts = self.counts.astype(np.int64)
        counts[: len(SPECIALS)] = 0
        _enough(int(np.count_nonzero(counts)))
        object.__setattr__(self, "counts", counts)
        object.__setattr__(self, "_ends", np.cumsum(counts))

    def sizes(self, row: Ints) -> Ints:
        """See `Substitutes`."""
        return np.full(len(row), np.count_nonzero(self.counts))

    def weights(self, token: Ints, row: Ints) -> Ints:
        """See `Substitutes`."""
        return self.counts[token]

    def rest(self, original: Ints, row: Ints) -> Ints:
        """See `Substitutes`."""
        rest: Ints = self._ends[-1] - self.counts[original]
        return rest

    def draw(self, original: Ints, row: Ints, rng: np.random.Generator) -> Ints:
        """See `Substitutes`."""
        weight = self.counts[original]
        number = _skipping(weight, self._ends[original] - weight, self._ends[-1] - weight, rng)
        return np.searchsorted(self._ends, number, side="right")

    def for_rows(self, rows: Ints) -> Self:
        """See `Substitutes`."""
        return self


@dataclass(frozen=True)
class Block:
    """Uniform over the different ordinary words of a block of references.

    Attributes:
        words: one row a block: its words, ascending.
        of_row: [N] the block of each reference.
    """

    words: Ragged
    of_row: Ints
    _keys: Ints = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _enough(int(self.words.lengths.min()))
        object.__setattr__(self, "_keys", self._key(self.words.values, self.words.owner))

    @staticmethod
    def _key(token: npt.NDArray[np.integer], block: Ints) -> Ints:
        keys: Ints = (block << 32) + token
        return keys

    @classmethod
    def deal(cls, targets: Ragged, rng: np.random.Generator, *, size: int = BLOCK) -> Self:
        """Put N references at random into blocks of `size` or one less.

        With fewer blocks than that allows (a small corpus) they differ by one sentence at most.
        """
        blocks = -(-len(targets) // size)
        of_row = rng.permutation(len(targets)) % blocks
        ordinary = targets.values >= len(SPECIALS)
        keys = np.unique(cls._key(targets.values[ordinary], of_row[targets.owner[ordinary]]))
        lengths = np.bincount(keys >> 32, minlength=blocks)
        return cls(Ragged.of_lengths(keys & 0xFFFFFFFF, lengths), of_row)

    def _find(self, token: Ints, row: Ints) -> tuple[Ints, Ints]:
        """Return where tokens stand among all blocks' words, and 1 or 0 whether they do."""
        key = self._key(token, self.of_row[row])
        where = np.minimum(np.searchsorted(self._keys, key), len(self._keys) - 1)
        return where, (self._keys[where] == key).astype(np.int64)

    def sizes(self, row: Ints) -> Ints:
        """See `Substitutes`."""
        return self.words.lengths[self.of_row[row]]

    def weights(self, token: Ints, row: Ints) -> Ints:
        """See `Substitutes`."""
        return self._find(token, row)[1]

    def rest(self, original: Ints, row: Ints) -> Ints:
        """See `Substitutes`."""
        return self.sizes(row) - self.weights(original, row)

    def draw(self, original: Ints, row: Ints, rng: np.random.Generator) -> Ints:
        """See `Substitutes`."""
        where, weight = self._find(original, row)
        first = self.words.offsets[self.of_row[row]]
        number = _skipping(weight, where - first, self.sizes(row) - weight, rng)
        words: Ints = self.words.values[first + number].astype(np.int64)
        return words

    def for_rows(self, rows: Ints) -> Self:
        """See `Substitutes`."""
        return replace(self, of_row=self.of_row[rows])


@dataclass(frozen=True)
class Words:
    """What distributions may know of the words.

    Attributes:
        vocab_size: V, specials included.
        counts: [V] occurrences in the training text; for substitutes by frequency.
        block: the words near each reference; for substitutes from a block. Like the blocks
            themselves, a distribution is then one of these N references alone.
    """

    vocab_size: int
    counts: Ints | None = None
    block: Block | None = None


def choose_substitutes(kind: Literal["uniform", "unigram", "block"], words: Words) -> Substitutes:
    """Return where new words come from.

    Raises:
        ValueError: `words` lacks what is needed, or holds fewer than 2 ordinary words.
    """
    match kind:
        case "uniform":
            return Uniform(words.vocab_size - len(SPECIALS))
        case "unigram":
            if words.counts is None:
                raise ValueError("substitutes by frequency need counts")
            return Unigram(words.counts)
        case "block":
            if words.block is None:
                raise ValueError("substitutes from a block need blocks")
            return words.block
