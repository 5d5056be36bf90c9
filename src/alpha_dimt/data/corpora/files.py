"""The user's own parallel text: two aligned files or one table for each split."""

from collections.abc import Sequence
from pathlib import Path

from alpha_dimt.config.corpora import FilesCorpus, OneTable, TwoFiles
from alpha_dimt.core.errors import UserError
from alpha_dimt.data.aligned import check_aligned, own_lines
from alpha_dimt.data.corpora import Sides
from alpha_dimt.data.table import read_table


def read(corpus: FilesCorpus, *, mirrors: Sequence[str], cache: Path) -> dict[str, Sides]:
    """Return the two sides of each split; nothing is downloaded.

    Raises:
        UserError: a file cannot be read, its sides are not aligned, or a sentence to validate or
            test with is blank.
    """
    splits = {}
    for split, files in (("train", corpus.train), ("valid", corpus.valid), ("test", corpus.test)):
        if isinstance(files, TwoFiles):
            sides: Sides = _two_files(files)
        else:
            sides = read_table(files, source=corpus.source, target=corpus.target)
        if split != "train":
            _check_not_blank(files, sides)
        splits[split] = sides
    return splits


def _two_files(files: TwoFiles) -> Sides:
    source, target = own_lines(files.source), own_lines(files.target)
    check_aligned(source, target, files.source, files.target)
    return source, target


def _check_not_blank(files: TwoFiles | OneTable, sides: Sides) -> None:
    names = (files.source, files.target) if isinstance(files, TwoFiles) else (files.tsv,) * 2
    first = 2 if isinstance(files, OneTable) and files.header else 1
    for name, lines in zip(names, sides, strict=True):
        for number, line in enumerate(lines, start=first):
            if not line.strip():
                raise UserError(
                    f"{name}:{number}: this sentence is blank; "
                    "validation and test need a sentence on both sides of every line"
                )
