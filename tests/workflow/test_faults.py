"""What the workflow does when something around it fails."""

import contextlib
import dataclasses
import fcntl
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from small_disk import SmallDisk

from alpha_dimt.runs.paths import state_of

pytestmark = pytest.mark.slow

DEAD = 'tracking={"uri": "http://127.0.0.1:9"}'
FILES = ["tables/table1.csv", "tables/table1.md", "figures/learning_curves.svg"]


@pytest.mark.parametrize("profile", [True, False])
def test_a_tracking_server_that_is_down_costs_no_table_and_no_figure(
    finished, tmp_path: Path, profile: bool
):
    shutil.copytree(finished.folder, tmp_path / "copy")
    workflow = dataclasses.replace(finished, folder=tmp_path / "copy")
    results = workflow.folder / "results/toy"
    shutil.rmtree(results / "tables")
    shutil.rmtree(results / "figures")
    # The last checkpoint of a finished run, whose end Snakemake may not have recorded.
    left = state_of(results / "runs/ml/seed1", results / "state")
    left.mkdir(parents=True)
    command = workflow.command
    if not profile:
        at = command.index("--workflow-profile")
        del command[at : at + 2]
        command[command.index("--cores") + 1] = "1"

    start = time.monotonic()
    result = subprocess.run([*command, "--config", DEAD], capture_output=True, text=True)

    assert result.returncode != 0
    assert time.monotonic() - start < 180  # MLflow by itself tries for four minutes
    # Said once, at the start, and by no job.
    assert result.stderr.count("warning: MLflow at http://127.0.0.1:9 cannot be reached now") == 1
    log = (results / "logs/track.log").read_text(encoding="utf-8").splitlines()
    [sentence] = [line for line in log if line.startswith("Error: ")]
    assert "MLflow at http://127.0.0.1:9 cannot be used" in sentence
    assert "Traceback" not in "".join(log)
    for name in FILES:
        assert (results / name).read_bytes() == (
            finished.folder / "results/toy" / name
        ).read_bytes()

    assert left.exists()

    # Once it is there again (here: another place), tracking alone is left to do.
    assert workflow.planned().keys() == {"track", "all"}


def test_two_at_once_and_a_killed_one(make_workflow):
    workflow = make_workflow({"corpus": {"kind": "toy"}, "systems": {"ml": {"objective": "ml"}}})
    first = subprocess.Popen(
        [*workflow.command, "data"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        raw = workflow.folder / "results/toy/data/config.json"
        while first.poll() is None and not raw.exists():
            time.sleep(0.01)
        os.killpg(first.pid, signal.SIGSTOP)  # in the midst of `fetch`, however fast that is
        second = workflow.run("data")
        assert second.returncode != 0
        assert "Directory cannot be locked" in second.stderr
        assert first.poll() is None
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()

    # Its lock is still there; only a person knows that nothing works here any more.
    refused = workflow.run("data")
    assert refused.returncode != 0
    assert "--unlock" in refused.stderr
    assert workflow.run("--unlock").returncode == 0
    again = workflow.run("data")
    assert again.returncode == 0, again.stdout + again.stderr
    assert workflow.planned("data") == {}
    assert not list((workflow.folder / "results/toy/data").rglob("*.tmp"))


def test_snakemake_alone_is_killed_and_a_training_outlives_it(finished, tmp_path: Path):
    shutil.copytree(finished.folder, tmp_path / "copy")
    workflow = dataclasses.replace(finished, folder=tmp_path / "copy")
    results, run = workflow.folder / "results/toy", "runs/alpha0.5/seed1"
    shutil.rmtree(results / run)
    first = subprocess.Popen(workflow.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    training = 0
    try:
        while first.poll() is None and not list(results.glob("state/*/metrics.jsonl")):
            time.sleep(0.005)
        [lock] = results.glob("state/*/lock")
        training = int(lock.read_text(encoding="utf-8").split()[1])
        os.kill(training, signal.SIGSTOP)  # after its first epoch
        first.kill()
        first.wait()
        assert not (results / run / "run.json").exists()

        # The next workflow leaves it alone.
        assert workflow.run("--unlock").returncode == 0
        refused = workflow.run()
        assert refused.returncode != 0
        assert re.search(f"process {training} on .* is already training this run", refused.stderr)

        with lock.open(encoding="utf-8") as file:
            os.kill(training, signal.SIGCONT)
            fcntl.flock(file, fcntl.LOCK_EX)  # waits until it has ended
    finally:
        first.kill()
        with contextlib.suppress(ProcessLookupError):
            os.kill(training or first.pid, signal.SIGKILL)

    # It has come to its end meanwhile: nothing is trained twice.
    again = workflow.run()
    assert again.returncode == 0, again.stderr
    log = (results / "logs/train.alpha0.5.seed1.log").read_text(encoding="utf-8")
    assert "resuming after epoch 2, batch 0" in log
    assert "\nepoch" not in log
    for name in (f"{run}/best.safetensors", f"{run}/hypotheses/test.beam.txt", FILES[0]):
        expected = finished.folder / "results/toy" / name
        assert (results / name).read_bytes() == expected.read_bytes()
    assert not list((results / "state").iterdir())


def test_a_folder_that_cannot_be_written_to(make_workflow, small_disk: SmallDisk):
    workflow = make_workflow({"corpus": {"kind": "toy"}, "systems": {"ml": {"objective": "ml"}}})
    workflow = dataclasses.replace(workflow, folder=small_disk.folder)
    small_disk.read_only()

    result = workflow.run("data")

    assert result.returncode != 0
    assert "Read-only file system" in result.stderr, result.stderr
