"""Which GPUs an environment gives: schedulers, users and containers say it differently."""

import pytest

from alpha_dimt.machine.given import Given, Job, given_devices, job_of


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("", ()),
        ("-1", ()),
        ("NoDevFiles", ()),  # SLURM's, in a job that asked for no GPU
        ("none", ()),
        ("0", ("0",)),
        ("2, 0", ("2", "0")),
        ("GPU-8f3a,GPU-11c0", ("GPU-8f3a", "GPU-11c0")),
        ("0,-1,1", ("0",)),
        ("0,,1", ("0",)),
        ("cuda:0", ("cuda:0",)),  # a mistake; PyTorch sees no such device, which is then said
    ],
)
def test_the_environment_chooses_as_cuda_reads_it(value: str, names: tuple[str, ...]) -> None:
    assert given_devices({"CUDA_VISIBLE_DEVICES": value}).devices == names


@pytest.mark.parametrize(
    ("environment", "job"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "12"}, Job("SLURM", "12")),
        ({"PBS_JOBID": "12.server"}, Job("PBS", "12.server")),
        ({"LSB_JOBID": "12"}, Job("LSF", "12")),
        ({"JOB_ID": "12", "SGE_O_HOST": "login1"}, Job("Grid Engine", "12")),
        ({"JOB_ID": "12"}, None),  # many programs set that
        ({"SLURM_CONF": "/etc/slurm/slurm.conf"}, None),
    ],
)
def test_a_job_is_told_by_what_only_jobs_have(environment: dict[str, str], job: Job | None) -> None:
    assert job_of(environment) == job


def test_outside_a_scheduler_the_choice_is_open() -> None:
    assert given_devices({}) == Given(None)


@pytest.mark.parametrize(
    "job",
    [
        {"SLURM_JOB_ID": "1"},
        {"PBS_JOBID": "1"},
        {"LSB_JOBID": "1"},
        {"JOB_ID": "1", "SGE_O_HOST": "login1"},
    ],
)
def test_a_job_that_was_given_no_gpu_takes_none(job: dict[str, str]) -> None:
    assert given_devices(job).devices == ()
    assert given_devices(job | {"CUDA_VISIBLE_DEVICES": "3"}).devices == ("3",)


def test_slurm_may_give_a_gpu_without_naming_it() -> None:
    job = {"SLURM_JOB_ID": "1", "SLURM_GPUS_ON_NODE": "2"}
    assert given_devices(job).unnamed == 2
    assert given_devices(job | {"CUDA_VISIBLE_DEVICES": "0,1"}).unnamed == 0
    assert given_devices({"SLURM_JOB_ID": "1", "SLURM_GPUS_ON_NODE": "0"}).unnamed == 0


def test_amds_variables_count_for_a_rocm_build_alone() -> None:
    environment = {"SLURM_JOB_ID": "1", "ROCR_VISIBLE_DEVICES": "2"}
    assert given_devices(environment).devices == ()
    found = given_devices(environment, rocm=True)
    assert (found.devices, found.variable) == (("2",), "ROCR_VISIBLE_DEVICES")
