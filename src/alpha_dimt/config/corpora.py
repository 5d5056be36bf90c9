"""Corpora: where their text comes from, and what is known of it before it is there."""

import re
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self
from urllib.parse import unquote

from pydantic import BeforeValidator, Discriminator, Field, PositiveInt, Tag, model_validator

from alpha_dimt.config.base import Section, Seed, wrong
from alpha_dimt.config.names import CorpusName, FileName
from alpha_dimt.config.registry import Kind, one_of

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


BYTES_PER_TOKEN = 5  # of a user's text
GZIP = 4  # bytes of text in a byte of .gz
TOKENS_PER_SENTENCE = 20  # of text of unknown kind


@dataclass(frozen=True)
class Size:
    """A corpus before it is there: target tokens to train on, sentences of the larger test set."""

    train_tokens: int
    test_sentences: int


NAME = (
    "the folder under `results/` and the MLflow experiment; at most 100 letters, digits, `.`, `_`, "
    "`-`, and not `downloads`, `benchmarks`, `site`, `slurm`, `mlartifacts` or `mlflow.db...`"
)


class CorpusConfig(Kind):
    """A corpus: who reads it, how large it is, and what the report says of it."""

    kinds: ClassVar[dict[str, Any]] = {}
    reader: ClassVar[str] = ""
    """Import path of a function from options, mirrors and a folder for downloads to both sides of
    each raw split."""
    check: ClassVar[str] = ""
    """Import path of a function from the counts of the prepared splits and their folder to what
    differs from published numbers, in sentences; none where it is empty."""

    kind: str
    name: CorpusName = Field(description=NAME)
    source: Language = Field(default="de", description="language, an ISO 639 code")
    target: Language = Field(default="en", description="another language, an ISO 639 code")

    def text_size(self) -> Size:
        """Return the size, from which the limits of jobs follow."""
        raise NotImplementedError

    def sentence(self) -> str:
        """Return what the corpus is, for the report: "The corpus is ..." without its stop."""
        raise NotImplementedError

    def validation_every(self) -> int | None:
        """Return n where every n-th kept training pair becomes validation data, or None."""
        return None

    @property
    def raw_splits(self) -> tuple[str, ...]:
        """The splits that the reader returns."""
        return ("train", "test") if self.validation_every() else ("train", "valid", "test")

    @property
    def pair(self) -> str:
        """The languages, as "de-en"."""
        return f"{self.source}-{self.target}"

    @property
    def files(self) -> tuple[Path, ...]:
        """The user's own files that the corpus is read from."""
        return ()

    @model_validator(mode="after")
    def _two_languages(self) -> Self:
        if self.source == self.target:
            raise wrong("source and target must be different languages", "target")
        return self


class ToyCorpus(CorpusConfig):
    """The embedded corpus: German-English-like pairs drawn from a seeded grammar."""

    reader: ClassVar[str] = "alpha_dimt.data.corpora.toy:read"

    kind: Literal["toy"]
    name: CorpusName = Field(default="toy", description=NAME)
    seed: Seed = Field(default=1, description="0 to 2^31 - 1")
    train: PositiveInt = Field(default=6000, description="sentence pairs")
    valid: PositiveInt = Field(default=500, description="sentence pairs")
    test: PositiveInt = Field(default=500, description="sentence pairs")

    def text_size(self) -> Size:
        """See `CorpusConfig`."""
        return Size(10 * self.train, max(self.valid, self.test))

    def sentence(self) -> str:
        """See `CorpusConfig`."""
        return (
            f"The corpus {self.name} is drawn from a seeded grammar, in an invented language like "
            f"{self.pair}"
        )


class DownloadedCorpus(CorpusConfig):
    """A corpus whose files come from one of several mirrors."""

    mirrors: tuple[Annotated[str, BeforeValidator(local)], ...] = Field(
        (),
        description="tried in order; each a URL prefix or a local folder (`~/` and `file:///` too) "
        "that holds the upstream files",
    )


