"""A reversal task: the target is the reversed source."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from prepared import note_encoded

from alpha_dimt.config import Experiment, parse
from alpha_dimt.config.training import CheckpointsConfig
from alpha_dimt.core.files import read_lines, write_json
from alpha_dimt.core.vocabulary import Vocab
from alpha_dimt.training.run import train_run

LETTERS = "abcdefghij"


def experiment(**training: object) -> Experiment:
    """Return a small experiment; `training` overrides its recipe."""
    recipe = {
        "batch_size": 16,
        "max_epochs": 14,
        "min_learning_rate": 1.0,  # no decay while BLEU is 0
        "threads": 1,
        "precision": "fp32",
    }
    values = {
        "corpus": {"kind": "toy", "name": "copy"},
        "preparation": {"vocabulary": {"kind": "words"}},
        "proposal": {"slices": 3, "candidates": 2},
        "model": {"embedding": 16, "hidden": 48, "dropout": 0.0},
        "training": recipe | training,
        "systems": {
            "ml": {"objective": "ml"},
            "raml": {"objective": "raml", "normalise": "source", "tau": 0.5},
            "alpha0.5": {"objective": "alpha", "alpha": 0.5},
        },
    }
    return parse(Experiment, values, "copy task")


def write_corpus(folder: Path, train: int = 900) -> Path:
    """Write vocabularies and encoded splits as `alpha-dimt encode` does."""
    folder.mkdir(parents=True, exist_ok=True)
    vocab = Vocab(LETTERS)
    for language in ("de", "en"):
        vocab.save(folder / f"vocab.{language}.txt")
    rng = np.random.default_rng(0)
    for split, size in (("train", train), ("valid", 60), ("test", 40)):
        texts = [" ".join(rng.choice(list(LETTERS), rng.integers(3, 7))) for _ in range(size)]
        reverse = [text[::-1] for text in texts]
        ids = pa.list_(pa.int32())
        table = pa.table(
            {
                "source": pa.array([vocab.encode(t.split()) for t in texts], ids),
                "target": pa.array([vocab.encode(t.split()) for t in reverse], ids),
                "source_text": texts,
                "target_text": reverse,
            }
        )
        file = str(folder / f"{split}.arrow")
        with pa.OSFile(file, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    note_encoded(folder, experiment().data_config())
    return folder


def train(
    encoded: Path,
    work: Path,
    config: Experiment,
    system: str,
    *,
    checkpoint_seconds: float = CheckpointsConfig().seconds,
) -> Path:
    """Train a system with seed 1; return the folder of the run."""
    run = config.run_config(system, 1)
    out = work / system
    write_json(out / "config.json", run.model_dump(mode="json"))
    train_run(
        run,
        encoded=encoded,
        augmented=None if run.proposal is None else encoded / "seed1.arrow",
        start=None,
        state=work / "state",
        out=out,
        threads=1,
        checkpoint_seconds=checkpoint_seconds,
    )
    return out


def records(run: Path) -> list[dict[str, Any]]:
    """Return metrics.jsonl without times."""
    lines = [json.loads(line) for line in read_lines(run / "metrics.jsonl")]
    return [{k: v for k, v in line.items() if k not in ("time_ms", "timing")} for line in lines]


def result(run: Path) -> tuple[list[dict[str, Any]], bytes]:
    """Return everything of a finished run that interruptions must not change."""
    return records(run), (run / "best.safetensors").read_bytes()
