"""The workflow on a real SLURM: what it does there, and what it survives.

All runs of these tests are one training under several names, so that whatever befalls one of them,
it must end like the undisturbed one.
"""

import csv
import os
import re
import signal
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from slurm_cluster import Slurm
from slurm_runs import Runs, finish


@pytest.fixture(scope="module")
def runs(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(repository, tmp_path_factory.mktemp("on-slurm"))


@pytest.fixture(scope="module")
def finished(slurm: Slurm, runs: Runs) -> Runs:
    """The whole workflow with one run, which nothing disturbs, from nothing to its tables."""
    process = runs.start("all", ("undisturbed",))
    output = finish(process)
    assert process.returncode == 0, output
    return runs


def test_from_nothing_to_the_table(finished: Runs):
    table = finished.folder / "results/toy/tables/table1.csv"
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))

    assert [row["system"] for row in rows if row["source"] == "this run"] == ["undisturbed"]
    assert (finished.folder / "results/toy/figures/learning_curves.svg").stat().st_size > 0
    assert (finished.folder / "results/toy/tracking.json").stat().st_size > 0


# What befalls a training. Each gets its SLURM job and its process, which is stopped meanwhile.
def overtime(slurm: Slurm, job: str, process: int) -> None:
    # SLURM looks for jobs that are out of time every 30 seconds.
    slurm.run("scontrol", "update", f"JobId={job}", "EndTime=now")


def cancelled(slurm: Slurm, job: str, process: int) -> None:
    slurm.run("scancel", job)


def killed(slurm: Slurm, job: str, process: int) -> None:
    os.kill(process, signal.SIGKILL)


def preempted(slurm: Slurm, job: str, process: int) -> None:
    # Takes both GPUs away from whoever has them.
    slurm.run("sbatch", "--partition=urgent", "--gpus=2", "--output=/dev/null", "--wrap=sleep 1")


FAULTS: dict[str, Callable[[Slurm, str, int], None]] = {
    fault.__name__: fault for fault in (overtime, cancelled, killed, preempted)
}


@pytest.fixture(scope="module")
def disturbed(slurm: Slurm, finished: Runs) -> dict[str, str]:
    """Trainings that something befell after their second epoch: SLURM's jobs, by name."""
    process = finished.start("models", tuple(FAULTS))
    stopped: dict[str, tuple[str, int]] = {}
    jobs: dict[str, str] = {}
    while process.poll() is None and len(jobs) < len(FAULTS):
        time.sleep(0.05)
        running = slurm.jobs("RUNNING,COMPLETING")
        for name in FAULTS:
            if name not in stopped and "\nepoch 2:" in finished.log(name):
                comment = f"rule_train_wildcards_toy_{name}_1"
                [job] = [job for job, text in running.items() if text == comment]
                stopped[name] = job, finished.process(name)
                os.kill(stopped[name][1], signal.SIGSTOP)
        for name in stopped.keys() - jobs.keys():
            # Preemption would hide that a job was out of time.
            if name == "preempted" and any("overtime" in text for text in running.values()):
                continue
            FAULTS[name](slurm, *stopped[name])
            jobs[name] = stopped[name][0]
    output = finish(process)
    assert process.returncode == 0, output
    assert jobs.keys() == FAULTS.keys(), output
    return jobs


@pytest.mark.parametrize("name", FAULTS)
def test_a_disturbed_training_ends_like_the_undisturbed(
    finished: Runs, disturbed: dict[str, str], name: str
):
    assert "\nresum" in finished.log(name)
    assert finished.result(name) == finished.result("undisturbed")


def test_slurm_saw_what_befell_them(slurm: Slurm, disturbed: dict[str, str]):
    def state(name: str) -> str:
        return slurm.run(
            "squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={disturbed[name]}"
        ).strip()

    assert state("overtime") == "TIMEOUT"
    assert state("cancelled") == "CANCELLED"
    # Put back into the queue by SLURM: the same job came to its end.
    assert state("preempted") == "COMPLETED"


def test_each_training_has_a_gpu_and_shares_it_with_none(
    slurm: Slurm, finished: Runs, disturbed: dict[str, str]
):
    # The undisturbed, four more, two at a time, and what ran again; the urgent job had both GPUs.
    trainings = [one for one in slurm.allocations() if one.gpus and one.gpus != ("0", "1")]

    assert len(trainings) > len(FAULTS) + 1
    assert {training.gpus for training in trainings} == {("0",), ("1",)}
    for one, other in combinations(trainings, 2):
        if one.gpus == other.gpus:
            assert one.end <= other.start or other.end <= one.start


def test_a_gpu_that_pytorch_cannot_use_is_refused(slurm: Slurm, finished: Runs):
    # Asked for by `gres`, as sites without `--gpus` want it. SLURM names the device, which is
    # simulated, so that no PyTorch can use it.
    options = ["--config", "training={device: auto}", "--retries", "0"]
    options += ["--set-resources", "train:gpu=0", "train:gres=gpu:1"]
    process = finished.start("models", ("unusable",), *options)
    finish(process, timeout=120)

    assert process.returncode != 0
    [line] = [line for line in finished.log("unusable").splitlines() if line.startswith("Error")]
    assert re.match("Error: CUDA_VISIBLE_DEVICES=[01]: a GPU was given, but it cannot be", line)


def test_a_disturbed_training_leaves_no_checkpoint(finished: Runs, disturbed: dict[str, str]):
    assert not list((finished.folder / "results/toy/state").iterdir())


def test_a_request_that_no_node_can_satisfy_says_so(slurm: Slurm, finished: Runs):
    process = finished.start("models", ("greedy",), "--set-resources", "train:gpu=3")
    output = finish(process, timeout=60)

    assert process.returncode != 0
    assert "Requested node configuration is not available" in output
    assert "Error in rule train" in output
    assert "--gpus=3" in output


def test_a_time_limit_that_the_partition_forbids_is_told_by_the_queue(slurm: Slurm, finished: Runs):
    # By default SLURM accepts it and lets it wait for ever.
    process = finished.start("models", ("endless",), "--set-resources", "train:runtime=7200")
    queue = ["squeue", "--me", "--noheader", "--states=PENDING", "--format=%k %R"]
    waiting = "rule_train_wildcards_toy_endless_1 (PartitionTimeLimit)"
    try:
        while process.poll() is None and waiting not in slurm.run(*queue):
            time.sleep(0.2)
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGINT)
    finally:
        finish(process, timeout=60)

    assert process.returncode != 0
    assert slurm.run(*queue) == ""
