"""Progress of a stream of lines, for whoever watches: rate and time left."""

import os
import stat
import sys
from typing import Any, BinaryIO

from tqdm import tqdm


def lines_bar(stream: BinaryIO, what: str) -> "tqdm[Any]":
    """Return a bar over the lines of a stream; a file's are counted first, for the time left.

    It is shown where stderr is a terminal and the output goes elsewhere.
    """
    hidden = not sys.stderr.isatty() or sys.stdout.isatty()
    return tqdm(desc=what, total=count_lines(stream), unit=" lines", disable=hidden)


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
