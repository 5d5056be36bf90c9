import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from alpha_dimt.data.fetch import CHUNK_BYTES, Checks, fetch
from alpha_dimt.errors import UserError

CONTENT = bytes(range(256)) * 2000
GOOD = Checks(sha256=hashlib.sha256(CONTENT).hexdigest(), size=len(CONTENT))


class Server(ThreadingHTTPServer):
    """Serves CONTENT under several kinds of misbehaviour, named by the first part of the path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        how = self.path.split("/")[1]
        asked = self.headers.get("Range")
        self.server.requests.append(f"{self.path} {asked or ''}".strip())
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked else 0
        if how == "missing":
            return self.send_error(404)
        if how == "page":
            return self.answer(200, b"<html>Please log in</html>", "text/html; charset=utf-8")
        if how == "wrong":
            return self.answer(200, b"x" * len(CONTENT))
        if how == "norange":
            return self.answer(200, CONTENT)
        if start >= len(CONTENT):
            return self.send_error(416)
        body = CONTENT[start:]
        if how == "truncated" and not asked:
            return self.answer(200, body, sent=2 * CHUNK_BYTES)
        return self.answer(206 if asked else 200, body)

    def answer(
        self,
        status: int,
        body: bytes,
        kind: str = "application/octet-stream",
        sent: int | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:sent])


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def folder(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


def test_first_mirror_that_works_is_used_and_kept(server: Server, tmp_path: Path) -> None:
    mirrors = ["http://127.0.0.1:9", f"{server.url}/missing", f"{server.url}/good/", "/nowhere"]
    path = fetch("f.gz", mirrors=mirrors, cache=tmp_path / "cache", checks=GOOD)
    assert path.read_bytes() == CONTENT
    assert folder(path.parent) == ["f.gz"]
    server.requests.clear()
    assert fetch("f.gz", mirrors=mirrors, cache=path.parent, checks=GOOD) == path
    assert fetch("f.gz", mirrors=(), cache=path.parent, checks=GOOD) == path
    assert server.requests == []


def test_local_directory_is_a_mirror(tmp_path: Path) -> None:
    (tmp_path / "f.gz").write_bytes(CONTENT)
    path = fetch("f.gz", mirrors=[str(tmp_path)], cache=tmp_path / "cache", checks=GOOD)
    assert path.read_bytes() == CONTENT


def test_broken_transfer_is_continued(server: Server, tmp_path: Path) -> None:
    path = fetch("f.gz", mirrors=[f"{server.url}/truncated"], cache=tmp_path, checks=GOOD)
    assert path.read_bytes() == CONTENT
    assert server.requests == ["/truncated/f.gz", "/truncated/f.gz bytes=131072-"]
    assert folder(tmp_path) == ["f.gz"]


@pytest.mark.parametrize(
    ("how", "part", "requests"),
    [
        ("good", CONTENT[:5000], ["/good/f.gz bytes=5000-"]),
        ("norange", CONTENT[:5000], ["/norange/f.gz bytes=5000-"]),
        ("good", CONTENT + b"more", ["/good/f.gz bytes=512004-", "/good/f.gz"]),
        ("good", b"of another time", ["/good/f.gz bytes=15-", "/good/f.gz"]),
    ],
    ids=["continued", "server cannot continue", "part too long", "file has changed"],
)
def test_part_of_an_earlier_session(
    server: Server, tmp_path: Path, how: str, part: bytes, requests: list[str]
) -> None:
    url = f"{server.url}/{how}/f.gz"
    key = hashlib.sha256(url.encode()).hexdigest()[:8]
    (tmp_path / f"f.gz.{key}.part").write_bytes(part)
    path = fetch("f.gz", mirrors=[f"{server.url}/{how}"], cache=tmp_path, checks=GOOD)
    assert path.read_bytes() == CONTENT
    assert server.requests == requests
    assert folder(tmp_path) == ["f.gz"]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("page", "a web page came"),
        ("wrong", "the sha256 is"),
        ("missing", "the answer is 404"),
    ],
)
def test_error_names_every_mirror_with_its_reason(
    server: Server, tmp_path: Path, how: str, reason: str
) -> None:
    mirrors = [f"{server.url}/{how}", str(tmp_path / "nowhere")]
    with pytest.raises(UserError) as error:
        fetch("f.gz", mirrors=mirrors, cache=tmp_path / "cache", checks=GOOD)
    message = str(error.value)
    assert f"{mirrors[0]}: {reason}" in message
    assert f"{mirrors[1]}: there is no such file" in message
    assert "corpus.mirrors" in message
    assert folder(tmp_path / "cache") == []


def test_wrong_size_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="512,000 bytes came instead of 7"):
        fetch("f.gz", mirrors=[f"{server.url}/good"], cache=tmp_path, checks=Checks(size=7))


def test_wrong_md5_only_warns(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = Checks(size=len(CONTENT), md5="0" * 32)
    path = fetch("f.gz", mirrors=[f"{server.url}/good"], cache=tmp_path, checks=checks)
    assert path.exists()
    assert "the md5 is" in capsys.readouterr().err


def test_damaged_file_in_the_cache_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "f.gz").write_bytes(CONTENT[:-1] + b"?")
    path = fetch("f.gz", mirrors=[f"{server.url}/good"], cache=tmp_path, checks=GOOD)
    assert path.read_bytes() == CONTENT


def test_no_mirrors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"set corpus\.mirrors"):
        fetch("f.gz", mirrors=(), cache=tmp_path, checks=GOOD)
