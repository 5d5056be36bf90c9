"""The fast parts of training and search: tuned for CPUs, and `cuda_scans` for CUDA devices.

Most of those of training are autograd functions with their own backward passes. Weight gradients,
which eager autograd would accumulate step by step, are computed in one matrix product over all
steps. Matrix products run in `dtype` (bf16 on capable processors), gates and sums of probabilities
in the type of the master parameters. None can be differentiated twice.

`reference` says in plain PyTorch what each one computes; docs/explanation/kernels.md says why each
is as it is.

Shapes: B sources, K candidates, R = B * K rows, S source steps, T target steps, E embedding size,
H hidden size, V vocabulary size.
"""

from alpha_dimt.kernels.attention import attend
from alpha_dimt.kernels.attention_decoder import decoder_scan
from alpha_dimt.kernels.cuda_graphs import GraphedFunction
from alpha_dimt.kernels.linear import (
    affine,
    pack_output_weight,
    vocabulary_logits,
    wide_product,
    with_bias,
    with_one,
)
from alpha_dimt.kernels.lstm import lstm_cell, lstm_scan, permute_gates, tanh_
from alpha_dimt.kernels.transfer import send
from alpha_dimt.kernels.vocabulary_softmax import mean_log_probs, token_log_probs
from alpha_dimt.kernels.word_scores import (
    NEVER_PREDICTED,
    WordScores,
    expectations,
    weighted_log_p,
)
from alpha_dimt.kernels.workspace import Workspace

__all__ = [
    "NEVER_PREDICTED",
    "GraphedFunction",
    "WordScores",
    "Workspace",
    "affine",
    "attend",
    "decoder_scan",
    "expectations",
    "lstm_cell",
    "lstm_scan",
    "mean_log_probs",
    "pack_output_weight",
    "permute_gates",
    "send",
    "tanh_",
    "token_log_probs",
    "vocabulary_logits",
    "weighted_log_p",
    "wide_product",
    "with_bias",
    "with_one",
]
