"""Small trainings, end to end through the functions that the command line calls."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from copy_task import experiment, write_corpus
from safetensors.torch import load_file

from alpha_dimt.config import Experiment
from alpha_dimt.data.augment import augment_corpus
from alpha_dimt.data.encoded import read_pairs
from alpha_dimt.decoding import decode_split
from alpha_dimt.errors import UserError
from alpha_dimt.evaluation.bleu import multi_bleu
from alpha_dimt.files import read_json, read_lines, write_json
from alpha_dimt.training import loop
from alpha_dimt.training.run import train_run


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_corpus(tmp_path_factory.mktemp("encoded"))
    augment_corpus(
        experiment().augment_config("raml", 1), encoded=folder, out=folder / "seed1.arrow"
    )
    return folder


def train(encoded: Path, work: Path, config: Experiment, system: str) -> Path:
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
    )
    return out


def records(run: Path) -> list[dict[str, Any]]:
    """Return metrics.jsonl without what a clock wrote."""
    lines = [json.loads(line) for line in read_lines(run / "metrics.jsonl")]
    return [{k: v for k, v in line.items() if k not in ("time_ms", "timing")} for line in lines]


@pytest.mark.parametrize("system", ["ml", "raml", "alpha0.5"])
def test_reversal_is_learned(encoded: Path, tmp_path: Path, system: str) -> None:
    config = experiment()
    run = train(encoded, tmp_path, config, system)
    summary = read_json(run / "run.json")
    assert summary["best"]["valid_bleu_greedy"] > 70
    assert summary["run_key"] == config.run_config(system, 1).fingerprint()
    assert [record["epoch"] for record in records(run)] == list(range(1, 15))
    assert list((tmp_path / "state").iterdir()) == []

    for search in ("greedy", "beam"):
        out = run / f"{search}.txt"
        decode_split(
            config.search_config(search),  # type: ignore[arg-type]
            run=run,
            encoded=encoded,
            split="valid",
            out=out,
            threads=1,
        )
        assert len(read_lines(out)) == 60
    # What `decode` writes is what validation scored.
    references = read_pairs(encoded, "valid").target_text
    greedy = multi_bleu(read_lines(run / "greedy.txt"), references)
    assert greedy.value == pytest.approx(summary["best"]["valid_bleu_greedy"])


def test_a_killed_training_goes_on_to_the_same_end(
    encoded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = experiment(max_epochs=4)
    whole = train(encoded, tmp_path / "whole", config, "alpha0.5")

    class Killed(Exception):
        pass

    original = loop.train_epoch

    def dying(*args: Any) -> Any:
        if args[2].schedule.epoch == 2:
            raise Killed
        return original(*args)

    monkeypatch.setattr(loop, "train_epoch", dying)
    with pytest.raises(Killed):
        train(encoded, tmp_path / "killed", config, "alpha0.5")
    assert not (tmp_path / "killed/alpha0.5/run.json").exists()
    epochs = []

    def counting(*args: Any) -> Any:
        epochs.append(args[2].schedule.epoch + 1)
        return original(*args)

    monkeypatch.setattr(loop, "train_epoch", counting)
    resumed = train(encoded, tmp_path / "killed", config, "alpha0.5")
    assert epochs == [3, 4]
    assert records(resumed) == records(whole)
    weights = [load_file(run / "best.safetensors") for run in (whole, resumed)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_another_configuration_never_resumes(encoded: Path, tmp_path: Path) -> None:
    keys = {
        experiment(**change).run_config("ml", 1).fingerprint()
        for change in ({}, {"learning_rate": 2.0}, {"threads": 2})
    }
    assert len(keys) == 3


def test_divergence_names_epoch_and_batch(encoded: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"epoch 1, batch \d+: the gradient is (nan|inf)"):
        train(encoded, tmp_path, experiment(learning_rate=1e38, clip_norm=1e38), "ml")
    assert not (tmp_path / "ml/best.safetensors").exists()


def test_weights_of_another_run_are_refused(encoded: Path, tmp_path: Path) -> None:
    config = experiment(max_epochs=1)
    run = train(encoded, tmp_path, config, "ml")
    other = experiment(max_epochs=2).run_config("ml", 1)
    write_json(run / "config.json", other.model_dump(mode="json"))
    with pytest.raises(UserError, match="belong to run"):
        decode_split(
            config.decoding, run=run, encoded=encoded, split="test", out=tmp_path / "o", threads=1
        )
    assert not (tmp_path / "o").exists()


def test_objectives_get_the_data_that_they_need(encoded: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="objective raml needs --augmented"):
        train_run(
            experiment().run_config("raml", 1),
            encoded=encoded,
            augmented=None,
            start=None,
            state=tmp_path / "s",
            out=tmp_path / "o",
            threads=1,
        )
