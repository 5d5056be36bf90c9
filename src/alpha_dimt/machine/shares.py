"""Several processes on one GPU: how many, and the memory of each."""

from collections.abc import Mapping

import torch

from alpha_dimt.core.errors import UserError

SHARES = "ALPHA_DIMT_TRAININGS_PER_GPU"
ALLOCATED = 0.9
"""Part of a shared GPU's memory that PyTorch allocates; the rest is for one context a process."""


def shares_of(environment: Mapping[str, str]) -> int:
    """Return how many processes may hold one GPU at once; 1 unless the environment says more.

    Raises:
        UserError: the variable is no positive integer.
    """
    value = environment.get(SHARES, "1")
    if not (value.isdecimal() and int(value) > 0):
        raise UserError(f"{SHARES}={value}: not a positive integer; set it to 4, say, or unset it")
    return int(value)


def limit_memory(shares: int) -> None:
    """Keep this process within its share of the GPU's memory; one share has no limit."""
    if shares > 1:
        torch.cuda.set_per_process_memory_fraction(ALLOCATED / shares)
