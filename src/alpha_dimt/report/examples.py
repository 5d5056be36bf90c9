"""Translations of a few sentences, those first on which the systems differ most."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import combinations
from statistics import mean

from alpha_dimt.report.differences import Span, differences
from alpha_dimt.runs.translations import Example


@dataclass(frozen=True)
class Version:
    """One translation of a sentence.

    Attributes:
        systems: that all wrote it, in order.
        spans: what it shares with the reference, and what not.
    """

    systems: list[str]
    spans: list[Span]


@dataclass(frozen=True)
class Compared:
    """A sentence as the page shows it.

    Attributes:
        example: the sentence.
        versions: its translations, each once.
        alike: whether several systems all wrote the same.
    """

    example: Example
    versions: list[Version]
    alike: bool


def by_difference(examples: Sequence[Example]) -> list[Compared]:
    """Return sentences, those first whose translations differ most; then as in the test set."""
    ranked = sorted(examples, key=lambda example: (-disagreement(example), example.line))
    return [compared(example) for example in ranked]


def disagreement(example: Example) -> float:
    """Return the mean share of words that two systems do not have in common, 0 to 1."""
    texts = [translation.text.split() for translation in example.translations]
    shares = [
        1 - SequenceMatcher(a=first, b=second, autojunk=False).ratio()
        for first, second in combinations(texts, 2)
    ]
    return mean(shares) if shares else 0.0


def compared(example: Example) -> Compared:
    """Return a sentence with systems that wrote the same put together."""
    systems: dict[str, list[str]] = {}
    for translation in example.translations:
        systems.setdefault(translation.text, []).append(translation.system)
    return Compared(
        example=example,
        versions=[
            Version(names, differences(text, example.reference)) for text, names in systems.items()
        ],
        alike=len(systems) == 1 < len(example.translations),
    )
