import contextlib
import io
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from alpha_dimt.progress import count_lines


@pytest.mark.parametrize(
    ("text", "lines"), [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\nb", 2), (b"\n\n", 2)]
)
def test_lines_of_a_file_are_counted_from_where_it_stands(
    tmp_path: Path, text: bytes, lines: int
) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"before\n" + text)
    with path.open("rb") as file:
        file.readline()
        assert count_lines(file) == lines
        assert file.read() == text


def test_a_pipe_is_not_read_ahead() -> None:
    read, write = os.pipe()
    os.write(write, b"a\n")
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        assert count_lines(pipe) is None
        assert pipe.read() == b"a\n"
    assert count_lines(io.BytesIO(b"a\n")) is None


CODE = """
import sys
import termios
from alpha_dimt.progress import lines_bar
with lines_bar(sys.stdin.buffer, "translating") as bar:
    bar.update(2)
print("done")
"""


def test_a_bar_for_who_watches_and_silence_in_a_log(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(b"a\n" * 4)
    seen, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    with text.open("rb") as file:
        subprocess.run(
            [sys.executable, "-c", CODE],
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=terminal,
            check=True,
        )
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # what a closed terminal answers
        while part := os.read(seen, 10_000):
            shown += part
    os.close(seen)
    assert b"translating" in shown
    assert b"2/4" in shown
    assert b"lines/s" in shown

    with text.open("rb") as file:
        logged = subprocess.run([sys.executable, "-c", CODE], stdin=file, capture_output=True)
    assert (logged.stdout, logged.stderr) == (b"done\n", b"")
