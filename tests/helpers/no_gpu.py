"""Real GPUs are hidden from all tests but those of `pytest -m gpu`."""

import os

VARIABLES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


def only_gpu_tests(expression: str) -> bool:
    """Return whether a `-m` expression selects tests marked `gpu` and no others."""
    return " or " not in expression and "gpu" in expression.split(" and ")


def hide_gpus(expression: str) -> None:
    """Hide them from this process and all that it starts, unless only tests for them will run.

    CUDA reads the environment once a process, so that tests of both kinds cannot share one.
    """
    if not only_gpu_tests(expression):
        os.environ.update(dict.fromkeys(VARIABLES, ""))
