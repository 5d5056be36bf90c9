"""The harness: start contenders, let them take turns, collect their results."""

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Round:
    """One round of work.

    Attributes:
        amount: work done, in units of the round (tokens, sentences, lines).
        seconds: duration.
        peak_rss_mb: peak memory of the process so far.
    """

    amount: float
    seconds: float
    peak_rss_mb: float

    @property
    def rate(self) -> float:
        """Work per second."""
        return self.amount / self.seconds


@dataclass(frozen=True)
class Measured:
    """Several rounds of the same work."""

    rounds: tuple[Round, ...]

    @property
    def rate(self) -> float:
        """Median work per second."""
        return median(one.rate for one in self.rounds)

    @property
    def amount(self) -> float:
        """Median amount of work."""
        return median(one.amount for one in self.rounds)

    @property
    def seconds(self) -> float:
        """Median duration."""
        return median(one.seconds for one in self.rounds)

    @property
    def spread(self) -> float:
        """Largest minus smallest rate, relative to the median."""
        rates = [one.rate for one in self.rounds]
        return (max(rates) - min(rates)) / self.rate

    @property
    def peak_rss_mb(self) -> float:
        """Peak memory of the process up to the last round."""
        return self.rounds[-1].peak_rss_mb


class Contender(AbstractContextManager["Contender"]):
    """A process that works on request."""

    def __init__(
        self,
        module: str,
        task: Mapping[str, Any],
        *,
        log: Path,
        python: str | Path = sys.executable,
    ) -> None:
        """Start `python -m module` with a task, and wait until it is ready.

        Args:
            module: module that calls `serve`.
            task: what to prepare for; any JSON value.
            log: file for its output.
            python: interpreter of its environment.
        """
        self.name, self._log = module, log
        with log.open("w", encoding="utf-8") as file:
            self._process = subprocess.Popen(
                [python, "-m", module, json.dumps(task)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        try:
            self.about: dict[str, str] = self._answer()
        except BaseException:
            self._stop()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process."""
        self._stop()

    def _stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            tail = self._log.read_text(encoding="utf-8")[-2000:]
            raise RuntimeError(f"{self.name} ended early; {self._log} ends in:\n{tail}")
        return json.loads(line)

    def measure(self, name: str) -> Round:
        """Run one round of work."""
        assert self._process.stdin is not None
        print(name, file=self._process.stdin, flush=True)
        return Round(**self._answer())


def take_turns(
    contenders: Mapping[str, tuple[Contender, str]], *, repeats: int, warm_up: int = 1
) -> dict[str, Measured]:
    """Run each contender's round in turn, `repeats` times, after the warm-up rounds."""
    rounds: dict[str, list[Round]] = {key: [] for key in contenders}
    for repeat in range(warm_up + repeats):
        for key, (contender, name) in contenders.items():
            one = contender.measure(name)
            if repeat >= warm_up:
                rounds[key].append(one)
    return {key: Measured(tuple(several)) for key, several in rounds.items()}
