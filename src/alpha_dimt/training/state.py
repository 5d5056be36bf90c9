"""What a training needs to go on where it stopped, in one file.

A checkpoint is written after every epoch: the model, the best model so far, the schedule and the
records of all epochs. SGD has no state of its own, and the random streams of an epoch (batches,
dropout) are functions of seed and epoch, so nothing else has to be kept.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from alpha_dimt.files import atomic_path
from alpha_dimt.training.schedule import DevDecay

FILE = "checkpoint.safetensors"


@dataclass
class State:
    """A training between two epochs.

    Attributes:
        schedule: learning rate, best BLEU, epochs done.
        step: updates done.
        records: one entry an epoch, as they stand in metrics.jsonl.
        started_ms: when training began, in milliseconds since 1970.
        seconds: time spent so far, over all sittings.
        best: weights of the best epoch.
    """

    schedule: DevDecay
    started_ms: int
    step: int = 0
    records: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    best: dict[str, torch.Tensor] = field(default_factory=dict)

    def save(self, folder: Path, model: torch.nn.Module) -> None:
        """Write the checkpoint atomically."""
        tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        plain = {
            "schedule": asdict(self.schedule),
            "started_ms": self.started_ms,
            "step": self.step,
            "records": self.records,
            "seconds": self.seconds,
        }
        with atomic_path(folder / FILE) as temporary:
            save_file(tensors, temporary, metadata={"state": json.dumps(plain)})

    @classmethod
    def restore(cls, folder: Path, model: torch.nn.Module) -> "State | None":
        """Fill the model and return the state of the last checkpoint; None if there is none.

        A checkpoint that cannot be read is left aside: training starts from the beginning.
        """
        path = folder / FILE
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                plain = json.loads(file.metadata()["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
            print(f"{path}: this checkpoint is damaged ({error}); starting from the beginning")
            return None
        parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "best": {}}
        for name, value in tensors.items():
            part, _, parameter = name.partition(".")
            parts[part][parameter] = value
        model.load_state_dict(parts["model"])
        plain["schedule"] = DevDecay(**plain["schedule"])
        return cls(**plain, best=parts["best"])
