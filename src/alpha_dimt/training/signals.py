"""Being asked to stop: SIGTERM ends a job, SIGUSR1 announces that it will be ended."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from alpha_dimt.core.errors import Stopped

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Whether a signal has asked to stop."""

    def __init__(self) -> None:
        self._name: str | None = None
        self._at_once = False

    @contextmanager
    def heard(self) -> Iterator["StopRequest"]:
        """Take note of the signals instead of dying of them."""
        before = {number: signal.signal(number, self._receive) for number in SIGNALS}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._name = signal.Signals(number).name
        if self._at_once:
            self.obey()

    def obey(self) -> None:
        """Stop here, if asked to.

        Raises:
            Stopped: a signal came.
        """
        if self._name:
            raise Stopped(
                f"stopped by {self._name}: all updates so far are kept, and the same command goes "
                "on from here"
            )

    @contextmanager
    def obeyed_at_once(self) -> Iterator[None]:
        """Stop in the middle of what is done in here; nothing of it is kept."""
        self._at_once = True
        try:
            self.obey()
            yield
        finally:
            self._at_once = False
