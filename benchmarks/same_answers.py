"""Whether fast training learns what plain PyTorch learns: runs of both, seed by seed.

    python -m benchmarks.same_answers train --encoded ENCODED --epochs 8 --out OUT RUN [RUN ...]
    python -m benchmarks.same_answers table --fast RUN [RUN ...] --plain OUT/seed1 [OUT/seed2 ...]

`train` takes finished runs of maximum likelihood and trains each again with the same configuration,
seed and threads, but in fp32 and with `training.implementation: plain`, the model's definition in
plain PyTorch differentiated by autograd. Batches, initial weights, learning rates and validation
are those of `alpha-dimt train`. `table` prints both as Markdown.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from alpha_dimt.config import RunConfig, load
from alpha_dimt.core.files import read_json_lines, write_json
from alpha_dimt.evaluation.across_seeds import compare_pairs
from alpha_dimt.tables.wording import interval_text, mean_sd
from alpha_dimt.training.run import train_run

METRICS = {"valid_bleu_greedy": "dev BLEU", "valid_nll_per_token": "dev NLL a token"}


def plainly(config: RunConfig, epochs: int) -> RunConfig:
    """Return the configuration of the plain run beside a fast one."""
    changes = {"implementation": "plain", "precision": "fp32", "max_epochs": epochs}
    recipe = config.training.model_copy(update=changes)
    return config.model_copy(update={"system": "plain", "training": recipe})


def train(run: Path, *, encoded: Path, epochs: int, out: Path) -> None:
    """Train the plain run beside a fast one; an interrupted one is resumed.

    Raises:
        UserError: the folder is not a run folder, or its data is not here.
    """
    config = plainly(load(RunConfig, run / "config.json"), epochs)
    folder = out / f"seed{config.seed}"
    write_json(folder / "config.json", config.model_dump(mode="json"))
    train_run(
        config,
        encoded=encoded,
        augmented=None,
        start=None,
        state=out / "state",
        out=folder,
        threads=config.training.threads,
    )


def table(fast: Sequence[Path], plain: Sequence[Path]) -> str:
    """Return both at each epoch, mean and deviation over seeds, and their difference.

    The difference is plain less fast, paired by seed, with its 95 % interval by Student's t.
    """
    runs = {
        name: {load(RunConfig, run / "config.json").seed: _metrics(run) for run in folders}
        for name, folders in (("fast", fast), ("plain", plain))
    }
    epochs = min(len(metrics) for side in runs.values() for metrics in side.values())
    lines = ["| epoch |", "|---:|"]
    for title in METRICS.values():
        lines[0] += f" {title}, fast | plain | difference | 95 % interval |"
        lines[1] += "---:|" * 4
    for epoch in range(epochs):
        line = f"| {epoch + 1} |"
        for name in METRICS:
            scores = {
                side: {seed: metrics[epoch][name] for seed, metrics in seeds.items()}
                for side, seeds in runs.items()
            }
            [pair] = compare_pairs(scores)
            of_sides = pd.DataFrame(scores)[["fast", "plain"]]
            cells = [mean_sd(*both) for both in zip(of_sides.mean(), of_sides.std(), strict=True)]
            ends = interval_text(*pair.interval, "+.2f") if pair.interval else ""
            cells += [f"{pair.value:+.2f}", ends]
            line += "".join(f" {cell} |" for cell in cells)
        lines.append(line)
    return "\n".join(lines)


def _metrics(run: Path) -> list[dict[str, float]]:
    return [record["metrics"] for record in read_json_lines(run / "metrics.jsonl")]


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("train")
    command.add_argument("--encoded", type=Path, required=True)
    command.add_argument("--epochs", type=int, required=True)
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("run", type=Path, nargs="+")
    command = commands.add_parser("table")
    command.add_argument("--fast", type=Path, nargs="+", required=True)
    command.add_argument("--plain", type=Path, nargs="+", required=True)
    given = parser.parse_args()
    if "run" not in given:
        print(table(given.fast, given.plain))
        return
    for run in given.run:
        train(run, encoded=given.encoded, epochs=given.epochs, out=given.out)


if __name__ == "__main__":
    main()
