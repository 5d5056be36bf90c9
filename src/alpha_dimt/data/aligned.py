"""Read two aligned texts, and check their alignment; every stage does so before it starts."""

from collections.abc import Sequence
from pathlib import Path

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_lines


def check_aligned(
    source: Sequence[str], target: Sequence[str], source_name: object, target_name: object
) -> None:
    """Check that two texts have the same number of lines, and at least one.

    Raises:
        UserError: they do not; names both texts and the first line without a partner.
    """
    if not source and not target:
        raise UserError(f"{source_name}: the corpus is empty; give at least one sentence pair")
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
    """Read two aligned files, one sentence per line.

    Raises:
        UserError: a file is missing, invalid or empty, or the line counts differ.
    """
    source_lines, target_lines = read_lines(source), read_lines(target)
    check_aligned(source_lines, target_lines, source, target)
    return source_lines, target_lines


def own_lines(path: Path) -> list[str]:
    """Read a user's file, without byte order marks and Windows line endings.

    Raises:
        UserError: the file cannot be read, or a line holds a NUL byte, as in UTF-16 and in binary
            files.
    """
    lines = read_lines(path)
    for number, line in enumerate(lines, start=1):
        if "\0" in line:
            raise UserError(
                f"{path}:{number}: this line holds a NUL byte, so the file is binary or UTF-16; "
                "convert it to UTF-8, or delete the byte"
            )
    return [line.lstrip("\ufeff").removesuffix("\r") for line in lines]
