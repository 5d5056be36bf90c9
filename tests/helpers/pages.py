"""Tables of Markdown pages."""

import re
from collections.abc import Iterator

Cells = dict[str, str]


def tables(text: str, first: str) -> list[list[Cells]]:
    """Return the tables of a page with this first header, one dictionary per row.

    Of several equal headers the second is named "header (2)", and so on.
    """
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        header, _, *rows = [
            [cell.strip() for cell in line.strip("|\n ").split(" |")] for line in block.splitlines()
        ]
        if header[0] != first:
            continue
        seen = [header[: i + 1].count(name) for i, name in enumerate(header)]
        names = [
            f"{name} ({count})" if count > 1 else name
            for name, count in zip(header, seen, strict=True)
        ]
        found.append([dict(zip(names, row, strict=True)) for row in rows])
    return found


def cells(rows: list[Cells]) -> Iterator[tuple[str, str, str]]:
    """Yield system, header and cell."""
    for row in rows:
        name = next(iter(row.values()))
        yield from ((name, header, cell) for header, cell in list(row.items())[1:])
