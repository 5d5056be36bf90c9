"""Which training pairs stay: the rules of Moses' clean-corpus-n.perl."""

from typing import Literal

from alpha_dimt.config import Preparation

Verdict = Literal["kept", "blank", "too short", "too long", "ratio"]


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
