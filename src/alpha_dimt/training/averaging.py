"""The mean of the weights of several epochs (`training.average`)."""

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from alpha_dimt.config.training import AverageConfig
from alpha_dimt.core.files import atomic_path
from alpha_dimt.models.weights import fill, write_weights


def epochs_to_average(
    records: Sequence[Mapping[str, Any]], options: AverageConfig | None
) -> list[int]:
    """Return the epochs whose weights are averaged, if training ends with these records.

    The best epochs have the highest greedy BLEU on the validation data; among equals, the highest
    likelihood; among those, they are the first.
    """
    if options is None:
        return []

    def rank(record: Mapping[str, Any]) -> tuple[float, float]:
        metrics = record["metrics"]
        return -metrics["valid_bleu_greedy"], metrics.get("valid_nll_per_token", math.inf)

    ordered = list(reversed(records)) if options.of == "last" else sorted(records, key=rank)
    return sorted(record["epoch"] for record in ordered[: options.epochs])


class EpochWeights:
    """Keeps the weights of the epochs that may be averaged, as files beside the checkpoints."""

    def __init__(self, folder: Path, options: AverageConfig | None, run_key: str) -> None:
        """Prepare to keep weights; without options none are kept.

        Args:
            folder: folder for the files, of this run only.
            options: which epochs to average.
            run_key: fingerprint of the configuration, stored in the files.
        """
        self._folder, self._options, self._run_key = folder, options, run_key

    def keep(self, records: Sequence[Mapping[str, Any]], model: nn.Module) -> None:
        """Keep the weights of the last epoch if they may be averaged, before it is recorded.

        Weights that only the last record makes useless stay: after a crash, training may resume
        from before it.
        """
        needed = epochs_to_average(records, self._options)
        if (epoch := len(records)) in needed:
            self._folder.mkdir(exist_ok=True)
            with atomic_path(self._path(epoch)) as temporary:
                write_weights(model, temporary, self._run_key)
        needed += epochs_to_average(records[:-1], self._options)
        for path in self._folder.glob("*"):
            if path not in map(self._path, needed):
                path.unlink()

    def average(self, records: Sequence[Mapping[str, Any]], model: nn.Module) -> list[int]:
        """Fill a model with the mean of the weights; return the epochs that it is of.

        Raises:
            UserError: weights of an epoch are missing or damaged.
        """
        epochs = epochs_to_average(records, self._options)
        weights = model.state_dict()
        sums = {
            name: torch.zeros_like(value, dtype=torch.float64) for name, value in weights.items()
        }
        for epoch in epochs:
            fill(model, self._path(epoch), self._run_key)
            for name, value in weights.items():
                sums[name] += value
        for name, value in weights.items():
            value.copy_(sums[name] / len(epochs))
        return epochs

    def remove(self) -> None:
        """Remove all files."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, epoch: int) -> Path:
        return self._folder / f"{epoch:04d}.safetensors"
