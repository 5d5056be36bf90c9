import errno
import os
from pathlib import Path

import pytest
from small_disk import SmallDisk

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import (
    atomic_folder,
    atomic_path,
    read_json,
    read_json_lines,
    read_lines,
    sha256,
    write_json,
    write_lines,
    write_text,
)


@pytest.mark.parametrize("separator", ["\u0085", "\u2028", "\u2029", "\r", "\x0b", "\x0c", "\x1e"])
def test_lines_end_at_newlines_alone(tmp_path: Path, separator: str):
    lines = [f"one{separator}line", "", "another"]
    path = tmp_path / "text"
    write_lines(path, lines)

    assert read_lines(path) == lines


def test_the_last_newline_may_be_missing(tmp_path: Path):
    path = tmp_path / "text"
    path.write_bytes(b"one\ntwo")

    assert read_lines(path) == ["one", "two"]


def test_no_lines(tmp_path: Path):
    path = tmp_path / "text"
    write_lines(path, [])

    assert path.read_bytes() == b""
    assert read_lines(path) == []


def test_invalid_utf8_names_the_line(tmp_path: Path):
    path = tmp_path / "text"
    path.write_bytes(b"good\nalso \xc3\xa4\nb\xffd\n")

    with pytest.raises(UserError, match=r"text:3: invalid UTF-8 at byte 1 "):
        read_lines(path)


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(UserError, match="there is no such file"):
        read_lines(tmp_path / "none")
    with pytest.raises(UserError, match="there is no such file"):
        read_lines(tmp_path)
    with pytest.raises(UserError, match="there is no such file"):
        read_json(tmp_path / "none.json")


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]):
    path = tmp_path / "folder/file"
    write_text(path, "old")

    def fail_half_way() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail_half_way()

    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_files_have_the_usual_permissions(tmp_path: Path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "file", "text")
    finally:
        os.umask(before)

    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_json_is_read_back_and_sorted(tmp_path: Path):
    path = tmp_path / "value.json"
    write_json(path, {"b": "ä", "a": [1, None]})

    assert read_json(path) == {"b": "ä", "a": [1, None]}
    assert path.read_text(encoding="utf-8").index('"a"') < path.read_text().index('"b"')


def test_json_without_a_value_for_nan(tmp_path: Path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "value.json", float("nan"))

    assert not list(tmp_path.iterdir())


def test_broken_json_names_the_line(tmp_path: Path):
    path = tmp_path / "value.json"
    path.write_text('{"a": 1,\n"b": }\n')

    with pytest.raises(UserError, match=r"value\.json:2: "):
        read_json(path)


def test_sha256_of_known_text(tmp_path: Path):
    write_text(tmp_path / "abc", "abc")

    # FIPS 180-2, appendix B.1.
    assert sha256(tmp_path / "abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_a_folder_appears_as_a_whole(tmp_path: Path):
    with atomic_folder(tmp_path / "new/folder") as temporary:
        (temporary / "a").write_text("1")
        (temporary / "b").write_text("2")
        assert not (tmp_path / "new/folder").exists()

    assert [path.name for path in sorted((tmp_path / "new/folder").iterdir())] == ["a", "b"]
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new/folder"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_folder_that_fails_leaves_nothing(tmp_path: Path, error: type[BaseException]):
    def fail_half_way() -> None:
        with atomic_folder(tmp_path / "folder") as temporary:
            (temporary / "a").write_text("1")
            raise error

    with pytest.raises(error):
        fail_half_way()

    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_sentence_and_keeps_the_old_file(small_disk: SmallDisk):
    disk = small_disk
    path = disk.folder / "text"
    write_text(path, "old")
    disk.fill(leave=4096)

    with pytest.raises(UserError, match=r"text: cannot be written \(No space left on device"):
        write_text(path, "new" * 10_000)

    assert path.read_text() == "old"
    assert sorted(disk.folder.iterdir()) == [disk.folder / ".filling", path]


def test_a_read_only_disk_is_one_sentence(small_disk: SmallDisk):
    disk = small_disk
    disk.read_only()

    with pytest.raises(UserError, match=r"a/text: cannot be written \(Read-only file system"):
        write_text(disk.folder / "a/text", "new")


def test_other_errors_of_the_system_are_not_hidden(tmp_path: Path):
    def fail() -> None:
        with atomic_path(tmp_path / "file"):
            raise OSError(errno.ECONNRESET, "connection reset")

    with pytest.raises(OSError, match="connection reset"):
        fail()


def test_a_byte_order_mark_is_no_text(tmp_path: Path):
    marked = tmp_path / "marked"
    marked.write_bytes(b"\xef\xbb\xbf" + "über\nzwei\n".encode())
    assert read_lines(marked) == ["über", "zwei"]
    marked.write_bytes(b"\xef\xbb\xbf")
    assert read_lines(marked) == []
    marked.write_bytes(b"\xef\xbb\xbf" + b'{"a": 1}\n')
    assert read_json(marked) == {"a": 1}
    assert read_json_lines(marked) == [{"a": 1}]
