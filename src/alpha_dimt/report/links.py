"""Links from the page to the files that its numbers are from."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from alpha_dimt.report.study import Study
from alpha_dimt.runs.paths import COLUMNS

TABLES = {
    "table1": "Table 1",
    "training": "Training",
    "significance": "Significance",
    "searches": "BLEU by search",
}
SUFFIXES = ("csv", "json", "md", "tex", "html")
OF_A_RUN = ("config.json", "run.json", "metrics.jsonl")


@dataclass(frozen=True)
class Files:
    """Files of one subject.

    Attributes:
        name: of the subject.
        links: the name and the address of each.
    """

    name: str
    links: list[tuple[str, str]]


def address(path: Path, page: Path) -> str:
    """Return the address of a file as the page links to it.

    Args:
        path: the file.
        page: folder of the page.
    """
    return quote(Path(os.path.relpath(path, page)).as_posix())


def table_files(tables: Path, page: Path) -> Iterator[tuple[str, Files]]:
    """Yield the name of each table without suffix, and its files that are there.

    Args:
        tables: their folder.
        page: folder of the page.
    """
    for stem, name in TABLES.items():
        paths = [tables / f"{stem}.{suffix}" for suffix in SUFFIXES]
        links = [(path.suffix[1:], address(path, page)) for path in paths if path.exists()]
        if links:
            yield stem, Files(name, links)


def run_files(study: Study, page: Path) -> Iterator[Files]:
    """Yield the files of each run that the page is made from; for `page`, see `table_files`."""
    names = [*OF_A_RUN, *(f"scores/{name}.json" for name in COLUMNS.values())]
    for run in study.runs:
        links = [(name, address(run.folder / name, page)) for name in names]
        yield Files(f"{run.config.system}, seed {run.config.seed}", links)