class Multi30kCorpus(DownloadedCorpus):
    """Multi30k task 1: raw captions, one gzip file a split and language."""

    reader: ClassVar[str] = "alpha_dimt.data.corpora.multi30k:read"

    kind: Literal["multi30k"]
    name: CorpusName = Field(default="multi30k", description=NAME)
    sha256: dict[FileName, Sha256] = Field(
        description="checksum of each upstream file, by file name"
    )

    def text_size(self) -> Size:
        """See `CorpusConfig`; counted."""
        return Size(369_017, 1_014)

    def sentence(self) -> str:
        """See `CorpusConfig`."""
        return f"The corpus is Multi30k task 1 ({self.pair}), the test set test_2016_flickr"


class Iwslt14Corpus(DownloadedCorpus):
    """IWSLT'14 de-en as MIXER (Ranzato et al., 2016) and the paper prepare it."""

    reader: ClassVar[str] = "alpha_dimt.data.corpora.iwslt14:read"
    check: ClassVar[str] = "alpha_dimt.data.corpora.iwslt14:differences"

    kind: Literal["iwslt14"]
    name: CorpusName = Field(default="iwslt14", description=NAME)
    archive: str = Field(default="de-en.tgz", description="name of the upstream archive")
    size: PositiveInt = Field(
        default=19_982_877, description="bytes of the archive; another size is an error"
    )
    md5: str = Field(
        default="10936dfdf616504ddbd844e91b94ef4a",
        pattern=r"^[0-9a-f]{32}$",
        description="of the archive; it has one source only, so a difference is a warning",
    )
    valid_every: PositiveInt = Field(
        default=23, description="every n-th kept training pair becomes validation data"
    )

    def text_size(self) -> Size:
        """See `CorpusConfig`; the number of pairs is that of Ranzato et al. (2016)."""
        return Size(153_326 * TOKENS_PER_SENTENCE, 6_969)

    def sentence(self) -> str:
        """See `CorpusConfig`."""
        return f"The corpus is IWSLT'14 {self.pair}, prepared as Ranzato et al. (2016) do"

    def validation_every(self) -> int | None:
        """See `CorpusConfig`; the archive has no validation text of its own."""
        return self.valid_every


class TwoFiles(Section):
    """A split in two aligned text files."""

    source: LocalPath = Field(description="file of the source, one sentence a line")
    target: LocalPath = Field(description="file of the target, aligned with it")

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the split."""
        return (self.source, self.target)


class OneTable(Section):
    """A split in one file of tab-separated source and target."""

    tsv: LocalPath = Field(description="file with source and target in each line")
    header: bool | None = Field(
        None,
        description="`true`: the first line names the columns and is left out; `false`: it is a "
        "sentence; null: the same, but a line that looks like names of columns is an error",
    )
    quoted: bool | None = Field(
        None,
        description="`true`: CSV quotes around fields are taken off; `false`: they are text; null: "
        "the same, but a field that looks as if it were quoted is an error",
    )

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the split."""
        return (self.tsv,)


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


SPLIT = (
    "either two aligned files, `{source: a.de, target: a.en}`, or one table of tab-separated "
    "source and target, `{tsv: a.tsv}`, whose keys are below"
)


class FilesCorpus(CorpusConfig):
    """The user's own parallel text; paths are relative to the working directory."""

    reader: ClassVar[str] = "alpha_dimt.data.corpora.files:read"

    kind: Literal["files"]
    train: Split = Field(description=f"training text; {SPLIT}")
    valid: Split = Field(description="validation text, in the same way")
    test: Split = Field(description="test text, in the same way")

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file of the corpus, once."""
        splits = (self.train, self.valid, self.test)
        return tuple(dict.fromkeys(file for split in splits for file in split.files))

    def text_size(self) -> Size:
        """See `CorpusConfig`; from the sizes of the files, which must exist."""
        train, valid, test = map(_tokens, (self.train, self.valid, self.test))
        return Size(train, ceil(max(valid, test) / TOKENS_PER_SENTENCE))

    def sentence(self) -> str:
        """See `CorpusConfig`."""
        return f"The corpus {self.name} is the user's own text ({self.pair})"


def _tokens(split: TwoFiles | OneTable) -> int:
    """Return the target tokens of a user's split, from the bytes of both languages."""
    files = split.files
    text = sum(file.stat().st_size * (GZIP if file.suffix == ".gz" else 1) for file in files)
    return ceil(text / 2 / BYTES_PER_TOKEN)


if TYPE_CHECKING:
    Corpus = CorpusConfig
else:
    Corpus = one_of(CorpusConfig)
