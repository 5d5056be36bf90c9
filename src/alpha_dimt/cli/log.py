"""Messages of a long command in a file, and a few of them on standard output."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def messages_in(log: Path | None) -> Iterator[Callable[[str], None]]:
    """Send standard output and errors to a file; yield a function that still prints lines.

    They stay there until the process ends, so that the file has its last error, too. Without a
    file, nothing moves, and the function prints nothing: all messages are visible anyway.
    """
    if log is None:
        yield lambda line: None
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as console, log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        yield lambda line: print(line, file=console, flush=True)
