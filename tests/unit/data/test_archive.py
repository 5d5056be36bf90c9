import gzip
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from alpha_dimt.core.errors import UserError
from alpha_dimt.data.archive import read_members


def make(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_reads_the_named_members(tmp_path: Path) -> None:
    path = make(
        tmp_path / "a.tgz",
        (tarfile.TarInfo("./de-en/a"), b"text"),
        (tarfile.TarInfo("de-en/other"), b"ignored"),
    )
    assert read_members(path, ["de-en/a"]) == {"de-en/a": b"text"}


def link(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = "/etc/passwd"
    return info


@pytest.mark.parametrize(
    "bad",
    [
        link("de-en/a", tarfile.SYMTYPE),
        link("de-en/a", tarfile.LNKTYPE),
        link("de-en/a", tarfile.FIFOTYPE),
        link("de-en/a", tarfile.CHRTYPE),
        link("de-en/a", tarfile.GNUTYPE_SPARSE),
        tarfile.TarInfo("/de-en/a"),
        tarfile.TarInfo("de-en/../../a"),
    ],
    ids=["symbolic link", "hard link", "pipe", "character device", "sparse", "absolute", "outside"],
)
def test_refuses_dangerous_members(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    path = make(tmp_path / "a.tgz", (tarfile.TarInfo("de-en/b"), b"text"), (bad, b""))
    with pytest.raises(UserError, match="leads out of the archive"):
        read_members(path, ["de-en/b"])


def test_refuses_too_much(tmp_path: Path) -> None:
    path = make(tmp_path / "a.tgz", (tarfile.TarInfo("a"), bytes(100)))
    size = 10_240  # of the tar file: blocks of 20 x 512 bytes
    assert read_members(path, ["a"], max_bytes=size)
    with pytest.raises(UserError, match="more than 10,239 bytes"):
        read_members(path, ["a"], max_bytes=size - 1)


def test_missing_member(tmp_path: Path) -> None:
    path = make(tmp_path / "a.tgz", (tarfile.TarInfo("a"), b""))
    with pytest.raises(UserError, match=r"a\.tgz: the archive has no de-en/x"):
        read_members(path, ["a", "de-en/x"])


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_broken_archive(tmp_path: Path, content: bytes | None) -> None:
    path = make(tmp_path / "a.tgz", (tarfile.TarInfo("a"), bytes(5000) + b"x"))
    path.write_bytes(path.read_bytes()[:60] if content is None else content)
    with pytest.raises(
        UserError, match=r"a\.tgz: this (archive cannot be read|gzip file is incomplete)"
    ):
        read_members(path, ["a"])


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = make(
        tmp_path / "a.tgz", (tarfile.TarInfo("de-en/a"), b"1"), (tarfile.TarInfo("./de-en/a"), b"2")
    )
    with pytest.raises(UserError, match="has de-en/a twice"):
        read_members(path, ["de-en/a"])


def test_more_members_than_a_corpus_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alpha_dimt.data.archive.MAX_MEMBERS", 3)
    path = make(tmp_path / "a.tgz", *((tarfile.TarInfo(name), b"") for name in "abcd"))
    with pytest.raises(UserError, match="more than 3 members"):
        read_members(path, ["a"])


@pytest.mark.parametrize("cut", [1, 8, 9, 60])
def test_every_byte_of_the_archive_is_needed(tmp_path: Path, cut: int) -> None:
    path = make(tmp_path / "a.tgz", (tarfile.TarInfo("a"), b"text" * 100))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(UserError, match="gzip file is incomplete"):
        read_members(path, ["a"])


def long_name_of(size: int) -> bytes:
    """Return the header of a member whose name alone has so many bytes; tarfile reads it whole."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, size
    return info.tobuf(tarfile.GNU_FORMAT)


def negative_size() -> bytes:
    """Return a header that makes the reader seek back 1,024 bytes, forever."""
    header = bytearray(tarfile.TarInfo("x").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (-1024).to_bytes(12, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def extended(*records: str) -> bytes:
    """Return a member behind PAX headers."""
    body = "".join(records).encode()
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(body)
    padding = bytes(-len(body) % 512)
    return info.tobuf(tarfile.GNU_FORMAT) + body + padding + tarfile.TarInfo("a").tobuf()


@pytest.mark.parametrize(
    "content",
    [
        negative_size(),
        extended("13 size=-512\n"),
        extended("22 GNU.sparse.major=1\n", "22 GNU.sparse.minor=0\n"),
        extended("22 GNU.sparse.map=0,x\n"),
        extended("0 a=b\n"),
    ],
    ids=["negative size", "negative extended size", "no sparse map", "bad sparse map", "length 0"],
)
def test_headers_that_lie(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tgz"
    path.write_bytes(gzip.compress(content + bytes(1024)))
    with pytest.raises(UserError, match=r"cannot be read|the archive has no a"):
        read_members(path, ["a"])


def test_a_bomb_costs_no_more_than_the_limit(tmp_path: Path) -> None:
    gigabyte, limit = 2**30, 2**25
    path = tmp_path / "a.tgz"
    with gzip.open(path, "wb", 1) as file:
        file.write(long_name_of(gigabyte))
        for _ in range(64):
            file.write(bytes(gigabyte // 64))
    code = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from alpha_dimt.data.archive import read_members\n"
        "from alpha_dimt.core.errors import UserError\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        f"before = peak()\ntry: read_members(Path({str(path)!r}), ['a'], {limit})\n"
        "except UserError as error: print(error)\nprint(peak() - before)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    message, grown = result.stdout.splitlines()
    assert path.stat().st_size < gigabyte // 200
    assert f"more than {limit:,} bytes" in message
    assert int(grown) < 4 * limit
