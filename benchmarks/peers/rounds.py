"""The rounds that every peer serves."""

from collections.abc import Callable, Mapping
from functools import partial

from torch import nn

from benchmarks.serve import serve


def serve_rounds(
    train: Callable[[], float],
    decode: Callable[[str, int, int], float],
    sizes: Mapping[str, int],
    model: nn.Module,
) -> None:
    """Serve training, greedy search and beam search of width 10; see `serve`.

    Args:
        train: trains on all batches once; returns target tokens.
        decode: translates so many sources of a set with a beam of some width; returns sentences.
        sizes: how many sources each set holds.
        model: what is trained.
    """
    serve(
        {
            "train": train,
            "greedy": partial(decode, "greedy", sizes["greedy"], 1),
            "beam10": partial(decode, "beam", sizes["beam"], 10),
        },
        parameters=str(sum(p.numel() for p in model.parameters())),
    )
