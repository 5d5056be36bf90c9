"""This project's search: rounds of greedy and of beam search.

An untrained model ends sentences at random. Here the bias of </s> is so low that it is never
chosen: every sentence takes all steps, the worst case, and no contender gains by stopping early.
"""

import json
import sys
from collections.abc import Callable
from functools import partial

import torch

from alpha_dimt.config.training import Decoding
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import EOS
from alpha_dimt.inference.decode import search_all
from benchmarks.corpus import sources
from benchmarks.serve import serve
from benchmarks.sizes import Sizes
from benchmarks.train import build_model

NEVER = -1e4
"""Bias of </s>."""


def main() -> None:
    """Serve rounds "greedy" and, for each requested width, "beam{width}"."""
    task = json.loads(sys.argv[1])
    sizes = Sizes(**task["sizes"])
    model = build_model(sizes)
    with torch.no_grad():
        model.output.bias[EOS] = NEVER

    def search(source: Ragged, width: int) -> float:
        config = Decoding(beam=width, max_length=sizes.steps)
        found = search_all(model, source, config, torch.device("cpu"))
        assert all(len(one.tokens) == sizes.steps for one in found)
        return len(found)

    rounds: dict[str, Callable[[], float]] = {
        "greedy": partial(search, sources(sizes, sizes.greedy), 1)
    }
    for width in task["widths"]:
        rounds[f"beam{width}"] = partial(search, sources(sizes, sizes.beam), width)
    serve(rounds)


if __name__ == "__main__":
    main()
