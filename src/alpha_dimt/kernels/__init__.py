"""The fast parts of training, each an autograd function with a backward pass of its own.

What eager autograd would do at every time step for the gradients of weights is done in one
operation over all steps. Matrix products run in `dtype` (bf16 on capable processors), gates
and probabilities' sums in the type of the master parameters. None can be differentiated twice.

Shapes: B sources, K candidates, R = B * K rows, S source steps, T target steps, E embedding units,
H units, V words.
"""

from alpha_dimt.kernels.attention_decoder import decoder_scan
from alpha_dimt.kernels.linear import with_bias, with_one, word_products, word_weights
from alpha_dimt.kernels.lstm import cell_order, cell_step, lstm_scan, tanh_
from alpha_dimt.kernels.vocabulary_softmax import token_log_probs
from alpha_dimt.kernels.workspace import Spare

__all__ = [
    "Spare",
    "cell_order",
    "cell_step",
    "decoder_scan",
    "lstm_scan",
    "tanh_",
    "token_log_probs",
    "with_bias",
    "with_one",
    "word_products",
    "word_weights",
]
