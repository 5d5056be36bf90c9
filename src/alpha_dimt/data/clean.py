"""Choose which training pairs to keep: the rules of Moses' clean-corpus-n.perl."""

from typing import Literal

from alpha_dimt.config.preparation import Preparation
from alpha_dimt.data.unspaced import separate

Verdict = Literal["kept", "blank", "too short", "too long", "ratio"]
# How to keep more pairs, by the reason for dropping them.
LOOSENED_BY = {
    "blank": "give text on both sides of every line",
    "too short": "lower preparation.min_length",
    "too long": "raise preparation.max_length",
    "ratio": "raise preparation.max_ratio",
    "long word": "cut what has no spaces into words",
}

# Characters of the longest word, as in clean-corpus-n.perl (--max-word-length).
LONGEST_WORD = 1000


def has_long_word(text: str, *, unspaced: bool) -> bool:
    """Return whether a raw sentence has an overlong word: an address, a table, binary data.

    Checked before tokenisation, which takes minutes for a word of 100,000 full stops.

    Args:
        text: raw sentence.
        unspaced: whether each character of a script without spaces is a word.
    """
    if len(text) <= LONGEST_WORD:
        return False
    words = (separate(text) if unspaced else text).split()
    return max(map(len, words), default=0) > LONGEST_WORD


def judge(source: str, target: str, preparation: Preparation) -> Verdict:
    """Return "kept", or why a pair of tokenised sentences is dropped; lengths count tokens."""
    lengths = len(source.split()), len(target.split())
    shorter, longer = min(lengths), max(lengths)
    if shorter == 0:
        return "blank"
    if shorter < preparation.min_length:
        return "too short"
    if longer > preparation.max_length:
        return "too long"
    if longer / shorter > preparation.max_ratio:
        return "ratio"
    return "kept"
