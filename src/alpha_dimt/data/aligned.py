"""Two aligned texts: how they are read, and the check that every stage makes before it works."""

from collections.abc import Sequence
from pathlib import Path

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_lines


def check_aligned(
    source: Sequence[str], target: Sequence[str], source_name: object, target_name: object
) -> None:
    """Check that two texts have the same number of lines, and some.

    Raises:
        UserError: names both places and the first line without a partner.
    """
    if not source and not target:
        raise UserError(f"{source_name}: the corpus is empty; give at least one pair of sentences")
    if len(source) != len(target):
        longer, shorter = (
            (source_name, target_name) if len(source) > len(target) else (target_name, source_name)
        )
        first = min(len(source), len(target)) + 1
        raise UserError(
            f"{longer}:{first}: this line has no partner, because {source_name} has {len(source)} "
            f"lines and {target_name} {len(target)}; {shorter} must have as many"
        )


def read_pairs(source: Path, target: Path) -> tuple[list[str], list[str]]:
    """Read two aligned files, one sentence a line.

    Raises:
        UserError: a file is missing, invalid or empty, or the line counts differ.
    """
    source_lines, target_lines = read_lines(source), read_lines(target)
    check_aligned(source_lines, target_lines, source, target)
    return source_lines, target_lines


def own_lines(path: Path) -> list[str]:
    """Read a user's file, without byte order marks and the ends that Windows gives lines.

    Raises:
        UserError: the file cannot be read, or a line holds a NUL, as text in UTF-16 and files that
            are no text do.
    """
    lines = read_lines(path)
    for number, line in enumerate(lines, start=1):
        if "\0" in line:
            raise UserError(
                f"{path}:{number}: this line holds a NUL byte, so the file is no text or is "
                "UTF-16; convert it to UTF-8, or delete the byte"
            )
    return [line.lstrip("\ufeff").removesuffix("\r") for line in lines]
