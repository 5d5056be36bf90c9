"""How plain text becomes the tokens that a model reads, and its tokens become text again."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alpha_dimt.config import DataConfig
from alpha_dimt.config.preparation import PretrainedConfig
from alpha_dimt.core.files import read_lines
from alpha_dimt.data.detokenise import detokenise
from alpha_dimt.data.subword import segment
from alpha_dimt.data.tokenise import tokenise
from alpha_dimt.data.unicode import compose

if TYPE_CHECKING:
    from alpha_dimt.core.pretrained_tokeniser import PretrainedTokeniser


class Segmentation(ABC):
    """The tokens of one corpus; lines of tokens have single spaces between them."""

    def __init__(self, data: DataConfig) -> None:
        """Take the configuration of the corpus."""
        self.data = data

    @abstractmethod
    def cut(self, lines: Sequence[str]) -> list[str]:
        """Return plain source lines as the tokens that the model reads."""

    @abstractmethod
    def join(self, lines: Sequence[str]) -> list[str]:
        """Return lines of the model's target tokens as tokenised text, as references are."""

    def text(self, lines: Sequence[str]) -> list[str]:
        """Return lines of the model's target tokens as plain text."""
        return detokenise(self.join(lines), self.data.corpus.target)


class WordSegmentation(Segmentation):
    """Tokens are the words of the tokenised text."""

    def cut(self, lines: Sequence[str]) -> list[str]:
        """See `Segmentation`."""
        return tokenise(lines, self.data.corpus.source, self.data.preparation)

    def join(self, lines: Sequence[str]) -> list[str]:
        """See `Segmentation`."""
        return list(lines)


class BpeSegmentation(WordSegmentation):
    """Tokens are pieces of those words; all but the last piece of a word end in "@@"."""

    def __init__(self, data: DataConfig, codes: Sequence[str]) -> None:
        """Take the configuration of the corpus and the codes of the source."""
        super().__init__(data)
        self.codes = codes

    def cut(self, lines: Sequence[str]) -> list[str]:
        """See `Segmentation`."""
        return segment(super().cut(lines), self.codes)

    def join(self, lines: Sequence[str]) -> list[str]:
        """See `Segmentation`."""
        return [re.sub(r"@@( |$)", "", line) for line in lines]


class PretrainedSegmentation(Segmentation):
    """Tokens are pieces of plain text, by a pretrained tokeniser."""

    def __init__(self, data: DataConfig, tokeniser: "PretrainedTokeniser") -> None:
        """Take the configuration of the corpus and the tokeniser."""
        super().__init__(data)
        self.tokeniser = tokeniser

    def cut(self, lines: Sequence[str]) -> list[str]:
        """See `Segmentation`; a blank line stays blank."""
        return self.tokeniser.cut(self.prefixed(lines), source=True)

    def prefixed(self, lines: Sequence[str]) -> list[str]:
        """Return composed source lines with the prefix that the model expects."""
        preparation = self.data.preparation
        assert isinstance(preparation.vocabulary, PretrainedConfig)
        prefix = preparation.vocabulary.source_prefix
        composed = compose(lines, preparation.unicode)
        return [prefix + line if line.strip() else "" for line in composed]

    def join(self, lines: Sequence[str]) -> list[str]:
        """See `Segmentation`."""
        return tokenise(self.text(lines), self.data.corpus.target, self.data.preparation)

    def text(self, lines: Sequence[str]) -> list[str]:
        """See `Segmentation`."""
        return self.tokeniser.join(lines)


def load_segmentation(data: DataConfig, codes: Path | None) -> Segmentation:
    """Return the segmentation of a corpus.

    Args:
        data: configuration of the corpus.
        codes: BPE codes of the source, or the archive of a tokeniser; None at word level.

    Raises:
        UserError: the file is missing or damaged.
    """
    if codes is None:
        return WordSegmentation(data)
    if isinstance(data.preparation.vocabulary, PretrainedConfig):
        # Hugging Face's library takes seconds to import.
        from alpha_dimt.core.pretrained_tokeniser import read_archive

        return PretrainedSegmentation(data, read_archive(codes))
    return BpeSegmentation(data, read_lines(codes))
