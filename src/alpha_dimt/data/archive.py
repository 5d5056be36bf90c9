"""Read members of a tar archive in memory, without trusting the archive."""

import io
import tarfile
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import unpack

MAX_BYTES = 2**28
MAX_MEMBERS = 10_000


def read_members(
    path: Path, names: Collection[str], max_bytes: int = MAX_BYTES
) -> dict[str, bytes]:
    """Return the contents of the named members of a .tgz archive; nothing is extracted to disk.

    The archive is unpacked in memory and its checksum verified before any header is read: whatever
    sizes the headers claim, no more than `max_bytes` is ever held.

    Raises:
        UserError: the archive cannot be read, lacks a member or has it twice, holds more than
            `max_bytes` or `MAX_MEMBERS`, or holds links, devices, sparse files or paths that lead
            out of it.
    """
    contents: dict[str, bytes] = {}
    try:
        content = io.BytesIO(
            unpack(path, max_bytes, too_large="get it from a mirror that you trust")
        )
        # As a stream, so that no header can make the reader seek back.
        with tarfile.open(fileobj=content, mode="r|") as archive:
            for number, member in enumerate(archive, start=1):
                if number > MAX_MEMBERS:
                    raise UserError(
                        f"{path}: the archive has more than {MAX_MEMBERS:,} members; "
                        "get it from a mirror that you trust"
                    )
                _check_member(path, member)
                name = str(PurePosixPath(member.name))
                file = archive.extractfile(member) if name in names else None
                if file is None:
                    continue
                if name in contents:
                    raise UserError(
                        f"{path}: the archive has {name} twice; get it from a mirror that you trust"
                    )
                contents[name] = file.read()
    # Inconsistent headers (of sparse maps, for example) raise ValueError.
    except (tarfile.TarError, OSError, ValueError, OverflowError) as error:
        raise UserError(
            f"{path}: this archive cannot be read ({error}); delete it and download it again"
        ) from error
    missing = sorted(set(names) - contents.keys())
    if missing:
        raise UserError(
            f"{path}: the archive has no {missing[0]}; check that it is the right archive"
        )
    return contents


def _check_member(path: Path, member: tarfile.TarInfo) -> None:
    name = PurePosixPath(member.name)
    ordinary = (member.isreg() and not member.issparse()) or member.isdir()
    if not ordinary or name.is_absolute() or ".." in name.parts:
        raise UserError(
            f"{path}: the archive's member {member.name!r} is a link, a device, a sparse file or "
            "leads out of the archive; get it from a mirror that you trust"
        )
