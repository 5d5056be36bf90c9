"""A real terminal, for output that is only shown to a person."""

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
        command: command, which must succeed.
        stdin: file to read; None for no input.
        stdout_too: whether stdout is the same terminal, as for a person.

    Returns:
        Everything that the terminal received, control characters included; and stdout if it is not
        the terminal.
    """
    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    parts: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):  # the error of a closed terminal
            while part := os.read(master, 10_000):
                parts.append(part)

    # The command would block when the buffer of the terminal is full.
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
    r"""Return the final screen: "\r" returns to the start of the line."""
    lines = []
    for raw in seen.replace("\r\n", "\n").split("\n"):
        line = ""
        for text in raw.split("\r"):
            line = text + line[len(text) :]
        lines.append(line.rstrip())
    return lines
