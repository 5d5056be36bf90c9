import hashlib
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from small_disk import SmallDisk

from alpha_dimt.core.errors import UserError
from alpha_dimt.data import download as module
from alpha_dimt.data.download import CHUNK_BYTES, Checks, fetch

CONTENT = bytes(range(256)) * 2000
SHORT = 0.2  # seconds that the client waits, in tests of slow servers
GOOD = Checks(sha256=hashlib.sha256(CONTENT).hexdigest(), size=len(CONTENT))


class Server(ThreadingHTTPServer):
    """Serves CONTENT with the kind of misbehaviour that the first part of the path names."""

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
        if how == "packed":
            return self.answer(206 if asked else 200, CONTENT[start:], encoding="gzip")
        if how == "broken":
            return self.send_error(500)
        if how == "moved":
            return self.redirect("/good/f.gz")
        if how == "circle":
            return self.redirect(self.path)
        if how == "endless":
            return self.endless()
        if how == "otherrange" and asked:
            return self.answer(206, CONTENT[start + 1 :], content_range=start + 1)
        if how == "stops":
            return self.answer(206 if asked else 200, CONTENT[start:], sent=0 if asked else 5000)
        if how == "crumbs":
            return self.answer(206 if asked else 200, CONTENT[start:], sent=100_001)
        if how == "slow":
            # One chunk, and then nothing for longer than the client waits.
            self.answer(206 if asked else 200, CONTENT[start:], sent=3 * CHUNK_BYTES)
            return time.sleep(4 * SHORT)
        if how == "silent":
            return time.sleep(4 * SHORT)
        if how == "drips":
            return self.answer(206 if asked else 200, CONTENT[start:], drop=1)
        if how == "drops":  # one byte a connection
            return self.answer(206 if asked else 200, CONTENT[start:], sent=1)
        if how == "steady":
            return self.answer(206 if asked else 200, CONTENT[start:], drop=50_000)
        if how == "dripsheaders":
            return self.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + bytes(range(65, 91)) * 4, 1)
        if how.startswith("announces") and start < len(CONTENT):
            length = how.removeprefix("announces")
            return self.answer(206 if asked else 200, CONTENT[start:], length=length)
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
        length: str | None = None,
        content_range: int | None = None,
        encoding: str | None = None,
        drop: int | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", length or str(len(body)))
        if encoding:
            self.send_header("Content-Encoding", encoding)
        if content_range is not None:
            last = len(CONTENT) - 1
            self.send_header("Content-Range", f"bytes {content_range}-{last}/{len(CONTENT)}")
        self.end_headers()
        if drop:
            return self.drip(body, drop)
        self.wfile.write(body[:sent])
        self.wfile.flush()

    def drip(self, content: bytes, drop: int) -> None:
        """Send so many bytes at a time, always well before the client's time-out."""
        try:
            for start in range(0, len(content), drop):
                self.wfile.write(content[start : start + drop])
                time.sleep(SHORT / 4)
        except OSError:
            pass  # the client has gone

    def redirect(self, place: str) -> None:
        self.send_response(302)
        self.send_header("Location", place)
        self.end_headers()

    def endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(CHUNK_BYTES))
        except OSError:
            pass


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


def test_nothing_that_has_come_is_asked_for_again(server: Server, tmp_path: Path) -> None:
    path = fetch("f.gz", mirrors=[f"{server.url}/crumbs"], cache=tmp_path, checks=GOOD)
    assert path.read_bytes() == CONTENT
    starts = [request.partition("=")[2] for request in server.requests]
    assert starts == ["", *(f"{n * 100_001}-" for n in range(1, 6))]


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
        ("page", "the server sent a web page instead"),
        ("wrong", "the sha256 is"),
        ("missing", "the server answers 404"),
        ("broken", "the server answers 500"),
        ("circle", "Exceeded 30 redirects"),
        ("endless", "more than 512,000 bytes received"),
        ("announces500000", "500,000 bytes received instead of 512,000"),
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
    checks = Checks(size=len(CONTENT) + 1)
    with pytest.raises(UserError, match="512,000 bytes received instead of 512,001"):
        fetch("f.gz", mirrors=[f"{server.url}/good"], cache=tmp_path, checks=checks)


@pytest.mark.parametrize(
    "how",
    [
        "moved",
        "otherrange",
        "packed",
        "announces-1",
        "announces512010",
        "announcesmuch",
        "announces0512000",
    ],
)
def test_odd_servers_that_still_deliver_the_file(server: Server, tmp_path: Path, how: str) -> None:
    url = f"{server.url}/{how}/f.gz"
    key = hashlib.sha256(url.encode()).hexdigest()[:8]
    (tmp_path / f"f.gz.{key}.part").write_bytes(CONTENT[:5000])
    path = fetch("f.gz", mirrors=[f"{server.url}/{how}"], cache=tmp_path, checks=GOOD)
    assert path.read_bytes() == CONTENT
    assert folder(tmp_path) == ["f.gz"]


