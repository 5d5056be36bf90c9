"""What models share that end in one linear layer over the vocabulary."""

from abc import abstractmethod
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from alpha_dimt.kernels import WordScores, mean_log_probs, token_log_probs
from alpha_dimt.models.base import (
    DecoderOutputs,
    TokenLogProbs,
    TokenStates,
    TranslationModel,
    mean_log_softmax,
)


class LinearOutput(TranslationModel):
    """A model whose logits are a linear function of what its decoder returns.

    Shapes: R rows, T target steps, N predicted tokens, H units, V vocabulary size.
    """

    @property
    @abstractmethod
    def output_parameters(self) -> tuple[Tensor, Tensor]:
        """Weight [V, H] and bias [V] of the layer."""

    @abstractmethod
    def decoder_outputs(
        self, encoded: Any, target: Tensor, lengths: Tensor, *, inputs: Tensor | None = None
    ) -> DecoderOutputs:
        """Return what the layer reads; arguments as of `token_log_probs`."""

    def token_log_probs(
        self, encoded: Any, target: Tensor, lengths: Tensor, *, inputs: Tensor | None = None
    ) -> TokenLogProbs:
        """Return log p of every token of every candidate; see `TranslationModel`."""
        x, words, row, step = self.decoder_outputs(encoded, target, lengths, inputs=inputs)
        logits = self._logits(x)
        log_p = -F.cross_entropy(logits, words, reduction="none")
        size, mean = (len(target), target.shape[1] - 1), partial(mean_log_softmax, logits)
        return TokenLogProbs(log_p, row, step, *size, mean)

    def token_states(self, encoded: Any, target: Tensor, lengths: Tensor) -> TokenStates:
        """Return states and logits of every token of every candidate; see `TranslationModel`."""
        x, words, row, step = self.decoder_outputs(encoded, target, lengths)
        count = len(row)
        logits = WordScores(x[:count], *self.output_parameters, self.product_dtype, self.workspace)
        return TokenStates(logits, words[:count], row, step, len(target), target.shape[1] - 1)

    def _logits(self, x: Tensor) -> Tensor:
        """Return the unnormalised log-probabilities of the next token [..., V]."""
        with self._precision():
            logits = F.linear(x, *self.output_parameters)
        return logits.to(x.dtype)

    def _precision(self) -> torch.autocast:
        """Return the context in which matrix products are computed in `compute_dtype`."""
        low = self.product_dtype == torch.bfloat16
        return torch.autocast(self.device.type, torch.bfloat16, enabled=low)


class FusedOutput(LinearOutput):
    """The same with layer and softmax in one operation, without an array [N, V] of logits."""

    def token_log_probs(
        self, encoded: Any, target: Tensor, lengths: Tensor, *, inputs: Tensor | None = None
    ) -> TokenLogProbs:
        """Return log p of every token of every candidate; see `TranslationModel`."""
        packed, words, row, step = self.decoder_outputs(encoded, target, lengths, inputs=inputs)
        weight, bias = self.output_parameters
        x, count, dtype = packed[: len(row)], len(row), self.product_dtype
        log_p = token_log_probs(packed, weight, bias, words, dtype=dtype, workspace=self.workspace)[
            :count
        ]
        mean = partial(mean_log_probs, log_p, x, weight, bias, words[:count], dtype=dtype)
        return TokenLogProbs(log_p, row, step, len(target), target.shape[1] - 1, mean)
