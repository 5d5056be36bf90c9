"""Make the network that the options of a model name."""

from typing import Literal

import torch

from alpha_dimt.config.models import ModelConfig
from alpha_dimt.core.imports import imported
from alpha_dimt.models.base import TranslationModel


def build_model(
    options: ModelConfig,
    *,
    source_vocab_size: int,
    target_vocab_size: int,
    implementation: Literal["auto", "plain"] = "auto",
    device: torch.device | None = None,
) -> TranslationModel:
    """Return a network on the CPU, with parameters that are not filled yet.

    Args:
        options: of the model.
        source_vocab_size: entries of the source vocabulary.
        target_vocab_size: entries of the target vocabulary.
        implementation: plain: the definition in plain PyTorch; auto: the fastest one.
        device: device that the network will compute on; None: the CPU.

    Raises:
        UserError: the class cannot be imported.
    """
    path = options.network
    if implementation == "plain":
        path = options.plain or path
    elif device is not None and device.type == "cuda":
        path = options.cuda or path
    network: TranslationModel = imported(path)(
        options, source_vocab_size=source_vocab_size, target_vocab_size=target_vocab_size
    )
    return network
