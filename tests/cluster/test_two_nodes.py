"""The workflow on a SLURM of two nodes that keeps accounts: whom it charges, and a node that dies.

The profile is adapted to the site as docs/how-to/cluster.md tells users to.
"""

import csv
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from slurm_cluster import ACCOUNT, Accounted, Slurm, wait_until_idle
from slurm_runs import REQUESTS, Runs, finish

PAIR = ("undisturbed", "same")


@pytest.fixture(scope="module")
def site(repository: Path) -> dict[str, dict[str, Any]]:
    """The three lines of a site, as printed for users."""
    page = (repository / "docs/how-to/cluster.md").read_text(encoding="utf-8")
    [block, *_] = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    lines: dict[str, dict[str, Any]] = yaml.safe_load(block)
    return lines


def adapted(repository: Path, folder: Path, site: dict[str, Any], **instead: str) -> Runs:
    """Return runs through the project's profile with the lines of a site, or something instead."""
    profile = repository / "workflow/profiles/slurm/config.yaml"
    values = yaml.safe_load(profile.read_text(encoding="utf-8"))
    values["default-resources"] |= site["default-resources"] | instead
    path = folder / "-".join(["profile", *instead]) / "config.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    # On the command line, as what is said there hides the profile's.
    requests = [f"train:{key}={value}" for key, value in site["set-resources"]["train"].items()]
    return Runs(repository, folder, path.parent, (*REQUESTS, *requests))


@dataclass(frozen=True)
class Finished:
    """The whole workflow: where, what Snakemake said, and what the database has of its jobs."""

    runs: Runs
    output: str
    jobs: list[Accounted]


@pytest.fixture(scope="module")
def finished(
    two_nodes: Slurm,
    repository: Path,
    site: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Finished:
    """The whole workflow with two runs at a time, from nothing to its tables."""
    runs = adapted(repository, tmp_path_factory.mktemp("on-two-nodes"), site)
    process = runs.start("all", PAIR)
    output = finish(process, timeout=900)
    assert process.returncode == 0, output
    return Finished(runs, output, two_nodes.accounted())


def training(name: str) -> str:
    return f"rule_train_wildcards_toy_{name}_1"


def test_from_nothing_to_the_table(finished: Finished):
    table = finished.runs.folder / "results/toy/tables/table1.csv"
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))

    assert {row["system"] for row in rows if row["source"] == "this run"} == set(PAIR)


def test_two_trainings_share_no_node_and_end_alike(finished: Finished):
    nodes = {job.name: job.node for job in finished.jobs if "train_wildcards" in job.name}

    assert nodes.keys() == {training(name) for name in PAIR}
    assert set(nodes.values()) == {"node0", "node1"}
    assert finished.runs.result(PAIR[0]) == finished.runs.result(PAIR[1])


def test_the_database_lists_every_job_with_its_account_and_gpus(finished: Finished):
    submitted = re.findall(r"submitted with SLURM jobid (\d+)", finished.output)
    gpus = [re.findall(r"gres/gpu=(\d+)", job.resources) for job in finished.jobs]
    trains = [job.name in {training(name) for name in PAIR} for job in finished.jobs]

    assert sorted(job.job for job in finished.jobs) == sorted(submitted)
    assert {(job.account, job.state) for job in finished.jobs} == {(ACCOUNT, "COMPLETED")}
    assert gpus == [["1"] if one else [] for one in trains]
    assert [job.partition for job in finished.jobs] == ["gpu" if one else "cpu" for one in trains]


def test_a_training_for_an_account_that_does_not_exist_is_refused(
    two_nodes: Slurm, repository: Path, site: dict[str, Any], finished: Finished
):
    before = two_nodes.accounted()
    folder = finished.runs.folder
    unpaid = adapted(repository, folder, site, slurm_account="nobodys")
    process = unpaid.start("models", ("unpaid",))
    output = finish(process, timeout=60)

    assert process.returncode == 1
    assert "The given account nobodys appears to be invalid. Available accounts:" in output
    assert two_nodes.accounted() == before
    assert not (folder / "results/toy/runs/unpaid").exists()


