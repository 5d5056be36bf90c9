"""The embedded corpus: meanings drawn from a seeded grammar, said in German and in English.

`meaning` draws what a sentence says, `german` and `english` say it, `words` is the lexicon and
`corpus` draws whole splits. All of it is made for this project; no text is taken from elsewhere.
"""

from collections.abc import Sequence
from pathlib import Path

from alpha_dimt.config.corpora import ToyCorpus
from alpha_dimt.data.corpora import Sides
from alpha_dimt.data.corpora.toy.corpus import draw_corpus


def read(corpus: ToyCorpus, *, mirrors: Sequence[str], cache: Path) -> dict[str, Sides]:
    """Return German and English of each split; nothing is downloaded."""
    return {
        split: ([source for source, _ in pairs], [target for _, target in pairs])
        for split, pairs in draw_corpus(corpus).items()
    }
