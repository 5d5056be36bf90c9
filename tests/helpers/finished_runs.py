"""Folders of finished runs, with the files that the report reads."""

import json
from pathlib import Path
from typing import Any

from alpha_dimt.config import Experiment, parse
from alpha_dimt.core.files import write_json, write_text
from alpha_dimt.tables.table1 import write_table1
from alpha_dimt.tables.training import write_training_table

SYSTEMS: dict[str, dict[str, Any]] = {
    "ml": {"objective": "ml"},
    "raml": {"objective": "raml"},
    "alpha0.5": {"objective": "alpha", "alpha": 0.5},
}
WEIGHTS = {"ess": 8.0, "ess_fraction": 0.25, "reference_share": 0.5, "weight_entropy": 2.0}
SIGNATURE = "nrefs:1|tok:none"


def make_run(
    results: Path, system: str, seed: int, bleu: float, systems: dict[str, Any] = SYSTEMS
) -> Path:
    """Write a run of three epochs: dev `bleu`, test 1 and 2 less."""
    experiment = parse(Experiment, {"corpus": {"kind": "toy"}, "systems": systems}, "test")
    config = experiment.run_config(system, seed)
    folder = results / "runs" / system / f"seed{seed}"
    write_json(results / "decoding/beam.json", experiment.decoding.model_dump(mode="json"))
    write_json(folder / "config.json", config.model_dump(mode="json"))
    write_json(
        folder / "run.json",
        {
            "run_key": config.fingerprint(),
            "system": system,
            "seed": seed,
            "code_version": "0.1.0+gabc",
            "data": {
                "train.arrow": "ab" * 32,
                "valid.arrow": "ba" * 32,
                f"seed{seed}.arrow": "cd" * 32,
            },
            "libraries": {"torch": "2.13.0"},
            "machine": {"processor": "AMD EPYC", "cores": 2, "device": "cpu", "system": "Linux"},
            "precision": "bfloat16",
            "threads": 1,
            "parameters": 510_737,
            "best": {"epoch": 2, "valid_bleu_greedy": bleu},
            "epochs": 3,
            "ended_ms": 1_795_537_303_656 + seed,
            "wall_seconds": 90.0,
        },
    )
    records = [
        {
            "epoch": epoch,
            "step": 100 * epoch,
            "metrics": {
                "valid_bleu_greedy": bleu - 3 + epoch,
                "valid_nll_per_token": 5 / epoch,
                "gradient_norm": 1.0,
                **({} if system == "ml" else WEIGHTS),
            },
            "timing": {
                "epoch_seconds": 30.0,
                "valid_seconds": 1.0,
                "target_tokens_per_second": 1000.0 * epoch,
                "peak_memory_mb": 500.0 + epoch,
            },
        }
        for epoch in (1, 2, 3)
    ]
    write_text(folder / "metrics.jsonl", "".join(json.dumps(r) + "\n" for r in records))
    for less, name in enumerate(("valid.greedy", "test.greedy", "test.beam")):
        score = {
            "value": bleu - less,
            "definition": "multi-bleu, tokenised lower-cased",
            "signature": SIGNATURE,
            "brevity_penalty": 0.97,
            "ratio": 0.95 + less / 100,
        }
        write_json(
            folder / "scores" / f"{name}.json",
            {
                "hypotheses": {"lines": 500, "sha256": f"{system}{seed}{name}"},
                "references": {"tokenised": {"sha256": name.split(".")[0]}},
                "scores": {"multi_bleu": score},
            },
        )
    return folder


def make_study(results: Path) -> list[Path]:
    """Write three systems of two seeds each, and their tables."""
    runs = [
        make_run(results, system, seed, 40.0 + place + 0.3 * seed)
        for place, system in enumerate(SYSTEMS)
        for seed in (1, 2)
    ]
    make_tables(results, runs)
    return runs


def make_tables(results: Path, runs: list[Path]) -> None:
    """Write the tables of some runs."""
    write_table1(runs, out=results / "tables/table1")
    write_training_table(runs, out=results / "tables/training")
    # The significance tests would read translations; the same table is used for each of them.
    tables = json.loads((results / "tables/table1.json").read_text(encoding="utf-8"))
    [table] = tables["tables"]
    titles = ("Across seeds", "Across seeds, pooled", "Scatter", "Within a seed")
    write_json(
        results / "tables/significance.json",
        tables | {"tables": [table | {"title": title} for title in titles]},
    )
