"""Files: read strictly, written atomically."""

import codecs
import errno
import gzip
import hashlib
import json
import math
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alpha_dimt.core.errors import UserError

# Limit on the unpacked size of a compressed file, bytes; gzip can expand a thousandfold.
MAX_UNPACKED = 4 * 2**30
# Errors of a disk that is full for every file.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = _FULL | {
    *(errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
}


def read_lines(path: Path) -> list[str]:
    r"""Return the lines of a UTF-8 text file, plain or .gz, split on "\n" alone.

    U+0085, U+2028 and carriage returns occur inside real sentences, so `str.splitlines` would
    break the alignment of parallel files. A last line without a newline counts; a byte order mark
    at the start is removed.

    Raises:
        UserError: the file is missing, is damaged gzip, unpacks to more than `MAX_UNPACKED` bytes
            or holds invalid UTF-8; names file and line.
    """
    try:
        raw = (
            unpack(path, MAX_UNPACKED, too_large="unpack it yourself and name the plain file")
            if path.suffix == ".gz"
            else path.read_bytes()
        )
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(f"{path}: there is no such file; check the path") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); fix this first") from error
    return decode_lines(raw, path)


def unpack(path: Path, max_bytes: int, *, too_large: str) -> bytes:
    """Return the content of a gzip file, checksum verified, of at most `max_bytes`.

    Args:
        path: the file.
        max_bytes: limit on the unpacked size; no more is ever unpacked.
        too_large: the way out that the error names if the content exceeds the limit.

    Raises:
        UserError: the file is damaged, or its content exceeds the limit.
        OSError: the file cannot be opened.
    """
    try:
        with gzip.open(path) as file:
            content = file.read(max_bytes + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(
            f"{path}: this gzip file is incomplete or damaged ({error}); get it again"
        ) from error
    if len(content) > max_bytes:
        raise UserError(
            f"{path}: unpacked, the file has more than {max_bytes:,} bytes; {too_large}"
        )
    return content


def decode_lines(raw: bytes, name: object) -> list[str]:
    """Return the lines of UTF-8 bytes as `read_lines` does; errors name `name`."""
    lines = raw.removeprefix(codecs.BOM_UTF8).split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    try:
        return [line.decode("utf-8") for line in lines]
    except UnicodeDecodeError:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{name}:{number}: invalid UTF-8 at byte {error.start} of the line; "
                    "convert the file to UTF-8"
                ) from error
        raise


def is_full(error: OSError) -> bool:
    """Return whether the error means that the disk is full."""
    return error.errno in _FULL


def unwritable(path: Path, error: OSError) -> UserError:
    """Return the error for a file that the system refuses to write."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return UserError(
        f"{path}: cannot be written ({reason}); no partial file is left there: "
        "free some space or make the folder writable, then run the same command again"
    )


@contextmanager
def refusals_named(path: Path) -> Iterator[None]:
    """Turn write errors of the file system into a `UserError` that names `path`.

    Raises:
        UserError: the disk is full, a quota is used up, or a folder is read-only or not a folder.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        raise unwritable(path, error) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is fsynced and renamed to `path`.

    On any exception, Ctrl-C included, the temporary file is removed and `path` is untouched.

    Raises:
        UserError: the file system refuses the write.
    """
    with refusals_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            _fsync(temporary)
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
            _fsync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it is fsynced and renamed to `path`.

    `path` must not exist. On any exception the temporary folder is removed.

    Raises:
        UserError: the file system refuses the write.
    """
    with refusals_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))
        try:
            yield temporary
            for file in temporary.iterdir():
                _fsync(file)
            _fsync(temporary)
            temporary.chmod(0o777 & ~_umask())
            temporary.rename(path)
            _fsync(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write one line per item, atomically; a line must not contain a newline."""
    write_text(path, "".join(f"{line}\n" for line in lines))


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON with sorted keys, atomically."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def finite_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON for display, with null for infinity and NaN, which JSON lacks."""
    return json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> Any:
    """Read a JSON file, with or without a byte order mark.

    Raises:
        UserError: the file cannot be read or is not JSON; names the file and the line.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file; check the path") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); fix this first") from error
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise UserError(f"{path}:{line}: this is not valid JSON ({error})") from error


def read_json_lines(path: Path) -> list[Any]:
    """Read one JSON value per line.

    Raises:
        UserError: the file is missing or a line is not JSON; names the file and the line.
    """
    values = []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            values.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise UserError(f"{path}:{number}: this is not valid JSON ({error})") from error
    return values


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
