"""Corpora, and how their text is prepared."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote

from pydantic import BeforeValidator, Discriminator, Field, PositiveInt, Tag, model_validator

from alpha_dimt.config.base import Section, Seed, wrong
from alpha_dimt.config.names import CorpusName, FileName

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$", description="ISO 639 code, as Moses uses")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def local(place: Any) -> Any:
    """Return the path of a place on this machine: ~/ is written out, file:// is taken off."""
    if not isinstance(place, str):
        return place
    if place.startswith("~/"):
        return str(Path(place).expanduser())
    if not place.lower().startswith("file:"):
        return place
    path = unquote(re.sub(r"^(?i:file):(//(?i:localhost)?(?=/))?", "", place))
    if path.startswith("//"):
        raise wrong(f"a local file has three slashes: file:///{path.lstrip('/')}")
    return path


def _path(value: Any) -> Any:
    """Return a path, and refuse text that can be none."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        raise wrong("this is empty, but a path is needed")
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise wrong("a path has no line breaks, tabs or other control characters; check the quotes")
    if re.match(r"(?!file:)[a-z][a-z0-9+.-]*://", value, flags=re.IGNORECASE):
        raise wrong("this is the address of a server; download it, and give the path of the file")
    return local(value)


LocalPath = Annotated[Path, BeforeValidator(_path)]


class CorpusBase(Section):
    """What all corpora share."""

    name: CorpusName = Field(
        description="names the folder under results/ and the MLflow experiment"
    )
    source: Language = "de"
    target: Language = "en"

    @property
    def files(self) -> tuple[Path, ...]:
        """The user's own files that the corpus is read from."""
        return ()

    @model_validator(mode="after")
    def _two_languages(self) -> Self:
        if self.source == self.target:
            raise wrong("source and target must be different languages", "target")
        return self


class ToyCorpus(CorpusBase):
    """The embedded corpus: German-English-like pairs drawn from a seeded grammar."""

    kind: Literal["toy"]
    name: CorpusName = "toy"
    seed: Seed = 1
    train: PositiveInt = Field(6000, description="sentence pairs")
    valid: PositiveInt = Field(500, description="sentence pairs")
    test: PositiveInt = Field(500, description="sentence pairs")


class DownloadedCorpus(CorpusBase):
    """A corpus whose files come from one of several mirrors."""

    mirrors: tuple[Annotated[str, BeforeValidator(local)], ...] = Field(
        (),
        description="tried in order; each a URL prefix or a local directory of upstream file names",
    )


class Multi30kCorpus(DownloadedCorpus):
    """Multi30k task 1: raw captions, one gzip file a split and language."""

    kind: Literal["multi30k"]
    name: CorpusName = "multi30k"
    sha256: dict[FileName, Sha256] = Field(
        description="checksum of every upstream file, by file name"
    )


class Iwslt14Corpus(DownloadedCorpus):
    """IWSLT'14 de-en as MIXER (Ranzato et al., 2016) and the paper prepare it."""

    kind: Literal["iwslt14"]
    name: CorpusName = "iwslt14"
    archive: str = "de-en.tgz"
    size: PositiveInt = Field(19_982_877, description="bytes of the archive; a hard check")
    md5: str = Field(
        "10936dfdf616504ddbd844e91b94ef4a",
        pattern=r"^[0-9a-f]{32}$",
        description="of the archive; one uncorroborated source, so a mismatch only warns",
    )
    valid_every: PositiveInt = Field(23, description="every n-th kept training pair is validation")


class TwoFiles(Section):
    """A split in two aligned text files."""

    source: LocalPath
    target: LocalPath


class OneTable(Section):
    """A split in one file of tab-separated source and target."""

    tsv: LocalPath
    header: bool | None = Field(
        None,
        description="whether the first line names the columns and is left out; null: it does not, "
        "and a line that looks as if it did is an error",
    )
    quoted: bool | None = Field(
        None,
        description="whether fields may stand in CSV quotes, which are taken off; null: they do "
        "not, and a field that looks as if it did is an error",
    )


def _form(split: Any) -> str | None:
    """Return which form of a split is meant, for errors to speak of that one."""
    if isinstance(split, dict):
        return "one_table" if "tsv" in split else "two_files"
    if isinstance(split, OneTable):
        return "one_table"
    return "two_files" if isinstance(split, TwoFiles) else None


Split = Annotated[
    Annotated[TwoFiles, Tag("two_files")] | Annotated[OneTable, Tag("one_table")],
    Discriminator(
        _form,
        custom_error_type="wrong",
        custom_error_message="write {tsv: FILE}, or {source: FILE, target: FILE}",
    ),
]


class FilesCorpus(CorpusBase):
    """The user's own parallel text; paths are relative to the working directory."""

    kind: Literal["files"]
    train: Split
    valid: Split
    test: Split

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file of the corpus, once."""
        files: list[Path] = []
        for split in (self.train, self.valid, self.test):
            files += [split.tsv] if isinstance(split, OneTable) else [split.source, split.target]
        return tuple(dict.fromkeys(files))


Corpus = Annotated[
    ToyCorpus | Multi30kCorpus | Iwslt14Corpus | FilesCorpus, Field(discriminator="kind")
]


class Words(Section):
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


class Bpe(Section):
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
    vocabulary: Annotated[Words | Bpe, Field(discriminator="kind")] = Words(kind="words")

    @model_validator(mode="after")
    def _tokens_stay(self) -> Self:
        if self.tokenised and self.normalise_punctuation:
            raise ValueError(
                "tokenised text stays as it is, so normalise_punctuation must be false with it"
            )
        return self
