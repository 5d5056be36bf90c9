"""Weights on disk: safetensors only, checked against the run that they claim to be of."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from alpha_dimt.core.errors import UserError

_TYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64"}
"""Names of the types of parameters and of ids in safetensors."""


def write_weights(model: nn.Module, path: Path, run_key: str) -> None:
    """Write the weights of a model; see `write_tensors`."""
    write_tensors(model.state_dict(), path, run_key)


def write_tensors(tensors: Mapping[str, Tensor], path: Path, run_key: str) -> None:
    """Write tensors in row-major order, with the fingerprint of their run.

    Only tensors that are kept in another order are copied in memory.

    Raises:
        OSError: the disk refuses.
    """
    content = {name: value.cpu().contiguous() for name, value in tensors.items()}
    try:
        save_file(content, path, metadata={"run_key": run_key})
    except SafetensorError as error:
        if found := re.search(r"os error (\d+)", str(error)):
            raise OSError(int(found[1]), str(error), str(path)) from error
        raise


def fill(model: nn.Module, path: Path, run_key: str) -> None:
    """Copy weights into a model, one after the other, once it is known that all of them fit.

    Raises:
        UserError: the file is missing, damaged, of another run or of other sizes.
    """
    wanted = model.state_dict()
    try:
        with safe_open(path, framework="pt") as file:
            found = (file.metadata() or {}).get("run_key")
            if found != run_key:
                raise UserError(
                    f"{path}: these weights belong to run {found}, but config.json describes run "
                    f"{run_key}; train the run again"
                )
            names = set(file.keys())
            if names != wanted.keys():
                odd = sorted(names ^ wanted.keys())
                raise UserError(
                    f"{path}: these weights lack or should not have {', '.join(odd[:3])}; "
                    "train the run again"
                )
            for name, value in wanted.items():
                entry = file.get_slice(name)
                shape, kind = tuple(entry.get_shape()), entry.get_dtype()
                if (shape, kind) != (tuple(value.shape), _TYPES[value.dtype]):
                    raise UserError(
                        f"{path}: {name} is {kind} {shape}, but this model has "
                        f"{_TYPES[value.dtype]} {tuple(value.shape)}; were these weights trained "
                        "on other data?"
                    )
            for name, value in wanted.items():
                value.copy_(file.get_tensor(name))
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file; `alpha-dimt train` makes it") from error
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path}: these weights are damaged ({error}); train the run again"
        ) from error
