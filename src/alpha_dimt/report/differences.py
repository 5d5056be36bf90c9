"""Where a translation departs from the reference, word by word."""

from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True)
class Span:
    """Some words in a row.

    Attributes:
        text: joined by spaces.
        same: whether the reference has them here, too.
    """

    text: str
    same: bool


def differences(hypothesis: str, reference: str) -> list[Span]:
    """Return a hypothesis cut into what it shares with the reference and what it does not."""
    words, wanted = hypothesis.split(), reference.split()
    spans, here = [], 0
    matcher = SequenceMatcher(a=words, b=wanted, autojunk=False)
    for block in matcher.get_matching_blocks():
        if block.a > here:
            spans.append(Span(" ".join(words[here : block.a]), same=False))
        if block.size:
            spans.append(Span(" ".join(words[block.a : block.a + block.size]), same=True))
        here = block.a + block.size
    return spans
