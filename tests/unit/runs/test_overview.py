"""How far runs are, from the files that trainings write."""

import json
import os
import platform
from pathlib import Path
from typing import Any

import pytest

from alpha_dimt.config import Experiment, RunConfig, parse
from alpha_dimt.runs.overview import checkpoints_of, highest, last_lines, look, started_runs

VALUES = {
    "corpus": {"kind": "toy"},
    "training": {"max_epochs": 10},
    "systems": {"ml": {"objective": "ml"}, "raml": {"objective": "raml"}},
    "seeds": [1, 2],
}


@pytest.fixture
def config() -> RunConfig:
    return parse(Experiment, VALUES, "test").run_config("ml", 1)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def epoch(bleu: float, seconds: float, at: float = 0.0) -> str:
    timing = {"epoch_seconds": seconds, "target_tokens_per_second": 1234.5}
    metrics = {"valid_bleu_greedy": bleu}
    return json.dumps({"time_ms": 1000 * at, "metrics": metrics, "timing": timing}) + "\n"


def trains(config: RunConfig, states: Path, holder: str) -> Path:
    """Make the checkpoint folder of a training in its fourth epoch, held by a process."""
    folder = states / f"{config.fingerprint()}-0123"
    write(folder / "lock", f"process {holder}\n")
    epochs = [epoch(10, 100), epoch(30, 10), epoch(20, 20), epoch(25, 30)]
    write(folder / "metrics.jsonl", "".join(epochs))
    return folder


def test_a_run_that_was_not_started_waits(config: RunConfig, tmp_path: Path):
    found = look(config, tmp_path, tmp_path / "state")

    assert (found.name, found.state, found.epochs, found.most) == ("ml/seed1", "waiting", 0, 10)
    assert (found.dev, found.best, found.rate, found.since, found.left) == (None,) * 5
    assert found.log == tmp_path / "logs/train.ml.seed1.log"


def test_a_training_tells_its_epoch_and_the_time_left(config: RunConfig, tmp_path: Path):
    trains(config, tmp_path / "state", f"{os.getpid()} on {platform.node()}")

    found = look(config, tmp_path, tmp_path / "state")

    assert (found.state, found.epochs, found.dev, found.best) == ("training", 4, 25, 30)
    assert found.rate == 1234.5
    # Six more epochs at the mean of the last three.
    assert found.left == 6 * 20
    assert found.since is not None
    assert found.since > 10**9  # since 1970, where the record says that its last epoch ended


def test_a_training_without_a_process_has_stopped(config: RunConfig, tmp_path: Path):
    folder = trains(config, tmp_path / "state", f"{os.getpid()} on {platform.node()}")
    states = tmp_path / "state"
    # A younger process has only got the same number.
    os.utime(folder / "lock", (1, 1))
    assert look(config, tmp_path, states).state == "stopped"
    write(folder / "lock", f"process {2**22 + 1} on {platform.node()}\n")
    assert look(config, tmp_path, states).state == "stopped"
    write(folder / "lock", "")
    found = look(config, tmp_path, states)
    assert (found.state, found.epochs, found.left, found.since) == ("stopped", 4, None, None)
    # Nothing is known of processes on another node.
    write(folder / "lock", "process 7 on elsewhere\n")
    assert look(config, tmp_path, states).state == "training"


def finish(config: RunConfig, results: Path, bleu: float | None, weights: str = "w") -> Path:
    folder = results / f"runs/{config.system}/seed{config.seed}"
    about = {"run_key": config.fingerprint(), "files": {"weights": "w"}}
    write(folder / "run.json", json.dumps(about))
    write(folder / "config.json", config.canonical_json())
    write(folder / "metrics.jsonl", epoch(30, 1) + epoch(40, 1))
    if bleu is not None:
        report: dict[str, Any] = {"scores": {"multi_bleu": {"value": bleu}}}
        report["translated"] = {"weights": weights}
        write(folder / "scores/test.beam.json", json.dumps(report))
    return folder


def test_a_finished_run_is_scored_once_its_own_weights_are(config: RunConfig, tmp_path: Path):
    states = tmp_path / "state"
    folder = finish(config, tmp_path, None)
    found = look(config, tmp_path, states)
    assert (found.state, found.epochs, found.best, found.test) == ("trained", 2, 40, None)

    finish(config, tmp_path, 44.5, weights="of before")
    assert look(config, tmp_path, states).state == "trained"
    finish(config, tmp_path, 44.5)
    found = look(config, tmp_path, states)
    assert (found.state, found.test, found.left) == ("scored", 44.5, None)

    # One of another configuration is not this one.
    write(folder / "run.json", json.dumps({"run_key": "other"}))
    assert look(config, tmp_path, states).state == "waiting"
    write(folder / "run.json", '{"run_key"')  # half-written
    assert look(config, tmp_path, states).state == "waiting"


def test_the_system_with_the_highest_mean(tmp_path: Path):
    experiment = parse(Experiment, VALUES, "test")
    runs = {run: experiment.run_config(*run) for run in experiment.runs}
    assert highest([look(run, tmp_path, tmp_path) for run in runs.values()]) is None
    for run, bleu in zip(runs.values(), (30.0, 40.0, 39.0, 33.0), strict=True):
        finish(run, tmp_path, bleu)

    assert highest([look(run, tmp_path, tmp_path) for run in runs.values()]) == ("raml", 36.0, 2)


def test_started_runs_are_those_with_a_configuration(config: RunConfig, tmp_path: Path):
    assert list(started_runs(tmp_path)) == []
    finish(config, tmp_path, None)
    write(tmp_path / "runs/raml/seed1/config.json", "{")  # half-written

    assert list(started_runs(tmp_path)) == [config]


def test_the_last_lines_of_a_log(tmp_path: Path):
    log = tmp_path / "a.log"
    assert last_lines(log, 2) == []
    write(log, "".join(f"line {i}\n" for i in range(10_000)))

    assert last_lines(log, 2) == ["line 9998", "line 9999"]


def test_of_two_checkpoint_folders_the_live_or_the_latest_counts(config: RunConfig, tmp_path: Path):
    key = config.fingerprint()
    for name, at in (("-0", 3), ("-1", 2), ("-2", 1)):  # of other data each
        write(tmp_path / f"{key}{name}/metrics.jsonl", epoch(10, 1) * at)
        os.utime(tmp_path / f"{key}{name}/metrics.jsonl", (at, at))
    assert checkpoints_of(key, tmp_path) == tmp_path / f"{key}-0"
    os.utime(tmp_path / f"{key}-1/metrics.jsonl", (9, 9))
    assert checkpoints_of(key, tmp_path) == tmp_path / f"{key}-1"
    write(tmp_path / f"{key}-2/lock", f"process {os.getpid()} on {platform.node()}\n")
    assert checkpoints_of(key, tmp_path) == tmp_path / f"{key}-2"
    found = look(config, tmp_path, tmp_path)
    assert (found.state, found.epochs) == ("training", 1)
    assert checkpoints_of("other", tmp_path) is None
