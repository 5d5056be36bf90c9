"""What would fail at the end of an experiment ends it at its start, with one sentence."""

import dataclasses
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

ML = {"systems": {"ml": {"objective": "ml"}}}
TINY = {"corpus": {"kind": "toy", "train": 40, "valid": 4, "test": 4}, **ML}


def someone_elses_database(workflow) -> Path:
    """Put the database of another application where MLflow's would be."""
    path = workflow.folder / "results/mlflow.db"
    path.parent.mkdir(exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE notes (text)")
    connection.close()
    return path


def started(result: subprocess.CompletedProcess[str]) -> bool:
    return "rule fetch:" in result.stdout + result.stderr


def errors(result: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in result.stderr.splitlines() if "rror" in line]


@pytest.mark.parametrize("profile", [True, False])
def test_a_database_that_cannot_be_used_stops_the_workflow(make_workflow, profile: bool):
    workflow = make_workflow(TINY)
    database = someone_elses_database(workflow)
    before = database.read_bytes()
    command = workflow.command
    if not profile:
        at = command.index("--workflow-profile")
        del command[at : at + 2]

    result = subprocess.run(command, capture_output=True, text=True)

    assert result.returncode == 1
    [line] = errors(result)
    assert line.startswith("Error: results/mlflow.db: this is not a database that MLflow can use")
    assert "Traceback" not in result.stderr
    assert not started(result)
    assert database.read_bytes() == before
    # No lock stays behind.
    assert workflow.run("data").returncode == 0


def test_ctrl_c_during_the_check(
    make_workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check is made to wait, and tells when it does."""
    waits = tmp_path / "waits"
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'check-tracking' in sys.orig_argv:\n"
        f"    import pathlib, time; pathlib.Path({str(waits)!r}).touch(); time.sleep(600)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    workflow = make_workflow(TINY)
    said = tmp_path / "said"
    with said.open("w") as file:
        process = subprocess.Popen(
            workflow.command,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
        )
        while not waits.exists():
            assert process.poll() is None, said.read_text()
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=120) == 130

    assert said.read_text().splitlines()[-1] == "interrupted"
    assert "Traceback" not in said.read_text()
    monkeypatch.delenv("PYTHONPATH")
    # Nothing must be unlocked.
    assert workflow.run("data").returncode == 0


def test_what_does_not_track_or_does_nothing_is_not_checked(make_workflow):
    workflow = make_workflow(TINY)
    someone_elses_database(workflow)

    assert workflow.planned()["track"] == 1
    assert workflow.run("--unlock").returncode == 0
    assert workflow.run("data").returncode == 0
    nothing = workflow.run("data")
    assert "Nothing to be done" in nothing.stdout + nothing.stderr
    assert not (workflow.folder / "results/.mlflow.db.lock").exists()


@pytest.mark.slow
def test_a_finished_workflow_is_not_checked(finished, tmp_path: Path):
    shutil.copytree(finished.folder, tmp_path / "copy")
    workflow = dataclasses.replace(finished, folder=tmp_path / "copy")
    (workflow.folder / "results/mlflow.db").unlink()
    someone_elses_database(workflow)

    result = workflow.run()

    assert result.returncode == 0
    assert "Nothing to be done" in result.stdout + result.stderr


def test_a_disk_that_cannot_hold_the_weights(make_workflow):
    million = {"embedding": 20_000, "hidden": 20_000}
    workflow = make_workflow({**TINY, "model": million, "seeds": list(range(1000))})

    result = workflow.run()

    assert result.returncode == 1
    assert not started(result)
    [line] = [line for line in result.stderr.splitlines() if "the weights of 1,000 runs" in line]
    assert "make room, or train fewer or smaller models" in line
