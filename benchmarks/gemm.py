"""The peak that training is compared with: the fastest matrix product on this machine.

It is the best of square products and of those of the output layer (with the model's vocabulary
size).
"""

import json
import sys
import time

import torch
from torch import Tensor

from benchmarks.serve import serve
from benchmarks.sizes import Sizes


def best_gflop(operands: list[tuple[Tensor, Tensor, Tensor]], seconds: float) -> float:
    """Return the highest rate of any of the products, in GFLOP/s (a multiply-add counts as two).

    Args:
        operands: a [M, N], b [N, O] and the output for a b.
        seconds: time to repeat each product.
    """
    best = 0.0
    for a, b, out in operands:
        flop = 2 * a.shape[0] * a.shape[1] * b.shape[1]
        started = now = time.perf_counter()
        while now - started < seconds:
            before = now
            torch.mm(a, b, out=out)
            now = time.perf_counter()
            best = max(best, flop / (now - before) / 1e9)
    return best


def main() -> None:
    """Serve rounds "fp32" and "bf16"; their amount is in GFLOP/s, their seconds are meaningless."""
    sizes = Sizes(**json.loads(sys.argv[1])["sizes"])
    torch.set_num_threads(sizes.threads)
    units, words = sizes.units, sizes.target_words
    shapes = [
        (8 * units,) * 3,
        (4 * units,) * 3,
        (2 * units, units, words),
        (words, 8 * units, units),
    ]

    def operands(dtype: torch.dtype) -> list[tuple[Tensor, Tensor, Tensor]]:
        return [
            (
                torch.randn(m, k).to(dtype),
                torch.randn(k, n).to(dtype),
                torch.empty(m, n, dtype=dtype),
            )
            for m, k, n in shapes
        ]

    wide, low = operands(torch.float32), operands(torch.bfloat16)
    serve(
        {
            "fp32": lambda: best_gflop(wide, sizes.gemm_seconds),
            "bf16": lambda: best_gflop(low, sizes.gemm_seconds),
        }
    )


if __name__ == "__main__":
    main()
