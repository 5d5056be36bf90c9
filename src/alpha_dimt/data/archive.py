"""Reading members of a tar archive in memory, without trusting the archive."""

import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from alpha_dimt.errors import UserError

MAX_BYTES = 2**30


def read_members(
    path: Path, names: Collection[str], max_bytes: int = MAX_BYTES
) -> dict[str, bytes]:
    """Return the contents of the named members of a .tgz archive; nothing is extracted to disk.

    Raises:
        UserError: the archive cannot be read, lacks a member, holds more than `max_bytes`, or holds
            links, devices or paths that lead out of it.
    """
    contents = {}
    total = 0
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                _check_member(path, member)
                total += member.size
                if total > max_bytes:
                    raise UserError(
                        f"{path}: the archive holds more than {max_bytes:,} bytes; "
                        "get it from a mirror that you trust"
                    )
                name = str(PurePosixPath(member.name))
                file = archive.extractfile(member) if name in names else None
                if file:
                    contents[name] = file.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise UserError(
            f"{path}: this archive cannot be read ({error}); delete it and fetch it again"
        ) from error
    missing = sorted(set(names) - contents.keys())
    if missing:
        raise UserError(f"{path}: the archive has no {missing[0]}; is it the right archive?")
    return contents


def _check_member(path: Path, member: tarfile.TarInfo) -> None:
    name = PurePosixPath(member.name)
    ordinary = member.isreg() or member.isdir()
    if not ordinary or name.is_absolute() or ".." in name.parts:
        raise UserError(
            f"{path}: the archive's member {member.name!r} is a link, a device or leads out of the "
            "archive; get it from a mirror that you trust"
        )
