"""Weights on disk: safetensors only, checked against the run that they claim to be of."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from alpha_dimt.config import RunConfig
from alpha_dimt.errors import UserError
from alpha_dimt.files import atomic_path
from alpha_dimt.model.seq2seq import Seq2Seq


def save_weights(weights: dict[str, torch.Tensor], path: Path, config: RunConfig) -> None:
    """Write weights atomically, with the fingerprint of their run."""
    with atomic_path(path) as temporary:
        save_file(weights, temporary, metadata={"run_key": config.fingerprint()})


def load_model(path: Path, config: RunConfig, *, source_words: int, target_words: int) -> Seq2Seq:
    """Build the model of a run and fill in its weights.

    Raises:
        UserError: the file is missing, damaged, of another run or of other sizes.
    """
    model = Seq2Seq(config.model, source_words=source_words, target_words=target_words)
    try:
        with safe_open(path, framework="pt") as file:
            run_key = (file.metadata() or {}).get("run_key")
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file; `alpha-dimt train` makes it") from error
    except SafetensorError as error:
        raise UserError(
            f"{path}: these weights are damaged ({error}); train the run again"
        ) from error
    if run_key != config.fingerprint():
        raise UserError(
            f"{path}: these weights belong to run {run_key}, but config.json describes run "
            f"{config.fingerprint()}; train the run again"
        )
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(
            f"{path}: these weights do not fit vocabularies of {source_words} and {target_words} "
            "entries; were they trained on other data?"
        ) from error
    return model
