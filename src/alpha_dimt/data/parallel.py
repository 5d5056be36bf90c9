"""Two aligned texts: the check that every stage makes before it works on them."""

from collections.abc import Sequence
from pathlib import Path

from alpha_dimt.errors import UserError
from alpha_dimt.files import read_lines


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
