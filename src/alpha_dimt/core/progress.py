"""Progress bars with rate and time left; hidden unless stderr is a terminal."""

import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from tqdm import tqdm

REFRESH = 0.5
"""Minimum seconds between two redraws of a bar."""


class _Bar(tqdm):  # type: ignore[type-arg]
    """A bar without a monitor thread: each update checks the clock, and few of them redraw."""

    monitor_interval = 0

    def __init__(self, **options: Any) -> None:
        super().__init__(mininterval=REFRESH, miniters=1, dynamic_ncols=True, **options)


def bar(total: int, what: str, unit: str) -> "tqdm[Any]":
    """Return a bar that stays visible when it is done."""
    return _Bar(desc=what, total=total, unit=f" {unit}", disable=None)


class EpochBar:
    """A bar for the updates of each training epoch; it is erased before the next log line.

    Args:
        updates: number of updates in an epoch.
        tokens_known: whether `update` receives all tokens trained on, so that a rate can be shown.
    """

    def __init__(self, updates: int, *, tokens_known: bool) -> None:
        self._updates = updates
        self._tokens_known = tokens_known
        self._bar = _Bar(disable=True)
        self._tokens = 0
        self._begun = 0.0

    @contextmanager
    def epoch(self, number: int, *, done: int) -> Iterator[None]:
        """Show epoch `number`, starting after `done` updates."""
        self._tokens, self._begun = 0, time.monotonic()
        with _Bar(
            desc=f"epoch {number}",
            total=self._updates,
            initial=done,
            unit=" updates",
            leave=False,
            disable=None,
        ) as self._bar:
            yield

    def update(self, tokens: int) -> None:
        """Count one more update of `tokens` target tokens."""
        self._tokens += tokens
        if self._bar.update() and self._tokens_known:
            rate = self._tokens / (time.monotonic() - self._begun)
            self._bar.set_postfix_str(f"{rate:,.0f} tokens/s")


def lines_bar(stream: BinaryIO, what: str) -> "tqdm[Any]":
    """Return a bar over the lines of a stream; a file's lines are counted first, for the time left.

    The bar is shown if stderr is a terminal and stdout is not.
    """
    hidden = not sys.stderr.isatty() or sys.stdout.isatty()
    return _Bar(desc=what, total=count_lines(stream), unit=" lines", disable=hidden)


def count_lines(stream: BinaryIO) -> int | None:
    """Return the number of lines from a file's current position, which is kept; None for a pipe."""
    try:
        is_file = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:  # an in-memory stream has no descriptor
        return None
    if not is_file:
        return None
    here = stream.tell()
    lines, last = 0, b"\n"
    while block := stream.read(2**20):
        lines += block.count(b"\n")
        last = block[-1:]
    stream.seek(here)
    return lines + (last != b"\n")
