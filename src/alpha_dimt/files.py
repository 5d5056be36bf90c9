"""Text and JSON files: read strictly, written atomically."""

import gzip
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alpha_dimt.errors import UserError


def read_lines(path: Path) -> list[str]:
    r"""Return the lines of a UTF-8 text file, plain or .gz, split on "\n" alone.

    U+0085, U+2028 and carriage returns occur inside real sentences, so `str.splitlines` would
    break the alignment of parallel files. A last line without a newline counts.

    Raises:
        UserError: the file is missing, is broken gzip or holds invalid UTF-8; names file and line.
    """
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(f"{path}: there is no such file; check the path") from error
    if path.suffix == ".gz":
        try:
            raw = gzip.decompress(raw)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(
                f"{path}: this is not a whole gzip file ({error}); get it anew"
            ) from error
    return decode_lines(raw, path)


def decode_lines(raw: bytes, name: object) -> list[str]:
    """Return the lines of UTF-8 bytes as `read_lines` does; `name` stands in the error."""
    lines = raw.split(b"\n")
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


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is fsynced and renamed to `path`.

    On any exception, Ctrl-C included, the temporary file is removed and `path` is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is missing or is not JSON; names the file and the line.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file; check the path") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        line = getattr(error, "lineno", 1)
        raise UserError(f"{path}:{line}: this is not valid JSON ({error})") from error


def read_json_lines(path: Path) -> list[Any]:
    """Read one JSON value a line.

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
