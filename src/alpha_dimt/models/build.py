"""Make the network that the options of a model name."""

from typing import Literal

from alpha_dimt.config.models import ModelConfig
from alpha_dimt.core.imports import imported
from alpha_dimt.models.base import TranslationModel


def build_model(
    options: ModelConfig,
    *,
    source_vocab_size: int,
    target_vocab_size: int,
    implementation: Literal["auto", "plain"] = "auto",
) -> TranslationModel:
    """Return a network with parameters that are not filled yet.

    Args:
        options: of the model.
        source_vocab_size: entries of the source vocabulary.
        target_vocab_size: entries of the target vocabulary.
        implementation: plain: the definition in plain PyTorch; auto: the fastest one.

    Raises:
        UserError: the class cannot be imported.
    """
    path = (implementation == "plain" and options.plain) or options.network
    network: TranslationModel = imported(path)(
        options, source_vocab_size=source_vocab_size, target_vocab_size=target_vocab_size
    )
    return network
