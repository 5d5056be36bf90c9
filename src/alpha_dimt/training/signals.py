"""Stop on request: SIGTERM ends a job, SIGUSR1 announces its end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from alpha_dimt.core.errors import Stopped

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class StopSignal:
    """A flag that SIGTERM and SIGUSR1 set."""

    def __init__(self) -> None:
        self._name: str | None = None
        self._at_once = False

    @contextmanager
    def installed(self) -> Iterator["StopSignal"]:
        """Record the signals instead of being killed by them."""
        before = {number: signal.signal(number, self._receive) for number in SIGNALS}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._name = signal.Signals(number).name
        if self._at_once:
            self.raise_if_set()

    def raise_if_set(self) -> None:
        """Stop here if a signal was received.

        Raises:
            Stopped: a signal was received.
        """
        if self._name:
            raise Stopped(
                f"stopped by {self._name}: all updates so far are saved; run the same command to "
                "resume"
            )

    @contextmanager
    def raised_at_once(self) -> Iterator[None]:
        """Let signals interrupt the block at once; its work is lost."""
        self._at_once = True
        try:
            self.raise_if_set()
            yield
        finally:
            self._at_once = False
