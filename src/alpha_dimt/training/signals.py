"""Being asked to stop: SIGTERM ends a job, SIGUSR1 announces that it will be ended."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from alpha_dimt.core.errors import Stopped

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class StopSignal:
    """Whether a signal has asked to stop."""

    def __init__(self) -> None:
        self._name: str | None = None
        self._at_once = False

    @contextmanager
    def installed(self) -> Iterator["StopSignal"]:
        """Note the signals instead of dying of them."""
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
        """Stop here, if asked to.

        Raises:
            Stopped: a signal came.
        """
        if self._name:
            raise Stopped(
                f"stopped by {self._name}: all updates so far are kept, and the same command "
                "resumes from here"
            )

    @contextmanager
    def raised_at_once(self) -> Iterator[None]:
        """Stop in the middle of the block; nothing of it is kept."""
        self._at_once = True
        try:
            self.raise_if_set()
            yield
        finally:
            self._at_once = False
