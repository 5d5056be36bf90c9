"""Drawing whole splits of the embedded corpus."""

import re

from alpha_dimt.config.corpora import ToyCorpus
from alpha_dimt.data.corpora.toy import english, german
from alpha_dimt.data.corpora.toy.draw import Draw
from alpha_dimt.data.corpora.toy.sentences import draw_sentence

SHORTEST, LONGEST = 3, 25
_TOKEN = re.compile(r"\w+|[^\w\s]")


def draw_corpus(corpus: ToyCorpus) -> dict[str, list[tuple[str, str]]]:
    """Draw all splits: raw (German, English) pairs, 3 to 25 tokens a side.

    No German sentence occurs twice, so the splits are disjoint. Test and valid are drawn first:
    they stay the same when the training part grows.
    """
    draw = Draw(corpus.seed)
    seen: set[str] = set()
    return {
        split: [_draw_pair(draw, seen) for _ in range(size)]
        for split, size in (("test", corpus.test), ("valid", corpus.valid), ("train", corpus.train))
    }


def _draw_pair(draw: Draw, seen: set[str]) -> tuple[str, str]:
    while True:
        meaning = draw_sentence(draw)
        pair = german.sentence(meaning), english.sentence(meaning, draw)
        fits = all(SHORTEST <= len(_TOKEN.findall(text)) <= LONGEST for text in pair)
        if fits and pair[0] not in seen:
            seen.add(pair[0])
            return pair
