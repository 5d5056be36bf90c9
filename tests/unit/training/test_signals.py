import os
import signal

import pytest

from alpha_dimt.core.errors import Stopped
from alpha_dimt.training.signals import SIGNALS, StopSignal


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_obeyed_where_it_suits(number: signal.Signals) -> None:
    with StopSignal().installed() as stop:
        stop.raise_if_set()
        os.kill(os.getpid(), number)
        with pytest.raises(Stopped, match=f"stopped by {number.name}: all updates"):
            stop.raise_if_set()


def test_a_signal_is_raised_at_once_in_what_is_not_kept() -> None:
    with StopSignal().installed() as stop:
        with pytest.raises(Stopped), stop.raised_at_once():
            os.kill(os.getpid(), signal.SIGTERM)
        # A second one, while the checkpoint is written, waits.
        os.kill(os.getpid(), signal.SIGUSR1)
        with pytest.raises(Stopped, match="SIGUSR1"), stop.raised_at_once():
            pytest.fail("began, although a signal had come")


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with StopSignal().installed():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before
