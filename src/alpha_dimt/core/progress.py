"""Progress for whoever watches: rate and time left, and nothing where stderr is no terminal."""

import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from tqdm import tqdm

REFRESH = 0.5
"""Seconds from one look of a bar to the next, at least."""


class _Bar(tqdm):  # type: ignore[type-arg]
    """A bar without a thread of its own: every update looks at the clock, few draw."""

    monitor_interval = 0

    def __init__(self, **options: Any) -> None:
        super().__init__(mininterval=REFRESH, miniters=1, dynamic_ncols=True, **options)


def bar(total: int, what: str, unit: str) -> "tqdm[Any]":
    """Return a bar that stays when it is done."""
    return _Bar(desc=what, total=total, unit=f" {unit}", disable=None)


class EpochBar:
    """Progress within each epoch of a training; it leaves no trace between the lines of the log.

    Args:
        updates: in an epoch.
        tokens_known: whether `update` is told all tokens, so that their rate is one.
    """

    def __init__(self, updates: int, *, tokens_known: bool) -> None:
        self._updates = updates
        self._tokens_known = tokens_known
        self._bar = _Bar(disable=True)
        self._tokens = 0
        self._begun = 0.0

    @contextmanager
    def epoch(self, number: int, *, done: int) -> Iterator[None]:
        """Show epoch `number`, of which `done` updates were made before."""
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
        """Count one more update, of so many target tokens."""
        self._tokens += tokens
        if self._bar.update() and self._tokens_known:
            rate = self._tokens / (time.monotonic() - self._begun)
            self._bar.set_postfix_str(f"{rate:,.0f} tokens/s")


def lines_bar(stream: BinaryIO, what: str) -> "tqdm[Any]":
    """Return a bar over the lines of a stream; a file's are counted first, for the time left.

    It is shown where stderr is a terminal and the output goes elsewhere.
    """
    hidden = not sys.stderr.isatty() or sys.stdout.isatty()
    return _Bar(desc=what, total=count_lines(stream), unit=" lines", disable=hidden)


def count_lines(stream: BinaryIO) -> int | None:
    """Return the lines that a file has from where it stands, and leave it there; None of a pipe."""
    try:
        is_file = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:  # a stream in memory has no descriptor
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
