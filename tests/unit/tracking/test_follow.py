"""Trainings that MLflow shows while they run, without training."""

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tracked_runs import EPOCHS, START, make_run

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json, write_json
from alpha_dimt.tracking.follow import follow_runs, look_once
from alpha_dimt.tracking.live import read_live
from alpha_dimt.tracking.place import opened
from alpha_dimt.tracking.store import create_database
from alpha_dimt.tracking.upload import track_runs


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    create_database(path)
    return path


class Training:
    """A run whose training the test advances, and what MLflow shows of it."""

    def __init__(self, results: Path, database: Path) -> None:
        self.results, self.states = results, results / "state"
        self.folder = make_run(results, "alpha0.5", 1)
        self.finished = results.parent / "finished"
        shutil.move(self.folder, self.finished)
        shutil.copy(database, results.parent / "mlflow.db")
        self.uri = f"sqlite:///{results.parent / 'mlflow.db'}"
        key = read_json(self.finished / "run.json")["run_key"]
        self.state = self.states / f"{key}-0123456789abcdef"
        self.folder.mkdir()
        shutil.copy(self.finished / "config.json", self.folder)

    def runs_to(self, epoch: int, later: int = 0) -> None:
        """Write the checkpoint after an epoch, as this process; epochs may all be later."""
        lines = (self.finished / "metrics.jsonl").read_text().splitlines()[:epoch]
        records = [json.loads(line) for line in lines]
        for record in records:
            record["time_ms"] += later
        self.state.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(record) + "\n" for record in records)
        (self.state / "metrics.jsonl").write_text(text)
        (self.state / "lock").write_text(f"process {os.getpid()} on {platform.node()}\n")
        write_json(self.state / f"{epoch + 1:08d}/state.json", {"started_ms": START})

    def stops(self) -> None:
        """Let the process that trains be one that is no more."""
        process = subprocess.Popen(["true"])
        process.wait()
        (self.state / "lock").write_text(f"process {process.pid} on {platform.node()}\n")

    def finishes(self) -> None:
        """Write the results, as the training and the scoring would."""
        self.stops()
        shutil.copytree(self.finished, self.folder, dirs_exist_ok=True)

    def look(self) -> None:
        with self.place() as place:
            look_once(place, self.results, self.states)

    def track(self) -> None:
        track_runs(
            [self.folder], uri=self.uri, experiment="toy", receipt=self.results / "tracking.json"
        )

    def place(self) -> Any:
        return opened(self.uri, "toy", results=self.results, receipt=self.results / "tracking.json")

    def runs(self) -> list[Any]:
        with self.place() as place:
            return list(place.runs("tags.kind = 'run'"))

    def epochs(self) -> list[tuple[int, int, float]]:
        """Step, time and value of every point of a metric of the only run."""
        (run,) = self.runs()
        with self.place() as place:
            history = place.client.get_metric_history(run.info.run_id, "valid_bleu_greedy")
        return [(point.step, point.timestamp, point.value) for point in history]


@pytest.fixture
def training(tmp_path: Path, database: Path) -> Training:
    return Training(tmp_path / "results/toy", database)


def points(*epochs: int, later: int = 0) -> list[tuple[int, int, float]]:
    return [(epoch, START + 1000 * epoch + later, 57.0 + epoch) for epoch in epochs]


def test_a_training_has_a_point_an_epoch_and_ends(training: Training) -> None:
    training.look()
    assert training.runs() == []
    training.runs_to(1)
    training.look()
    (run,) = training.runs()
    assert (run.info.status, run.info.run_name) == ("RUNNING", "alpha0.5 seed1")
    assert (run.info.start_time, run.info.end_time) == (START, None)
    assert (run.data.tags["alpha"], run.data.params["objective.alpha"]) == ("0.5", "0.5")
    assert training.epochs() == points(1)
    training.runs_to(EPOCHS)
    training.look()
    training.look()
    assert training.epochs() == points(1, 2, 3)
    training.finishes()
    training.look()
    (ended,) = training.runs()
    assert (ended.info.run_id, ended.info.status) == (run.info.run_id, "FINISHED")
    assert ended.info.end_time == START + 5000
    assert training.epochs() == points(1, 2, 3)


