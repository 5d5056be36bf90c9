"""Tests never touch a real GPU by accident: only `pytest -m gpu` sees one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from no_gpu import VARIABLES, only_gpu_tests

VISIBLE = VARIABLES[0]
SEEN = f"import os; print([os.environ.get(name) for name in {VARIABLES}])"


@pytest.mark.parametrize(
    ("expression", "only"),
    [
        ("", False),
        ("not slow", False),  # make test
        ("slow", False),  # make test-slow
        ("gpu", True),
        ("gpu and not slow", True),
        ("not slow and gpu", True),
        ("not gpu", False),
        ("gpu or slow", False),
        ("slow and gpu or slow", False),
    ],
)
def test_an_expression_selects_tests_for_gpus_alone(expression: str, only: bool) -> None:
    assert only_gpu_tests(expression) is only


def test_no_gpu_is_visible_here_nor_in_what_is_started_here() -> None:
    assert os.environ[VISIBLE] == ""
    result = subprocess.run([sys.executable, "-c", SEEN], capture_output=True, text=True)
    assert result.stdout == "['', '']\n"


@pytest.mark.gpu
@pytest.mark.skipif(os.environ.get(VISIBLE) != "7", reason="run by the test below")
def test_a_test_for_gpus_sees_those_that_are_visible() -> None:
    assert os.environ[VISIBLE] == "7"


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [
        (("-m", "gpu"), "1 passed"),
        (("-m", "not slow", "-k", "here or sees"), "1 passed, 1 skipped"),
    ],
)
def test_in_a_test_run_of_its_own(
    repository: Path, arguments: tuple[str, ...], outcome: str
) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, __file__],
        capture_output=True,
        text=True,
        cwd=repository,
        env=os.environ | {VISIBLE: "7", "HIP_VISIBLE_DEVICES": "7"},
    )
    assert outcome in result.stdout
    assert result.returncode == 0
