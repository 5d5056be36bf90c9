import io
import tarfile
from pathlib import Path

import pytest

from alpha_dimt.data.archive import read_members
from alpha_dimt.errors import UserError


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
        tarfile.TarInfo("/de-en/a"),
        tarfile.TarInfo("de-en/../../a"),
    ],
    ids=["symbolic link", "hard link", "pipe", "absolute", "outside"],
)
def test_refuses_dangerous_members(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    path = make(tmp_path / "a.tgz", (tarfile.TarInfo("de-en/b"), b"text"), (bad, b""))
    with pytest.raises(UserError, match="leads out of the archive"):
        read_members(path, ["de-en/b"])


def test_refuses_too_much(tmp_path: Path) -> None:
    path = make(tmp_path / "a.tgz", (tarfile.TarInfo("a"), bytes(100)))
    assert read_members(path, ["a"], max_bytes=100)
    with pytest.raises(UserError, match="more than 99 bytes"):
        read_members(path, ["a"], max_bytes=99)


def test_missing_member(tmp_path: Path) -> None:
    path = make(tmp_path / "a.tgz", (tarfile.TarInfo("a"), b""))
    with pytest.raises(UserError, match=r"a\.tgz: the archive has no de-en/x"):
        read_members(path, ["a", "de-en/x"])


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_broken_archive(tmp_path: Path, content: bytes | None) -> None:
    path = make(tmp_path / "a.tgz", (tarfile.TarInfo("a"), bytes(5000) + b"x"))
    path.write_bytes(path.read_bytes()[:60] if content is None else content)
    with pytest.raises(UserError, match=r"a\.tgz: this archive cannot be read"):
        read_members(path, ["a"])
