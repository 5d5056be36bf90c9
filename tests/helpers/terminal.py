"""A real terminal, for what is shown to a person alone."""

import contextlib
import os
import pty
import subprocess
import termios
from pathlib import Path
from threading import Thread


def run_on_terminal(
    command: list[str], *, stdin: Path | None = None, stdout_too: bool = False
) -> tuple[str, str]:
    """Run a command whose stderr is a terminal of 100 columns.

    Args:
        command: must succeed.
        stdin: a file; None: nothing is read.
        stdout_too: whether the same terminal has stdout, as it is for a person.

    Returns:
        All that the terminal received, control characters included; and stdout, if elsewhere.
    """
    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    parts: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):  # what a closed terminal answers
            while part := os.read(master, 10_000):
                parts.append(part)

    # What nobody reads would stop the command when the terminal is full.
    reader = Thread(target=read)
    reader.start()
    with (stdin or Path(os.devnull)).open("rb") as file:
        result = subprocess.run(
            command,
            stdin=file,
            stdout=terminal if stdout_too else subprocess.PIPE,
            stderr=terminal,
        )
    os.close(terminal)
    reader.join()
    os.close(master)
    seen = b"".join(parts).decode("utf-8")
    assert result.returncode == 0, seen
    return seen, (result.stdout or b"").decode("utf-8")


def lines_left(seen: str) -> list[str]:
    r"""Return what stands on the screen in the end: "\r" begins a line anew."""
    lines = []
    for raw in seen.replace("\r\n", "\n").split("\n"):
        line = ""
        for text in raw.split("\r"):
            line = text + line[len(text) :]
        lines.append(line.rstrip())
    return lines
