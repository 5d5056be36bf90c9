"""Finished runs to log to MLflow, without training."""

import json
from pathlib import Path

import yaml

from alpha_dimt.config import Experiment, parse
from alpha_dimt.core.files import write_json, write_lines

CONFIG = Path(__file__).parents[2] / "config" / "config.yaml"
START = 1_790_000_000_000
EPOCHS = 3
DIGESTS = {"train": "ab" * 32, "valid": "cd" * 32}


def write_prepared(root: Path) -> None:
    """Write the files of the prepared corpus that tracking reads."""
    encoded, text = root / "data" / "encoded", root / "data" / "text"
    splits = {
        split: {"pairs": 2, "tokens": {"de": 4, "en": 4}, "unknown_rate": {}, "sha256": digest}
        for split, digest in {**DIGESTS, "test": "ef" * 32}.items()
    }
    write_json(encoded / "report.json", {"splits": splits})
    for language in ("de", "en"):
        write_lines(text / f"test.raw.{language}", [f"A {language}.", f"B\u2028 {language}!"])
    write_json(root / "decoding" / "beam.json", {})


def make_run(
    root: Path,
    system: str,
    seed: int,
    bleu: float = 60.0,
    experiment: Experiment | None = None,
) -> Path:
    """Write the folder of a finished run and the files beside it, as the earlier stages would."""
    if experiment is None:
        experiment = parse(Experiment, yaml.safe_load(CONFIG.read_text()), str(CONFIG))
    config = experiment.run_config(system, seed)
    folder = root / "runs" / system / f"seed{seed}"
    write_prepared(root)
    write_json(folder / "config.json", config.model_dump(mode="json"))
    records = [
        {
            "time_ms": START + 1000 * epoch,
            "epoch": epoch,
            "step": 200 * epoch,
            "metrics": {"train_nll_per_token": 4 / epoch, "valid_bleu_greedy": bleu - 3 + epoch},
            "timing": {"epoch_seconds": 1.5, "target_tokens_per_second": 900.0},
        }
        for epoch in range(1, EPOCHS + 1)
    ]
    write_lines(folder / "metrics.jsonl", [json.dumps(record) for record in records])
    write_json(
        folder / "run.json",
        {
            "run_key": config.fingerprint(),
            "system": system,
            "seed": seed,
            "corpus": "toy",
            "code_version": "0.1.0",
            "data": {f"{split}.arrow": digest for split, digest in DIGESTS.items()},
            "machine": {},
            "libraries": {},
            "threads": 1,
            "precision": "fp32",
            "parameters": 1234,
            "best": {"epoch": EPOCHS, "valid_bleu_greedy": bleu},
            "epochs": EPOCHS,
            "stopped": "max_epochs",
            "wall_seconds": 3.5,
            "started_ms": START,
            "ended_ms": START + 5000,
        },
    )
    (folder / "best.safetensors").write_bytes(b"weights")
    for language in ("de", "en"):
        write_lines(folder / f"vocab.{language}.txt", ["<pad>", "<unk>", "<s>", "</s>", "a"])
    for name in ("valid.greedy", "test.greedy", "test.beam"):
        write_lines(folder / "hypotheses" / f"{name}.txt", ["a b", "c d"])
        scores = {
            key: {"metric": key, "value": bleu + index}
            for index, key in enumerate(("multi_bleu", "sacrebleu", "chrf", "ter"))
        }
        write_json(folder / "scores" / f"{name}.json", {"scores": scores})
    return folder
