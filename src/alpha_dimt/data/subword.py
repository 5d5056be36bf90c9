"""Byte-pair encoding with subword-nmt."""

import contextlib
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

from subword_nmt.apply_bpe import BPE
from subword_nmt.learn_bpe import learn_bpe

from alpha_dimt.core.errors import UserError


def count_words(lines: Sequence[str]) -> Counter[str]:
    """Count the tokens of tokenised lines."""
    return Counter(token for line in lines for token in line.split(" "))


def learn_codes(lines: Sequence[str], operations: int) -> list[str]:
    """Return the lines of a code table: up to `operations` merges learned on tokenised lines.

    Raises:
        UserError: no pair of characters occurs twice, so there is nothing to merge.
    """
    words = [f"{word} {count}" for word, count in count_words(lines).items()]
    codes = io.StringIO()
    # subword-nmt draws its progress bar on stderr, and fails at an empty max() without any pair.
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(ValueError):
        learn_bpe(words, codes, operations, is_dict=True)
    version, *merges = codes.getvalue().removesuffix("\n").split("\n")
    if not merges:
        raise UserError(
            "byte-pair encoding found nothing to merge in the training text; "
            "give more text, or set preparation.vocabulary.joint to true or its kind to words "
            "(characters of a script without spaces are tokens already)"
        )
    return [version, *merges]


def segment(lines: Sequence[str], codes: Sequence[str]) -> list[str]:
    """Segment lines into subwords; all but the last subword of a word end in "@@"."""
    bpe: Any = BPE(io.StringIO("".join(f"{line}\n" for line in codes)))
    return [bpe.segment(line) for line in lines]
