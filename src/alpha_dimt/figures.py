"""Figures from the folders of finished runs."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from alpha_dimt.files import atomic_path, read_json, read_json_lines

mpl.use("svg")
# The same runs make the same bytes.
mpl.rcParams["svg.hashsalt"] = "alpha-dimt"
mpl.rcParams["svg.fonttype"] = "none"

from matplotlib import pyplot as plt  # noqa: E402 (after the backend is chosen)

PANELS = {
    "valid_bleu_greedy": "greedy BLEU on validation data",
    "valid_nll_per_token": "validation NLL a token (nats)",
}


def learning_curves(runs: Sequence[Path], *, out: Path) -> None:
    """Draw validation BLEU and likelihood against the epoch; SVG.

    One line a run; the seeds of a system share its colour and its place in the legend.
    """
    figure, axes = plt.subplots(1, len(PANELS), figsize=(10, 4), layout="constrained")
    about = [read_json(run / "run.json") for run in runs]
    seeds: dict[str, list[int]] = {}
    for facts in about:
        seeds.setdefault(facts["system"], []).append(facts["seed"])
    systems = list(seeds)
    for run, facts in zip(runs, about, strict=True):
        records = read_json_lines(run / "metrics.jsonl")
        epochs = [record["epoch"] for record in records]
        system, seed = facts["system"], facts["seed"]
        numbers = ", ".join(map(str, seeds[system]))
        label = f"{system} (seed {numbers})" if seed == seeds[system][0] else None
        for axis, name in zip(axes, PANELS, strict=True):
            axis.plot(
                epochs,
                [record["metrics"][name] for record in records],
                label=label,
                color=f"C{systems.index(system) % 10}",
                linewidth=1.5,
            )
    for axis, title in zip(axes, PANELS.values(), strict=True):
        axis.set(xlabel="epoch", title=title)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize="small", loc="best")
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    plt.close(figure)