def test_jobs_that_share_one_wait_for_ever_for_an_account_that_does_not_exist(
    two_nodes: Slurm, repository: Path, site: dict[str, Any], tmp_path: Path
):
    # Plugin 2.8.0 fails to tell. If this fails, it does tell: change docs/how-to/cluster.md.
    before = two_nodes.accounted()
    unpaid = adapted(repository, tmp_path, site, slurm_account="nobodys")
    process = unpaid.start("all", ("unpaid",))
    assert process.stdout
    heard = ""
    try:
        while "Group job data" not in heard:
            heard = process.stdout.readline()
            assert heard, "Snakemake has ended"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        process.send_signal(signal.SIGINT)
    finally:
        output = finish(process, timeout=60)

    assert process.returncode == 1
    assert "account nobodys" not in output
    assert two_nodes.accounted() == before


def test_jobs_that_share_one_are_refused_without_a_reason(
    repository: Path, two_nodes: Slurm, site: dict[str, Any], tmp_path: Path
):
    # Snakemake 9.27 does not print it. If this fails, it does: change docs/how-to/cluster.md.
    before = two_nodes.accounted()
    lost = adapted(repository, tmp_path, site, slurm_partition="nowhere")
    process = lost.start("all", ("lost",), "--retries", "0")
    output = finish(process, timeout=60)

    assert process.returncode == 1
    assert "Error in group data" in output
    assert "invalid partition specified" not in output
    assert two_nodes.accounted() == before


def test_sbatch_tells_whether_an_account_is_right(two_nodes: Slurm, repository: Path):
    # What docs/how-to/cluster.md advises to try first.
    def told(account: str) -> subprocess.CompletedProcess[str]:
        command = f"sbatch --test-only --account {account} --partition cpu --wrap true"
        page = (repository / "docs/how-to/cluster.md").read_text(encoding="utf-8")
        assert command.replace(account, ACCOUNT) in page
        return subprocess.run(command.split(), capture_output=True, text=True)

    assert told(ACCOUNT).returncode == 0
    wrong = told("nobodys")
    assert wrong.returncode == 1
    assert "Invalid account or account/partition combination specified" in wrong.stderr


# What befalls the node of a training.
def died(slurm: Slurm, node: str) -> None:
    slurm.nodes[node].stop()


def downed(slurm: Slurm, node: str) -> None:
    slurm.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")


FAULTS: dict[str, Callable[[Slurm, str], None]] = {
    fault.__name__: fault for fault in (died, downed)
}


@pytest.fixture(scope="module")
def disturbed(two_nodes: Slurm, finished: Finished) -> dict[str, list[Accounted]]:
    """Trainings whose node failed after their second epoch: their jobs, by name."""
    runs = finished.runs
    process = runs.start("models", tuple(FAULTS))
    stopped: set[str] = set()
    while process.poll() is None and len(stopped) < len(FAULTS):
        time.sleep(0.05)
        for name in FAULTS.keys() - stopped:
            if "\nepoch 2:" in runs.log(name):
                os.kill(runs.process(name), signal.SIGSTOP)
                stopped.add(name)
    running = two_nodes.run("squeue", "--noheader", "--states=RUNNING", "--format=%k %N")
    nodes = dict(line.split() for line in running.splitlines())
    for name, fault in FAULTS.items():
        fault(two_nodes, nodes[training(name)])
    output = finish(process, timeout=600)
    assert process.returncode == 0, output
    two_nodes.nodes[nodes[training("died")]].start()
    wait_until_idle(two_nodes)
    jobs = two_nodes.accounted()
    return {name: [job for job in jobs if job.name == training(name)] for name in FAULTS}


@pytest.mark.parametrize("name", FAULTS)
def test_a_training_whose_node_fails_ends_like_the_undisturbed(
    finished: Finished, disturbed: dict[str, list[Accounted]], name: str
):
    assert "\nresuming after epoch 2" in finished.runs.log(name)
    assert finished.runs.result(name) == finished.runs.result("undisturbed")


@pytest.mark.parametrize("name", FAULTS)
def test_slurm_puts_what_ran_on_a_failed_node_back_into_the_queue(
    disturbed: dict[str, list[Accounted]], name: str
):
    first, second = disturbed[name]

    assert (first.state, second.state) == ("NODE_FAIL", "COMPLETED")
    assert first.job == second.job
    assert (first.account, second.account) == (ACCOUNT, ACCOUNT)


def test_a_dead_node_gets_nothing_again(disturbed: dict[str, list[Accounted]]):
    first, second = disturbed["died"]

    assert {first.node, second.node} == {"node0", "node1"}
