"""Time and memory as one quantity grows; each value is measured in its own process."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib as mpl

from alpha_dimt.core.files import atomic_path
from benchmarks.contenders import Contender, take_turns
from benchmarks.sizes import Axis, Sizes

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "alpha-dimt"
mpl.rcParams["svg.fonttype"] = "none"

from matplotlib import pyplot as plt  # noqa: E402 (after the backend is chosen)

REPEATS, UPDATES = 2, 2

Start = Callable[[str, Sizes, dict[str, Any]], Contender]
"""Starts a contender from a module, with sizes and further entries of its task."""


@dataclass(frozen=True)
class Point:
    """One measurement.

    Attributes:
        value: value of the scaled quantity.
        milliseconds: time per update, or per sentence for search.
        peak_rss_mb: peak memory of the process.
    """

    value: int
    milliseconds: float
    peak_rss_mb: float


def measure(axis: Axis, sizes: Sizes, start: Start) -> Iterator[Point]:
    """Yield one point per value: updates of ML, or of alpha = 0.5 for K, or beam search."""
    sizes = replace(sizes, updates=UPDATES)
    for value in axis.values:
        changed = sizes
        module, round_, task = "train", "train", {"objective": "ml", "candidates": 1}
        if axis.name == "vocabulary":
            changed = replace(sizes, source_words=value, target_words=value)
        elif axis.name == "batch":
            changed = replace(sizes, batch=value)
        elif axis.name == "candidates":
            task = {"objective": "alpha", "candidates": value}
        else:
            module, round_, task = "decode", f"beam{value}", {"widths": [value]}
        work = changed.updates if module == "train" else changed.beam
        with start(module, changed, task) as contender:
            measured = take_turns({"it": (contender, round_)}, repeats=REPEATS)["it"]
        yield Point(value, 1000 * measured.seconds / work, measured.peak_rss_mb)


def draw(axis: Axis, points: Sequence[Point], out: Path) -> None:
    """Plot time and memory of one axis as SVG."""
    figure, axes = plt.subplots(1, 2, figsize=(7, 2.4), layout="constrained")
    unit = "sentence" if axis.name == "beam" else "update"
    values = [point.value for point in points]
    for panel, name, label in (
        (axes[0], "milliseconds", f"ms a {unit}"),
        (axes[1], "peak_rss_mb", "peak memory (MB)"),
    ):
        panel.plot(values, [getattr(point, name) for point in points], marker="o", linewidth=1.5)
        panel.set(xlabel=axis.name, ylabel=label, ylim=(0, None), xlim=(0, None))
        panel.grid(alpha=0.3)
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    plt.close(figure)