@pytest.mark.parametrize("missed", [False, True])
def test_track_takes_the_run_over(training: Training, missed: bool) -> None:
    training.runs_to(2)
    training.look()
    (followed,) = training.runs()
    training.finishes()
    if not missed:
        training.look()
    training.track()
    (tracked,) = training.runs()
    assert tracked.info.run_id == followed.info.run_id
    assert tracked.info.status == "FINISHED"
    assert (tracked.info.start_time, tracked.info.end_time) == (START, START + 5000)
    assert tracked.data.tags["upload_sha"] == tracked.data.tags["upload_begun"]
    assert tracked.data.tags["code_version"] == "0.1.0"
    assert tracked.data.metrics["test_bleu_beam"] == 60.0
    assert "mlflow.parentRunId" in tracked.data.tags
    assert training.epochs() == points(1, 2, 3)
    # Neither of them has anything left to do.
    training.look()
    training.track()
    (after,) = training.runs()
    assert after.to_dictionary() == tracked.to_dictionary()


def test_what_was_tracked_and_then_changed_is_not_taken_for_followed(training: Training) -> None:
    training.runs_to(2)
    training.look()
    training.finishes()
    training.track()
    (before,) = training.runs()
    scores = training.folder / "scores/test.beam.json"
    scores.write_text(scores.read_text().replace("60.0", "61.0"))
    training.track()
    (after,) = training.runs()
    assert after.info.run_id != before.info.run_id
    assert after.data.metrics["test_bleu_beam"] == 61.0


@pytest.mark.parametrize("gone", [False, True])
def test_a_training_that_stopped_is_killed_until_it_is_resumed(
    training: Training, gone: bool
) -> None:
    training.runs_to(1)
    training.look()
    training.stops()
    if gone:  # Snakemake removes them
        shutil.rmtree(training.folder)
    training.look()
    (run,) = training.runs()
    assert run.info.status == "KILLED"
    training.folder.mkdir(exist_ok=True)
    shutil.copy(training.finished / "config.json", training.folder)
    training.runs_to(2)
    training.look()
    (resumed,) = training.runs()
    assert (resumed.info.run_id, resumed.info.status) == (run.info.run_id, "RUNNING")
    assert training.epochs() == points(1, 2)


@pytest.mark.parametrize("by", ["look", "track"])
def test_a_training_from_the_beginning_is_another_run(training: Training, by: str) -> None:
    training.runs_to(2, later=-500)
    training.look()
    (old,) = training.runs()
    if by == "look":
        training.runs_to(1)
        training.look()
        assert training.epochs() == points(1)
    else:
        training.finishes()
        training.track()
        assert training.epochs() == points(1, 2, 3)
    (new,) = training.runs()
    assert new.info.run_id != old.info.run_id


def test_what_ended_before_is_left_to_track(training: Training) -> None:
    training.runs_to(2)
    training.stops()
    training.look()
    assert training.runs() == []
    training.finishes()
    training.look()
    assert training.runs() == []


def test_a_damaged_file_is_a_warning(
    training: Training, capsys: pytest.CaptureFixture[str]
) -> None:
    training.runs_to(1)
    (training.state / "metrics.jsonl").write_text("{")
    training.look()
    assert "metrics.jsonl:1: this is not a record of an epoch" in capsys.readouterr().out


def test_a_training_on_another_machine_counts_as_running(training: Training) -> None:
    training.runs_to(1)
    (training.state / "lock").write_text("process 1 on elsewhere\n")
    live = read_live(training.folder, training.states)
    assert live is not None
    assert live.status == "RUNNING"


def test_checkpoints_of_other_data_are_not_those_of_the_training(training: Training) -> None:
    training.runs_to(1)
    other = training.states / training.state.name.replace("0123456789abcdef", "0" * 16)
    training.state.rename(other)
    (other / "lock").unlink()
    training.runs_to(2)
    live = read_live(training.folder, training.states)
    assert live is not None
    assert (live.status, max(point.step for point in live.epochs)) == ("RUNNING", 2)


def test_it_looks_until_it_is_interrupted(
    training: Training, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:  # the server is down meanwhile
            Path(training.uri.removeprefix("sqlite:///")).write_bytes(b"no database")
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    training.runs_to(1)
    arguments: Any = {"states": training.states, "uri": training.uri, "experiment": "toy"}
    with pytest.raises(KeyboardInterrupt):
        follow_runs(training.results, **arguments, seconds=3)
    assert slept == [3, 3, 3]
    assert "this is not a database that MLflow can use" in capsys.readouterr().out
    with pytest.raises(UserError, match="this is not a database"):
        follow_runs(training.results, **arguments)
