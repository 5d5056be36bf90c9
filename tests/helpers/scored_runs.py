"""Finished runs with scores, without a training."""

from pathlib import Path
from typing import Any

import yaml

from alpha_dimt.config import Experiment, parse
from alpha_dimt.core.files import read_json, write_json

CONFIG = Path(__file__).parents[2] / "config"


def make_run(root: Path, system: str, seed: int, bleu: float, corpus: str = "config") -> Path:
    """Write the files of a finished run that a table needs: dev `bleu`, test 1 and 2 less."""
    path = CONFIG / f"{corpus}.yaml"
    experiment = parse(Experiment, yaml.safe_load(path.read_text()), str(path))
    config = experiment.run_config(system, seed)
    results = root / experiment.corpus.name
    folder = results / "runs" / system / f"seed{seed}"
    write_json(results / "decoding" / "beam.json", experiment.decoding.model_dump(mode="json"))
    write_json(folder / "config.json", config.model_dump(mode="json"))
    data = {"train.arrow": "ab", "valid.arrow": "cd"}
    write_json(folder / "run.json", {"run_key": config.fingerprint(), "data": data})
    for less, name in enumerate(("valid.greedy", "test.greedy", "test.beam")):
        report = {
            "hypotheses": {"lines": 500, "sha256": f"{system}{seed}{name}"},
            "references": {"tokenised": {"sha256": name.split(".")[0]}},
            "scores": {
                "multi_bleu": {
                    "value": bleu - less,
                    "brevity_penalty": 0.97,
                    "ratio": 0.95,
                    "definition": "multi-bleu, tokenised lower-cased",
                    "signature": "nrefs:1|tok:none",
                }
            },
        }
        write_json(folder / "scores" / f"{name}.json", report)
    return folder


def edit(path: Path, *keys: str, value: Any) -> None:
    document = read_json(path)
    inner = document
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    write_json(path, document)
