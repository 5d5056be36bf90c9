"""Which GPUs this process was given, according to its environment."""

from collections.abc import Mapping
from dataclasses import dataclass

VISIBLE = "CUDA_VISIBLE_DEVICES"
AMD_VISIBLE = ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
"""What a ROCm build of PyTorch heeds as well."""

# Written where a list of devices is expected, they mean none; the first is SLURM's.
NO_DEVICE = ("", "NoDevFiles", "none", "void")

# Variables that only a scheduler's job has. `JOB_ID` alone is set by other programs too.
SCHEDULERS = {
    "SLURM": ("SLURM_JOB_ID",),
    "PBS": ("PBS_JOBID",),
    "LSF": ("LSB_JOBID",),
    "Grid Engine": ("JOB_ID", "SGE_O_HOST"),
}


@dataclass(frozen=True)
class Job:
    """A job of a scheduler."""

    scheduler: str
    number: str

    def __str__(self) -> str:
        return f"{self.scheduler} job {self.number}"


@dataclass(frozen=True)
class Given:
    """The GPUs that a process may use.

    Attributes:
        devices: names of the devices; None if the environment leaves the choice open.
        variable: environment variable that names them, or would.
        job: job that the process belongs to; None outside a scheduler.
        unnamed: number of GPUs that the scheduler gave without naming them.
    """

    devices: tuple[str, ...] | None
    variable: str = VISIBLE
    job: Job | None = None
    unnamed: int = 0


def job_of(environment: Mapping[str, str]) -> Job | None:
    """Return the scheduler's job that a process belongs to, if any."""
    for scheduler, names in SCHEDULERS.items():
        if all(environment.get(name) for name in names):
            return Job(scheduler, environment[names[0]])
    return None


def given_devices(environment: Mapping[str, str], *, rocm: bool = False) -> Given:
    """Return the GPUs that the environment gives.

    Inside a scheduler, a GPU that no variable names belongs to somebody else.

    Args:
        environment: environment of the process.
        rocm: whether PyTorch is built for AMD's GPUs.
    """
    job = job_of(environment)
    for variable in (VISIBLE, *(AMD_VISIBLE if rocm else ())):
        if variable in environment:
            return Given(_named(environment[variable]), variable, job)
    if job is None:
        return Given(None)
    count = environment.get("SLURM_GPUS_ON_NODE", "0")
    return Given((), job=job, unnamed=int(count) if count.isdecimal() else 0)


def _named(value: str) -> tuple[str, ...]:
    names = [name.strip() for name in value.split(",")]
    # As in CUDA, a name that means no device hides all those after it.
    stop = (i for i, name in enumerate(names) if name in NO_DEVICE or name.startswith("-"))
    return tuple(names[: next(stop, len(names))])
