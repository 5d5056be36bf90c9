"""How a CUDA device computes: in the precision that is recorded, with sums in a fixed order."""

import os

import torch


def use_exact_arithmetic() -> None:
    """Make CUDA devices compute fp32 in fp32, bf16 with wide sums, and repeatably.

    Call it before the first computation on such a device.
    """
    # TF32 keeps 10 of float32's 23 bits of the factors; cuDNN's LSTM has a switch of its own.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    # Partial sums of a product in bf16 stay in float32.
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    # Without it, cuBLAS may choose another order of sums in another stream.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
