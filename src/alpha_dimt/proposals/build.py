"""From a section of the configuration to a distribution."""

from dataclasses import dataclass

import numpy as np

from alpha_dimt import config
from alpha_dimt.core.ragged import Ints
from alpha_dimt.core.vocabulary import SPECIALS
from alpha_dimt.proposals.distribution import Distribution
from alpha_dimt.proposals.edit_distance import EditDistance
from alpha_dimt.proposals.hamming_payoff import HammingPayoff
from alpha_dimt.proposals.mixture import Mixture
from alpha_dimt.proposals.ngram import Ngram
from alpha_dimt.proposals.substitutes import Block, Substitutes, Uniform, Unigram
from alpha_dimt.proposals.uniform_edit import UniformEdit


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


def build(section: config.Distribution, words: Words) -> Distribution:
    """Return the distribution that a section describes.

    Raises:
        ValueError: `words` lacks what the section needs, or holds fewer than 2 ordinary words.
    """
    if isinstance(section, config.Mixture):
        weights = np.array([part.weight for part in section.parts])
        parts = tuple(build(part.distribution, words) for part in section.parts)
        return Mixture(parts, weights / weights.sum())
    substitutes = _substitutes(section, words)
    match section:
        case config.UniformEdit():
            return UniformEdit(substitutes, section.max_edit_fraction, section.reference_quirks)
        case config.HammingPayoff():
            return HammingPayoff(substitutes, section.tau, section.rescale)
        case config.EditDistance():
            return EditDistance(substitutes, section.insert, section.delete, section.substitute)
        case config.Ngram():
            return Ngram(substitutes, section.max_n)


def _substitutes(section: config.Substituting, words: Words) -> Substitutes:
    match section.substitutes:
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
