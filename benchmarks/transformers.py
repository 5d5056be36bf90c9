r"""Train the Transformer and JoeyNMT's on the same batches, in turns: BLEU and speed.

    python -m benchmarks.transformers --config config/multi30k-transformer.yaml \
        --encoded results/multi30k-transformer/data/encoded --epochs 12 \
        --out results/benchmarks/transformers

Both have the same sizes, sinusoidal positions, pre-norm and a tied output layer, and see the same
mini-batches in the same order with the same learning rates, AdamW, label smoothing and clipping.
JoeyNMT also drops attention weights and inner units, and computes in fp32, as it does on CPUs. An
epoch of one is followed by the same epoch of the other. Writes the result to a file as JSON.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from alpha_dimt.config import Experiment, RunConfig, load
from alpha_dimt.core.files import write_json
from alpha_dimt.core.vocabulary import EOS, Vocab
from alpha_dimt.data.batching import source_batches
from alpha_dimt.data.encoded import Pairs, read_pairs
from alpha_dimt.data.segmentation import BpeSegmentation
from alpha_dimt.evaluation.metrics import multi_bleu
from alpha_dimt.machine.processor import processor
from alpha_dimt.training.batches import epoch_batches
from alpha_dimt.training.binding import bind
from benchmarks.contenders import Contender, Measured, take_turns

SEARCHES = {"greedy": 128, "beam5": 64}
"""Sources that are decoded at once."""


def write_epoch(run: RunConfig, pairs: Pairs, epoch: int, path: Path) -> None:
    """Write the batches of an epoch, as `benchmarks.corpus.write_arrays` does."""
    arrays: dict[str, Any] = {}
    for i, batch in enumerate(epoch_batches(run, bind(run.objective).needs, pairs, None, epoch)):
        for name in ("source", "source_lengths", "target", "target_lengths"):
            arrays[f"batch{i}_{name}"] = getattr(batch, name)
    np.savez(path, allow_pickle=False, **arrays)


def write_test(pairs: Pairs, path: Path) -> None:
    """Write the sources to decode, and the numbers of their sentences."""
    arrays: dict[str, Any] = {}
    for search, size in SEARCHES.items():
        for i, rows in enumerate(source_batches(pairs.source.lengths, batch_size=size)):
            arrays[f"{search}{i}"] = pairs.source.padded(rows, fill=0)
            arrays[f"{search}{i}_lengths"] = pairs.source.lengths[rows]
            arrays[f"{search}{i}_rows_lengths"] = rows  # ids that are none are named so
    np.savez(path, allow_pickle=False, **arrays)


def bleu(found: Iterable[list[int]], pairs: Pairs, vocab: Vocab, run: RunConfig) -> float:
    """Return BLEU of translations, words joined, against tokenised references."""
    # Joining pieces takes no codes.
    segmentation = BpeSegmentation(run.data, codes=[])
    words = (vocab.decode(id for id in row if id != EOS) for row in found)
    lines = segmentation.join([" ".join(row) for row in words])
    return multi_bleu(lines, segmentation.join(pairs.target_text)).value


def table(found: dict[str, Any]) -> str:
    """Return the result as a table of Markdown."""
    ours, theirs = found["ours"], found["joeynmt"]

    def row(what: str, first: float, second: float, form: str, times: str = "") -> str:
        return f"| {what} | {first:{form}} | {second:{form}} | {times} |"

    def speed(what: str, *keys: str) -> str:
        pair = [ours, theirs]
        for key in keys:
            pair = [one[key] for one in pair]
        times = found["ratio"] if keys == ("tokens_per_second",) else pair[0] / pair[1]
        return row(what, pair[0], pair[1], ",.0f", f"{times:.1f}")

    return "\n".join(
        [
            "| | this project | JoeyNMT 2.3.0 | ratio |",
            "|---|---:|---:|---:|",
            speed("training, target tokens/s", "tokens_per_second"),
            speed("greedy search, sentences/s", "greedy", "sentences_per_second"),
            speed("beam 5, sentences/s", "beam5", "sentences_per_second"),
            row("peak memory, MB", ours["peak_rss_mb"], theirs["peak_rss_mb"], ",.0f"),
            row("test BLEU, greedy", ours["greedy"]["bleu"], theirs["greedy"]["bleu"], ".2f"),
            row("test BLEU, beam 5", ours["beam5"]["bleu"], theirs["beam5"]["bleu"], ".2f"),
        ]
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--encoded", type=Path, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--peers", type=Path, default=Path("results/benchmarks/peers"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    run = load(Experiment, asked.config).run_config("ml", 1)
    train, test = read_pairs(asked.encoded, "train"), read_pairs(asked.encoded, "test")
    source, target = (
        Vocab.load(asked.encoded / f"vocab.{language}.txt")
        for language in (run.data.corpus.source, run.data.corpus.target)
    )
    for epoch in range(1, asked.epochs + 1):
        write_epoch(run, train, epoch, asked.out / f"epoch{epoch}.npz")
    write_test(test, asked.out / "test.npz")
    task = {
        "run": run.model_dump(mode="json"),
        "folder": str(asked.out.absolute()),
        "source_words": len(source),
        "target_words": len(target),
    }
    modules = {
        "ours": ("benchmarks.transformer_ours", None),
        "joeynmt": ("benchmarks.peers.joeynmt_transformer", asked.peers / "joeynmt/bin/python"),
    }
    found: dict[str, Any] = {}
    contenders: dict[str, Contender] = {}
    try:
        for name, (module, python) in modules.items():
            log = asked.out / f"{name}.log"
            given = {"python": python.absolute()} if python else {}
            contenders[name] = Contender(module, task | {"name": name}, log=log, **given)

        def turns(what: str, repeats: int, warm_up: int) -> dict[str, Measured]:
            each = {name: (contender, what) for name, contender in contenders.items()}
            return take_turns(each, repeats=repeats, warm_up=warm_up)

        trained = turns("epoch", asked.epochs - 1, 1)
        searched = {what: turns(what, asked.repeats, 1) for what in SEARCHES}
        for name, contender in contenders.items():
            found[name] = contender.about | {
                "tokens_per_second": trained[name].rate,
                "tokens_per_second_of_each_epoch": [one.rate for one in trained[name].rounds],
                "peak_rss_mb": trained[name].peak_rss_mb,
            }
            for what in SEARCHES:
                outputs = json.loads((asked.out / f"{name}.{what}.json").read_text())
                found[name][what] = {
                    "sentences_per_second": searched[what][name].rate,
                    "bleu": bleu(outputs, test, target, run),
                }
        ratios = [
            ours.rate / theirs.rate
            for ours, theirs in zip(trained["ours"].rounds, trained["joeynmt"].rounds, strict=True)
        ]
        found["ratio_of_each_epoch"], found["ratio"] = ratios, median(ratios)
    finally:
        for contender in contenders.values():
            contender._stop()
    found |= {"epochs": asked.epochs, "processor": processor(), "threads": run.training.threads}
    write_json(asked.out / "summary.json", found)
    print(table(found))


if __name__ == "__main__":
    main()
