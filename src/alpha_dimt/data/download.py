"""Download upstream files from mirrors: resumable, verified, written atomically, cached."""

import hashlib
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError, ReadTimeoutError

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import is_full, sha256, unwritable

CHUNK_BYTES = 2**16
# Time-outs in seconds: to connect, and to wait for the next bytes.
TIMEOUTS = (10, 60)
# Seconds until all headers are there, redirects included; no time-out of `requests` limits the sum.
ANSWER_SECONDS = 120
# A mirror that sends fewer bytes than this in so many seconds is skipped for the next one.
PACE_BYTES, PACE_SECONDS = 60_000, 60
# Limit in bytes for files whose size is not known in advance.
MAX_BYTES = 2**30


@dataclass(frozen=True)
class Checks:
    """Expected sha256 or size (bytes) of a file, or else an error; expected md5, or a warning."""

    sha256: str | None = None
    size: int | None = None
    md5: str | None = None

    def fault(self, path: Path) -> str | None:
        """Return what is wrong with a file, or None."""
        size = path.stat().st_size
        if self.size is not None and size != self.size:
            return f"{size:,} bytes received instead of {self.size:,}"
        if self.sha256 is not None and sha256(path) != self.sha256:
            return f"the sha256 is {sha256(path)} instead of {self.sha256}"
        return None


class _Refused(Exception):
    """A mirror does not have or does not deliver the file; the message says why."""


class _Pace:
    """Counts a mirror's bytes over all connections, and rejects a mirror that is too slow."""

    def __init__(self) -> None:
        self._bytes, self._since = 0, time.monotonic()

    def count(self, new: int) -> None:
        """Count received bytes.

        Raises:
            _Refused: the mirror is too slow.
        """
        self._bytes += new
        seconds = time.monotonic() - self._since
        if seconds < PACE_SECONDS:
            return
        if self._bytes < PACE_BYTES:
            raise _Refused(f"too slow, only {self._bytes:,} bytes in {seconds:.0f} seconds")
        self._bytes, self._since = 0, time.monotonic()


# Errors of a server that is unreachable, too slow, or breaks off.
_BROKEN = (requests.ConnectionError, requests.Timeout, HTTPError)


def fetch(name: str, *, mirrors: Sequence[str], cache: Path, checks: Checks) -> Path:
    """Return a verified file from the cache; download it first if it is missing.

    Args:
        name: upstream file name.
        mirrors: URL prefixes or local folders, tried in order.
        cache: folder of kept files. A partial transfer is kept beside the file and continued.
        checks: expected values of the file, verified on every use.

    Raises:
        UserError: no mirror has the file (names every mirror with its reason), or the cache
            cannot be written to.
    """
    target = cache / name
    if not target.exists() or checks.fault(target):
        _fetch_from_any(name, mirrors, target, checks)
    if checks.md5 and _md5(target) != checks.md5:
        print(
            f"warning: {target}: the md5 is {_md5(target)} instead of {checks.md5}; "
            "the counts of the prepared text will show whether that matters",
            file=sys.stderr,
        )
    return target


def _fetch_from_any(name: str, mirrors: Sequence[str], target: Path, checks: Checks) -> None:
    if not mirrors:
        raise UserError(
            f"{target}: the file is missing and corpus.mirrors is empty; "
            f"set corpus.mirrors to URLs or folders that hold {name}"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            target.unlink(missing_ok=True)  # the file failed its checks
    except OSError as error:
        raise unwritable(target, error) from error
    reasons = []
    for mirror in mirrors:
        try:
            _fetch_from(f"{mirror.rstrip('/')}/{name}", target, checks)
        except (_Refused, requests.RequestException, HTTPError, OSError) as error:
            if isinstance(error, OSError) and is_full(error):
                raise unwritable(target, error) from error
            reasons.append(f"{mirror}: {_reason(error)}")
            print(f"warning: {name}: {reasons[-1]}", file=sys.stderr)
        else:
            return
    raise UserError(
        f"{name} could not be downloaded ({'; '.join(reasons)}); "
        "check the connection or add a mirror to corpus.mirrors"
    )


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, requests.Timeout | ReadTimeoutError):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError | HTTPError):
        return "no connection, or it was broken off"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return str(error)