def test_a_slow_server_is_waited_for_as_long_as_something_comes(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUTS", (SHORT, SHORT))
    path = fetch("f.gz", mirrors=[f"{server.url}/slow"], cache=tmp_path, checks=GOOD)
    assert path.read_bytes() == CONTENT
    assert [request.partition(" ")[2] for request in server.requests] == [
        "",
        "bytes=196608-",
        "bytes=393216-",
    ]


def test_a_slow_server_that_keeps_its_pace_is_waited_for(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PACE_SECONDS", SHORT)
    monkeypatch.setattr(module, "PACE_BYTES", 1000)
    path = fetch("f.gz", mirrors=[f"{server.url}/steady"], cache=tmp_path, checks=GOOD)
    assert path.read_bytes() == CONTENT
    assert server.requests == ["/steady/f.gz"]


@pytest.mark.parametrize(
    ("how", "limit", "reason"),
    [
        ("drips", "PACE_SECONDS", r"too slow, only \d+ bytes in \d+ seconds"),
        ("drops", "PACE_SECONDS", r"too slow, only \d+ bytes in \d+ seconds"),
        ("dripsheaders", "ANSWER_SECONDS", "no answer in time"),
    ],
)
def test_a_server_that_drips_is_left_for_the_next(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    how: str,
    limit: str,
    reason: str,
) -> None:
    monkeypatch.setattr(module, limit, 2 * SHORT)
    (tmp_path / "f.gz").write_bytes(CONTENT)
    mirrors = [f"{server.url}/{how}", str(tmp_path)]
    path = fetch("f.gz", mirrors=mirrors, cache=tmp_path / "cache", checks=GOOD)
    assert path.read_bytes() == CONTENT
    [warning] = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert re.fullmatch(f"warning: f.gz: {re.escape(mirrors[0])}: {reason}", warning)


@pytest.mark.parametrize("how", ["silent", "stops"])
def test_a_server_that_stops_is_left_for_the_next(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(module, "TIMEOUTS", (SHORT, SHORT))
    mirrors = [f"{server.url}/{how}", f"{server.url}/broken"]
    with pytest.raises(UserError, match=r"no answer in time|no connection, or it was broken off"):
        fetch("f.gz", mirrors=mirrors, cache=tmp_path, checks=GOOD)
    assert not (tmp_path / "f.gz").exists()
    path = fetch("f.gz", mirrors=[mirrors[0], f"{server.url}/good"], cache=tmp_path, checks=GOOD)
    assert path.read_bytes() == CONTENT


def test_a_swapped_file_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "f.gz").write_bytes(CONTENT[::-1])
    with pytest.raises(UserError, match="the sha256 is"):
        fetch("f.gz", mirrors=[str(tmp_path)], cache=tmp_path / "cache", checks=GOOD)
    assert folder(tmp_path / "cache") == []


def test_killed_on_the_way_and_again(server: Server, tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        module.tqdm.update = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        fetch("f.gz", mirrors=[f"{server.url}/good"], cache=tmp_path, checks=GOOD)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert not (tmp_path / "f.gz").exists()
    path = fetch("f.gz", mirrors=[f"{server.url}/good"], cache=tmp_path, checks=GOOD)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("mirror", ["server", "folder"])
def test_a_full_disk_is_not_the_mirrors_fault(
    server: Server, tmp_path: Path, small_disk: SmallDisk, mirror: str
) -> None:
    (tmp_path / "f.gz").write_bytes(CONTENT)
    mirrors = [f"{server.url}/good" if mirror == "server" else str(tmp_path)]
    small_disk.fill(leave=200_000)
    with pytest.raises(UserError, match=r"f\.gz: cannot be written \(No space left") as caught:
        fetch("f.gz", mirrors=[*mirrors, "/other"], cache=small_disk.folder, checks=GOOD)
    assert "\n" not in str(caught.value)
    assert not (small_disk.folder / "f.gz").exists()
    small_disk.empty()
    path = fetch("f.gz", mirrors=mirrors, cache=small_disk.folder, checks=GOOD)
    assert path.read_bytes() == CONTENT
    assert folder(small_disk.folder) == ["f.gz"]


def test_a_cache_that_cannot_be_written_to(
    server: Server, tmp_path: Path, small_disk: SmallDisk
) -> None:
    small_disk.read_only()
    with pytest.raises(UserError, match=r"f\.gz: cannot be written \(Read-only"):
        fetch("f.gz", mirrors=[f"{server.url}/good"], cache=small_disk.folder, checks=GOOD)
    assert server.requests == []


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
