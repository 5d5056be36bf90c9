"""How text is prepared: tokenisation, casing, cleaning and vocabularies."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from alpha_dimt.config.base import Section
from alpha_dimt.config.corpora import LocalPath


class WordsConfig(Section):
    """Word vocabularies: the most frequent words of the training text, or the user's lists."""

    kind: Literal["words"]
    source_size: PositiveInt | None = Field(None, description="words, without the 4 specials")
    target_size: PositiveInt | None = Field(None, description="words, without the 4 specials")
    min_frequency: PositiveInt = Field(1, description="times a word occurs in the training text")
    source_list: LocalPath | None = Field(None, description="file of your own, one word a line")
    target_list: LocalPath | None = Field(None, description="file of your own, one word a line")

    @property
    def lists(self) -> tuple[Path, ...]:
        """The user's lists, source first."""
        return tuple(path for path in (self.source_list, self.target_list) if path is not None)

    @model_validator(mode="after")
    def _list_or_counts(self) -> Self:
        for side, size, path in (
            ("source", self.source_size, self.source_list),
            ("target", self.target_size, self.target_list),
        ):
            if size is not None and path is not None:
                raise ValueError(
                    f"a vocabulary is {side}_list as it stands, so {side}_size must not be given"
                )
        if self.lists and self.min_frequency > 1:
            raise ValueError(
                "a vocabulary is its list as it stands, so min_frequency must not be given"
            )
        return self


class BpeConfig(Section):
    """Byte-pair encoding by subword-nmt, learned on the training text."""

    kind: Literal["bpe"]
    operations: PositiveInt = Field(10_000, description="merge operations")
    joint: bool = Field(True, description="learn one code table from both languages together")

    @property
    def lists(self) -> tuple[Path, ...]:
        """None: pieces are learned."""
        return ()


class Preparation(Section):
    """Tokenisation, casing, cleaning and vocabularies."""

    unicode: Literal["nfc", "as_is"] = Field(
        "nfc",
        description="compose letters and their marks (NFC), keep a mark without a composed letter "
        "and a zero-width joiner with its word, take zero-width spaces for spaces; or as the Perl "
        "scripts do",
    )
    tokenised: bool = Field(
        False,
        description="the text is in Moses tokens already, with its escapes: it is split at spaces "
        "alone",
    )
    normalise_punctuation: bool = Field(False, description="Moses normalize-punctuation, first")
    lowercase: Literal["before", "after", "never"] = Field(
        "after", description="lower-case before or after tokenisation"
    )
    min_length: PositiveInt = Field(1, description="tokens a side; training pairs only")
    max_length: PositiveInt = Field(50, description="tokens a side; training pairs only")
    max_ratio: Annotated[float, Field(ge=1)] = Field(
        1.5, description="longer side over shorter side; training pairs only"
    )
    vocabulary: Annotated[WordsConfig | BpeConfig, Field(discriminator="kind")] = WordsConfig(
        kind="words"
    )

    @model_validator(mode="after")
    def _tokens_stay(self) -> Self:
        if self.tokenised and self.normalise_punctuation:
            raise ValueError(
                "tokenised text stays as it is, so normalise_punctuation must be false with it"
            )
        return self
