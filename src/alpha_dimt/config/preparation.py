"""How text is prepared: tokenisation, casing, cleaning and vocabularies."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from alpha_dimt.config.base import Section
from alpha_dimt.config.corpora import LocalPath

SIZE = "the most frequent words, the 4 specials not counted; null: all of them"
LIST = (
    "a file of your own, one word a line as it stands in the prepared text, without the 4 "
    "specials; instead of the size of that side, and not with `min_frequency`"
)


class WordsConfig(Section):
    """Word vocabularies: the most frequent words of the training text, or the user's lists."""

    kind: Literal["words"]
    source_size: PositiveInt | None = Field(default=None, description=SIZE)
    target_size: PositiveInt | None = Field(default=None, description=SIZE)
    min_frequency: PositiveInt = Field(
        default=1, description="times that a word must occur in the training text"
    )
    source_list: LocalPath | None = Field(default=None, description=LIST)
    target_list: LocalPath | None = Field(default=None, description=LIST)

    @property
    def lists(self) -> tuple[Path, ...]:
        """The user's lists, source first."""
        return tuple(path for path in (self.source_list, self.target_list) if path is not None)

    @property
    def files(self) -> tuple[Path, ...]:
        """The same."""
        return self.lists

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
    operations: PositiveInt = Field(default=10_000, description="merge operations")
    joint: bool = Field(
        default=True, description="one code table learned from both languages together"
    )

    @property
    def files(self) -> tuple[Path, ...]:
        """None: pieces are learned."""
        return ()


class PretrainedConfig(Section):
    """The pieces of a pretrained tokeniser of Hugging Face, cut from the text as published."""

    kind: Literal["pretrained"]
    path: LocalPath = Field(
        description="folder of the tokeniser, as `save_pretrained` writes it; with `model.kind: "
        "huggingface`, that of the model"
    )
    source_prefix: str = Field(
        default="",
        description="text before every source line, which T5 (`translate German to English: `) and "
        "OPUS-MT models of several languages (`>>eng<< `) expect",
    )

    @property
    def files(self) -> tuple[Path, ...]:
        """What may be of the tokeniser: all of the folder but weights."""
        if not self.path.is_dir():
            return (self.path / "tokenizer_config.json",)
        files = sorted(path for path in self.path.iterdir() if path.is_file())
        return tuple(path for path in files if path.suffix != ".safetensors")


class Preparation(Section):
    """Tokenisation, casing, cleaning and vocabularies."""

    unicode: Literal["nfc", "as_is"] = Field(
        default="nfc",
        description="`nfc`: letters and their marks are composed (NFC), a mark without a composed "
        "letter and a zero-width joiner between letters stay in their word, zero-width spaces are "
        "spaces; `as_is`: as the Perl scripts do",
    )
    tokenised: bool = Field(
        default=False,
        description="`files` only: the text is in Moses tokens already, with its escapes "
        "(`&apos;`); it is split at spaces alone. Not with `normalise_punctuation`",
    )
    normalise_punctuation: bool = Field(
        default=False, description="Moses normalize-punctuation before all else"
    )
    lowercase: Literal["before", "after", "never"] = Field(
        default="after", description="lower-case `before` or `after` tokenisation, or `never`"
    )
    min_length: PositiveInt = Field(
        default=1, description="tokens a side; shorter training pairs are dropped"
    )
    max_length: PositiveInt = Field(
        default=50, description="tokens a side; longer training pairs are dropped"
    )
    max_ratio: Annotated[float, Field(ge=1)] = Field(
        default=1.5,
        description="longer side / shorter side; training pairs beyond it are dropped",
    )
    vocabulary: Annotated[
        WordsConfig | BpeConfig | PretrainedConfig, Field(discriminator="kind")
    ] = Field(default=WordsConfig(kind="words"), description="the vocabularies; the keys are below")

    @property
    def reads_raw(self) -> bool:
        """Whether the vocabulary is of text as published rather than of its tokens."""
        return isinstance(self.vocabulary, PretrainedConfig)

    @model_validator(mode="after")
    def _tokens_stay(self) -> Self:
        if self.tokenised and self.normalise_punctuation:
            raise ValueError(
                "tokenised text stays as it is, so normalise_punctuation must be false with it"
            )
        return self
