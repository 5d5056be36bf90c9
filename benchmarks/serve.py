"""The contender's side of a benchmark: run a round of work on request, and report its duration.

Each contender is a separate process, with its own memory, allocator and threads. It prints one JSON
line when it is ready, and one for each round name that it reads from stdin. This module only needs
the standard library: peers run in environments of their own.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path


def peak_rss_mb() -> float:
    """Return the peak resident memory of this process in MB (10^6 bytes).

    getrusage would include the peak of the parent process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="ascii").split("\n")
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1.024e-3
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def serve(rounds: Mapping[str, Callable[[], float]], **about: str) -> None:
    """Serve until stdin ends.

    Args:
        rounds: functions by round name; each returns the amount of work done (tokens, sentences).
        about: properties of this contender for the report.
    """
    # Libraries may print to stdout, so answers have a channel of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(**values: float | str) -> None:
        print(json.dumps(values), file=answers, flush=True)

    answer(**about)
    for line in sys.stdin:
        started = time.perf_counter()
        amount = rounds[line.strip()]()
        seconds = time.perf_counter() - started
        answer(amount=amount, seconds=seconds, peak_rss_mb=peak_rss_mb())
