"""The stages before training: encoding, BPE and augmentation, on one core."""

import itertools
import json
import sys
from pathlib import Path

from alpha_dimt.config import AugmentConfig, DataConfig
from alpha_dimt.config.corpora import ToyCorpus
from alpha_dimt.config.preparation import Preparation
from alpha_dimt.config.proposals import Proposal
from alpha_dimt.core.files import write_lines
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.data.build_encoded import encode_corpus
from alpha_dimt.data.draw_candidates import augment_corpus, draw_slice
from alpha_dimt.data.subword import learn_codes, segment
from benchmarks.corpus import sentence_pairs
from benchmarks.serve import serve
from benchmarks.sizes import Sizes

CONSONANTS, VOWELS = "bdfghjklmnprstvwz", "aeiou"


def spelling(number: int) -> str:
    """Return a word for a number; as in real text, more frequent words are shorter."""
    word = ""
    while True:
        number, consonant = divmod(number, len(CONSONANTS))
        number, vowel = divmod(number, len(VOWELS))
        word += CONSONANTS[consonant] + VOWELS[vowel]
        if not number:
            return word


def text(rows: Ragged) -> list[str]:
    """Return ids as lines of words."""
    return [" ".join(map(spelling, rows.row(i).tolist())) for i in range(len(rows))]


def main() -> None:
    """Serve rounds "encode", "bpe_learn", "bpe_apply" (lines), "draw", "augment" (candidates)."""
    task = json.loads(sys.argv[1])
    sizes, folder = Sizes(**task["sizes"]), Path(task["folder"])
    pairs = sentence_pairs(sizes, sizes.lines)
    sides = {"de": text(pairs.source), "en": text(pairs.target)}
    for language, lines in sides.items():
        write_lines(folder / "text" / f"train.{language}", lines)
        for split in ("valid", "test"):
            write_lines(folder / "text" / f"{split}.{language}", lines[:10])
    codes = learn_codes(sides["en"], sizes.operations)
    data = DataConfig(corpus=ToyCorpus(kind="toy"), preparation=Preparation())
    augmentation = AugmentConfig(data=data, proposal=Proposal(slices=sizes.slices), seed=1)

    def encode() -> float:
        encode_corpus(data, text=folder / "text", out=folder / "encoded")
        return 2 * sizes.lines

    def bpe_learn() -> float:
        learn_codes(sides["en"], sizes.operations)
        return sizes.lines

    def bpe_apply() -> float:
        segment(sides["en"], codes)
        return sizes.lines

    def augment() -> float:
        augment_corpus(augmentation, encoded=folder / "encoded", out=folder / "augmented.arrow")
        return sizes.lines * sizes.slices

    references = sentence_pairs(sizes, sizes.rows).target
    slices = itertools.count()

    def draw() -> float:
        draw_slice(
            references,
            augmentation.proposal,
            vocab_size=sizes.target_words,
            seed=1,
            index=next(slices),
        )
        return sizes.rows

    encode()
    serve(
        {
            "encode": encode,
            "bpe_learn": bpe_learn,
            "bpe_apply": bpe_apply,
            "augment": augment,
            "draw": draw,
        }
    )


if __name__ == "__main__":
    main()
