"""What a training knows of itself, beside its networks and optimisers.

Together with them this is all that is needed to resume after any update. Random streams need no
state: batches are a function of seed and epoch, dropout and samples one of seed, epoch and update.
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
    """Metrics of the running epoch, summed where they are computed.

    Adding never asks the device for a value, so no update waits for it. Sums are in double
    precision and survive `read` bit for bit.
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
        """Return the sums as text with all their digits, which also holds what is not finite."""
        return {name: total.hex() for name, total in self.read().items()}

    def add(self, metrics: dict[str, Tensor], *, unless: Tensor) -> None:
        """Add metrics (scalars, the same names in each call), or nothing if `unless` is true."""
        if not self._names:
            self._names = tuple(metrics)
            self._totals = torch.zeros(len(metrics), dtype=torch.float64)
        row = torch.stack([metrics[name] for name in self._names]).double()
        row = row.masked_fill(unless, 0.0)
        self._totals = self._totals.to(row.device) + row

    def read(self) -> dict[str, float]:
        """Return the sums; waits for the device."""
        return dict(zip(self._names, self._totals.tolist(), strict=True))


@dataclass
class State:
    """A training after any update.

    Attributes:
        schedule: learning rate, best epoch, epochs done.
        started_ms: when training began, in milliseconds since 1970.
        arithmetic: device, precision and threads that compute it; others differ in the last digits.
        step: updates of the epochs done.
        records: one entry an epoch, as they stand in metrics.jsonl.
        seconds: time spent on these epochs, over all sittings.
        sums: metrics of the running epoch; "updates" is the position in its data.
        epoch_seconds: time spent on it so far.
    """

    schedule: DevDecay
    started_ms: int
    arithmetic: str = ""
    step: int = 0
    records: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    sums: MetricSums = field(default_factory=MetricSums)
    epoch_seconds: float = 0.0

    @property
    def updates(self) -> int:
        """Updates of the running epoch."""
        return int(self.sums.read().get("updates", 0))

    def end_epoch(
        self,
        metrics: dict[str, float],
        updates: int,
        timing: dict[str, float],
        recipe: TrainingConfig,
    ) -> None:
        """Close the running epoch: one more record, and the schedule moves on."""
        self.step += updates
        self.schedule = self.schedule.after(
            metrics["valid_bleu_greedy"], metrics["valid_nll_per_token"], recipe
        )
        self.seconds += timing["epoch_seconds"]
        self.sums, self.epoch_seconds = MetricSums(), 0.0
        self.records.append(
            {
                "time_ms": time.time_ns() // 1_000_000,
                "epoch": self.schedule.epoch,
                "step": self.step,
                # JSON has no number for the others.
                "metrics": {name: x for name, x in metrics.items() if math.isfinite(x)},
                "timing": timing,
            }
        )

    def plain(self) -> dict[str, Any]:
        """Return the state as what JSON can hold; floats keep all their digits there."""
        return vars(self) | {"schedule": asdict(self.schedule), "sums": self.sums.plain()}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "State":
        """Return the state that `plain` describes."""
        schedule, sums = DevDecay(**plain["schedule"]), MetricSums.from_plain(plain["sums"])
        return cls(**plain | {"schedule": schedule, "sums": sums})
