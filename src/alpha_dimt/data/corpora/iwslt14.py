"""IWSLT'14 German-English: the files of its archive, and the expected result of preparation.

The preparation is that of MIXER (Ranzato et al., 2016), which the paper uses.
"""

import csv
import re
import textwrap
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from alpha_dimt.config.corpora import Iwslt14Corpus
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import decode_lines, read_lines
from alpha_dimt.data.aligned import check_aligned
from alpha_dimt.data.archive import read_members
from alpha_dimt.data.corpora import Sides
from alpha_dimt.data.download import Checks, fetch

# In MIXER's order.
TEST_SETS = ("TED.dev2010", "TEDX.dev2012", "TED.tst2010", "TED.tst2011", "TED.tst2012")

# Tags of metadata lines. The release of 2014-01 has the first three; later ones add the others.
_METADATA = re.compile(r"<(url|talkid|keywords)>|^\s*</?(speaker|reviewer|translator|doc)\b")
_TEXT_TAGS = re.compile(r"</?(?:title|description)>")
_SEGMENT = re.compile(r'<seg id="\d+">(.*)</seg>')
_SEGMENT_TAG = re.compile(r"</?seg\b", re.IGNORECASE)

# Number of training pairs in the release of 2014-01.
TRAINING_PAIRS = 153_326
_PREPARED = Path(__file__).parents[2] / "published" / "iwslt14_prepared.csv"


def read(corpus: Iwslt14Corpus, *, mirrors: Sequence[str], cache: Path) -> dict[str, Sides]:
    """Download the archive; return the two sides of the training and of the test text.

    Raises:
        UserError: the archive cannot be downloaded or read, or its files are not aligned.
    """
    checks = Checks(size=corpus.size, md5=corpus.md5)
    path = fetch(corpus.archive, mirrors=mirrors, cache=cache, checks=checks)
    pair = corpus.source, corpus.target
    train_names = [training_member(*pair, language) for language in pair]
    test_names = [test_members(*pair, language) for language in pair]
    contents = read_members(path, [*train_names, *test_names[0], *test_names[1]])
    texts = {name: decode_lines(content, f"{path}/{name}") for name, content in contents.items()}

    train = [training_segments(texts[name]) for name in train_names]
    check_aligned(train[0], train[1], *(f"{path}/{name}" for name in train_names))
    test: tuple[list[str], list[str]] = ([], [])
    for names in zip(*test_names, strict=True):
        segments = [test_segments(texts[name], f"{path}/{name}") for name in names]
        check_aligned(segments[0], segments[1], *(f"{path}/{name}" for name in names))
        for lines, more in zip(test, segments, strict=True):
            lines.extend(more)
    return {"train": (train[0], train[1]), "test": test}


def training_member(source: str, target: str, language: str) -> str:
    """Return the archive's member with the training side of a language."""
    return f"{source}-{target}/train.tags.{source}-{target}.{language}"


def test_members(source: str, target: str, language: str) -> list[str]:
    """Return the archive's members with the test side of a language, in order."""
    pair = f"{source}-{target}"
    return [f"{pair}/IWSLT14.{name}.{pair}.{language}.xml" for name in TEST_SETS]


def training_segments(lines: Sequence[str]) -> list[str]:
    """Return the text of a train.tags file, including titles and descriptions."""
    return [_TEXT_TAGS.sub("", line).strip() for line in lines if not _METADATA.search(line)]


def test_segments(lines: Sequence[str], name: object) -> list[str]:
    """Return the text of the <seg> lines of an XML file, with ’ as the ASCII apostrophe.

    As in MIXER, lines are matched by pattern: the XML is not parsed, entities are never resolved,
    and `&amp;` stays as it is.

    Args:
        lines: lines of the file.
        name: name of the file, for the error.

    Raises:
        UserError: a segment is not alone on its line as in the release, or the file declares
            entities; names the file and the line.
    """
    segments = []
    for number, line in enumerate(lines, start=1):
        tags = len(_SEGMENT_TAG.findall(line))
        match = _SEGMENT.search(line)
        if "<!ENTITY" in line or (tags and (match is None or tags != 2 or "<!" in line)):
            raise UserError(
                f'{name}:{number}: a segment must be one line <seg id="1">text</seg>, without '
                f"declarations or sections, but this line is {textwrap.shorten(line, 80)!r}; "
                "get the archive as WIT3 released it"
            )
        if match:
            segments.append(match[1].strip().replace("’", "'"))
    return segments


# -------------------------------------------------------------------- the expected preparation


class Prepared(NamedTuple):
    """Expected values of one prepared file; `checksums` has one byte per line."""

    tokens: int
    sha256: str
    checksums: bytes


def line_checksums(lines: Sequence[str]) -> bytes:
    """Return one byte per line: the lowest of its CRC-32."""
    return bytes(zlib.crc32(line.encode()) & 0xFF for line in lines)


def expected() -> dict[str, Prepared]:
    """Return the expected values of the prepared files, by name ("valid.de" and so on)."""
    with _PREPARED.open(encoding="utf-8", newline="") as file:
        return {
            row["file"]: Prepared(
                int(row["tokens"]), row["sha256"], bytes.fromhex(row["line_checksums"])
            )
            for row in csv.DictReader(file)
        }


def differences(splits: Mapping[str, Mapping[str, Any]], folder: Path) -> list[str]:
    """Compare a preparation with the published one.

    Args:
        splits: for each split, "pairs", and "tokens" and "sha256" by language.
        folder: folder of the prepared files.

    Returns:
        One sentence per difference; empty if the preparation is the published one.
    """
    found = []
    pairs = splits["train"]["pairs"]
    if pairs != TRAINING_PAIRS:
        found.append(f"train has {pairs:,} pairs instead of {TRAINING_PAIRS:,}")
    for name, file in expected().items():
        split, language = name.split(".")
        if splits[split]["sha256"][language] != file.sha256:
            tokens = splits[split]["tokens"][language]
            found.extend(_file_differences(folder / name, tokens, file))
    return found


def _file_differences(path: Path, tokens: int, expected: Prepared) -> Iterator[str]:
    lines = read_lines(path)
    if len(lines) != len(expected.checksums):
        yield f"{path} has {len(lines):,} lines instead of {len(expected.checksums):,}"
    if tokens != expected.tokens:
        yield f"{path} has {tokens:,} tokens instead of {expected.tokens:,}"
    ours = line_checksums(lines)
    # One byte misses one changed line in 256, so the first mismatch found may be a later line.
    for number, (one, other) in enumerate(zip(ours, expected.checksums, strict=False), start=1):
        if one != other:
            yield f"{path}:{number} is the first line that differs from the published text: " + (
                repr(lines[number - 1])
            )
            return
    yield f"{path} differs from the published text in its sha256, but not in a line's checksum"
