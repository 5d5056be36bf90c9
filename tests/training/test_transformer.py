"""The Transformer on the reversal task: it learns, and every objective trains it."""

from pathlib import Path
from typing import Any

import pytest
from copy_task import experiment, records, train, write_corpus
from every_objective import SYSTEMS, write_data
from every_objective import train as train_system

from alpha_dimt.config import Experiment, parse
from alpha_dimt.core.files import read_json, read_lines
from alpha_dimt.data.encoded import read_pairs
from alpha_dimt.evaluation.metrics import multi_bleu
from alpha_dimt.inference.decode import decode_split

MODEL = {"kind": "transformer", "layers": 1, "units": 32, "heads": 4, "inner": 64, "dropout": 0.0}
RECIPE = {
    "optimiser": {"kind": "adamw"},
    "learning_rate": 0.003,
    "schedule": {"kind": "inverse_square_root", "warmup": 200},
}


def configured(systems: dict[str, Any] | None = None, **training: Any) -> Experiment:
    values = experiment(**RECIPE | training).model_dump(mode="json")
    return parse(
        Experiment,
        {**values, "model": MODEL, "systems": systems or values["systems"]},
        "transformer",
    )


def test_reversal_is_learned(tmp_path: Path) -> None:
    encoded = write_corpus(tmp_path / "encoded")
    config = configured(max_epochs=20)
    run = train(encoded, tmp_path, config, "ml")
    summary = read_json(run / "run.json")
    assert summary["best"]["valid_bleu_greedy"] > 70
    assert summary["parameters"] == config.model.parameters(14, 14)
    rates = [record["metrics"]["learning_rate"] for record in records(run)]
    assert max(rates) == pytest.approx(0.003, rel=0.2)
    assert rates[0] < max(rates) > rates[-1]
    # `decode` writes the translations that validation scored, and a beam finds at least as good.
    references = read_pairs(encoded, "valid").target_text
    bleu = {}
    for search in ("greedy", "beam"):
        decode_split(
            config.decoding.searches[search],
            run=run,
            encoded=encoded,
            split="valid",
            out=run / f"{search}.txt",
            threads=1,
        )
        bleu[search] = multi_bleu(read_lines(run / f"{search}.txt"), references).value
    assert bleu["greedy"] == pytest.approx(summary["best"]["valid_bleu_greedy"])
    assert bleu["beam"] > 70


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = every_system()
    folder = write_data(tmp_path_factory.mktemp("every"), config, train=96)
    train_system(config, folder, "ml")
    return folder


def every_system() -> Experiment:
    return configured(SYSTEMS, max_epochs=1, min_epochs=0, min_learning_rate=0.001)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_objective_trains_it(folder: Path, system: str) -> None:
    config = every_system()
    out = folder / system if system == "ml" else train_system(config, folder, system)
    [record] = records(out)
    assert record["metrics"]["gradient_norm"] > 0
    assert read_json(out / "run.json")["run_key"] == config.run_config(system, 1).fingerprint()