def _fetch_from(url: str, target: Path, checks: Checks) -> None:
    """Download one URL or local file and check it; only then does pooch give it its name."""

    def download(url: str, output_file: str, _: object) -> None:
        output = Path(output_file)
        if "://" not in url:
            shutil.copyfile(url, output)
            fault = checks.fault(output)
        else:
            # Named after the URL, so that no mirror continues another mirror's download.
            key = hashlib.sha256(url.encode()).hexdigest()[:8]
            part = target.with_name(f"{target.name}.{key}.part")
            continued = part.exists()
            _download(url, part, output, checks)
            fault = checks.fault(output)
            if fault and continued:  # the file may have changed since the part was downloaded
                _download(url, part, output, checks)
                fault = checks.fault(output)
        if fault:
            raise _Refused(fault)

    pooch.get_logger().setLevel("WARNING")
    pooch.retrieve(url, known_hash=None, fname=target.name, path=target.parent, downloader=download)
    target.chmod(0o644)  # pooch makes it readable by its owner only


def _download(url: str, part: Path, output: Path, checks: Checks) -> None:
    """Download a URL via `part`; a broken transfer is resumed as long as it makes progress."""
    pace = _Pace()
    while True:
        before = _size(part)
        try:
            _transfer(url, part, checks.size or MAX_BYTES, pace)
        except _BROKEN:
            # A server that announces too great a length breaks off after the whole file.
            if not (before < _size(part) and checks.fault(part) is None):
                if _size(part) <= before:
                    raise
                continue
        part.replace(output)
        return


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _transfer(url: str, part: Path, limit: int, pace: _Pace) -> None:
    """Download the rest of `part`, or everything if the server cannot continue."""
    headers = {"Accept-Encoding": "identity"}
    start = _size(part)
    if start:
        headers["Range"] = f"bytes={start}-"
    with _answer(url, headers) as response:
        if start and not _continues(response, start):
            part.unlink()
            _transfer(url, part, limit, pace)
            return
        response.raise_for_status()
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise _Refused("the server sent a web page instead of the file")
        if response.status_code != requests.codes.partial_content:
            start = 0
        _write_body(response, part, start, limit, pace)


def _answer(url: str, headers: dict[str, str]) -> requests.Response:
    """Return the response of a server once its headers have arrived.

    The request runs on a daemon thread, which is abandoned if they do not arrive in time.
    """
    answer: Future[requests.Response] = Future()

    def ask() -> None:
        try:
            answer.set_result(requests.get(url, headers=headers, stream=True, timeout=TIMEOUTS))
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(ANSWER_SECONDS)
    except TimeoutError as error:
        raise requests.Timeout from error


def _continues(response: requests.Response, start: int) -> bool:
    """Return whether a response continues at the requested byte."""
    if response.status_code == requests.codes.requested_range_not_satisfiable:
        return False
    given = response.headers.get("Content-Range", f"bytes {start}-")
    return given.startswith(f"bytes {start}-")


def _write_body(
    response: requests.Response, part: Path, start: int, limit: int, pace: _Pace
) -> None:
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isdecimal() else None  # for the bar; may be wrong
    if not sys.stderr.isatty():
        begun = f" from byte {start:,}" if start else ""
        print(f"fetching {response.url}{begun}", file=sys.stderr)
    progress = tqdm(
        desc=part.name.split(".part")[0],
        total=total,
        initial=start,
        unit="B",
        unit_scale=True,
        disable=None,  # no bar unless stderr is a terminal
    )
    with part.open("ab" if start else "wb") as file, progress:
        # Bytes are written at once, so that none are lost if the transfer breaks, and undecoded:
        # some servers declare .gz files as compressed for the transfer.
        while chunk := response.raw.read1(CHUNK_BYTES):
            file.write(chunk)
            progress.update(len(chunk))
            pace.count(len(chunk))
            if file.tell() > limit:
                part.unlink()
                raise _Refused(f"more than {limit:,} bytes received")
