"""Ids of other tokenisers, and how they become those of this package."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alpha_dimt.core.ragged import Ints
from alpha_dimt.core.vocabulary import BOS, EOS, PAD, SPECIALS, UNK


@dataclass(frozen=True)
class SpecialIds:
    """The ids of a tokeniser that are no ordinary words: proposals never draw them.

    Attributes:
        pad: padding.
        eos: ends every sentence.
        start: what the decoder reads first; often the padding (Marian, T5) or the end (BART).
        unk: the unknown word, if there is one.
        others: all further ids that are never to be drawn: language codes, masks, unused entries.
    """

    pad: int
    eos: int
    start: int
    unk: int | None = None
    others: tuple[int, ...] = ()

    def check(self, vocab_size: int) -> None:
        """Check the ids against the size of the vocabulary.

        Raises:
            ValueError: an id is out of range, or two that must differ are the same.
        """
        given = [self.pad, self.eos, self.start, *self.others]
        given += [] if self.unk is None else [self.unk]
        for id in given:
            if not 0 <= id < vocab_size:
                raise ValueError(f"special id {id} is not in a vocabulary of {vocab_size:,}")
        if self.pad == self.eos:
            raise ValueError(f"padding and the end of a sentence have the same id, {self.pad}")
        if self.unk in (self.pad, self.eos):
            raise ValueError(f"the unknown word has the id of padding or of the end, {self.unk}")


class IdMap:
    """Translates ids of a tokeniser to those of proposals and back.

    Proposals have <pad>, <unk>, <s> and </s> at 0 to 3, and then the ordinary words. The remaining
    special ids follow the words, where nothing is ever drawn.

    Attributes:
        words: size of the vocabulary of proposals.
        outside: [words + others] the tokeniser's id of each of ours.
        inside: [V] our id of each of the tokeniser's.
    """

    def __init__(self, vocab_size: int, special: SpecialIds) -> None:
        """Make the map of a tokeniser with `vocab_size` ids.

        Raises:
            ValueError: the special ids do not fit, see `SpecialIds.check`.
        """
        special.check(vocab_size)
        named = {special.pad: PAD, special.eos: EOS}
        if special.unk is not None:
            named[special.unk] = UNK
        others = sorted({special.start, *special.others} - named.keys())
        ordinary = np.setdiff1d(np.arange(vocab_size), [*named, *others])
        self.words = len(SPECIALS) + len(ordinary)
        self.outside = np.zeros(self.words + len(others), dtype=np.int64)
        self.outside[len(SPECIALS) : self.words] = ordinary
        self.outside[self.words :] = others
        for id, ours in named.items():
            self.outside[ours] = id
        self.outside[BOS] = special.start
        self.inside = np.zeros(vocab_size, dtype=np.int64)
        places = np.arange(len(SPECIALS), len(self.outside))
        self.inside[self.outside[places]] = places
        for id, ours in named.items():
            self.inside[id] = ours

    def counts(self, counts: npt.NDArray[np.integer]) -> Ints:
        """Return [V] counts in the order of proposals; of special ids they are 0."""
        found = np.zeros(len(self.outside), dtype=np.int64)
        found[len(SPECIALS) : self.words] = counts[self.outside[len(SPECIALS) : self.words]]
        return found
