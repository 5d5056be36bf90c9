"""From the options of a distribution to the distribution."""

from typing import cast

from alpha_dimt.config.proposals import DistributionConfig
from alpha_dimt.core.imports import imported
from alpha_dimt.proposals.distribution import Distribution
from alpha_dimt.proposals.substitutes import Words


def build(options: DistributionConfig, words: Words) -> Distribution:
    """Return the distribution that options describe.

    Raises:
        UserError: the implementation cannot be imported.
        ValueError: `words` lacks what the options need, or holds fewer than 2 ordinary words.
    """
    return cast(Distribution, imported(options.implementation).build(options, words))
