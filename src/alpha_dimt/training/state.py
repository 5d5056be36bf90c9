"""The state of a training besides its networks and optimisers.

Together they are sufficient to resume after any update. Random streams need no state: batches are a
function of seed and epoch, dropout and samples a function of seed, epoch and update.
"""

import math
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from alpha_dimt.config.training import TrainingConfig
from alpha_dimt.training.learning_rate import DevDecay


class MetricSums:
    """Sums of metrics over the current epoch, kept on the device that computes them.

    Adding never synchronises with the device. Sums are in double precision and survive a round trip
    through `plain` bit for bit.
    """

    def __init__(self, totals: dict[str, float] | None = None) -> None:
        totals = totals or {}
        self._names = tuple(totals)
        self._totals = torch.tensor(list(totals.values()), dtype=torch.float64)

    @classmethod
    def from_plain(cls, plain: dict[str, str]) -> "MetricSums":
        """Return the sums that `plain` wrote."""
        return cls({name: float.fromhex(total) for name, total in plain.items()})

    def plain(self) -> dict[str, str]:
        """Return the sums as hexadecimal text, which is exact and covers non-finite values."""
        return {name: total.hex() for name, total in self.read().items()}

    def add(self, metrics: dict[str, Tensor], *, unless: Tensor) -> None:
        """Add metrics (scalars, the same names in each call), or nothing if `unless` is true."""
        started = bool(self._names)
        self._names = self._names or tuple(metrics)
        row = torch.stack([metrics[name] for name in self._names]).double()
        row = row.masked_fill(unless, 0.0)
        if not started:
            self._totals = torch.zeros_like(row)
        self._totals = self._totals.to(row.device) + row

    def read(self) -> dict[str, float]:
        """Return the sums; waits for the device."""
        return dict(zip(self._names, self._totals.tolist(), strict=True))


@dataclass
class State:
    """A training after any update.

    Attributes:
        schedule: learning rate, best epoch, number of finished epochs.
        started_ms: start of training, milliseconds since 1970.
        arithmetic: device, precision and threads; with others the last digits differ.
        step: number of updates in finished epochs.
        records: one entry per epoch, as in metrics.jsonl.
        seconds: time spent on finished epochs, over all processes.
        sums: metrics of the current epoch; "updates" is the position in its data.
        epoch_seconds: time spent on the current epoch so far.
        average: epochs whose mean the published weights are, and its validation metrics; None
            before training ends, and without `training.average`.
    """

    schedule: DevDecay
    started_ms: int
    arithmetic: str = ""
    step: int = 0
    records: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    sums: MetricSums = field(default_factory=MetricSums)
    epoch_seconds: float = 0.0
    average: dict[str, Any] | None = None

    @property
    def updates(self) -> int:
        """Number of updates in the current epoch."""
        return int(self.sums.read().get("updates", 0))

    def end_epoch(
        self,
        metrics: dict[str, float],
        updates: int,
        timing: dict[str, float],
        recipe: TrainingConfig,
        *,
        held: bool = False,
    ) -> None:
        """Close the current epoch: add its record and advance the schedule.

        Args:
            metrics: of the epoch.
            updates: how many it had.
            timing: of the epoch.
            recipe: decay and minimum of the learning rate.
            held: whether the model stayed as it was.
        """
        self.step += updates
        self.schedule = self.schedule.after(
            metrics["valid_bleu_greedy"], metrics["valid_nll_per_token"], recipe, held=held
        )
        self.seconds += timing["epoch_seconds"]
        self.sums, self.epoch_seconds = MetricSums(), 0.0
        self.records.append(
            {
                "time_ms": time.time_ns() // 1_000_000,
                "epoch": self.schedule.epoch,
                "step": self.step,
                # JSON has no non-finite numbers.
                "metrics": {name: x for name, x in metrics.items() if math.isfinite(x)},
                "timing": timing,
            }
        )

    def plain(self) -> dict[str, Any]:
        """Return the state as JSON-compatible values; floats survive exactly."""
        return vars(self) | {"schedule": asdict(self.schedule), "sums": self.sums.plain()}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "State":
        """Return the state that `plain` describes."""
        schedule, sums = DevDecay(**plain["schedule"]), MetricSums.from_plain(plain["sums"])
        return cls(**plain | {"schedule": schedule, "sums": sums})
