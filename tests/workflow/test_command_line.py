"""The examples of `alpha-dimt --help`, run where the workflow has run."""

import os
import shutil
import subprocess
import sys

import pytest

from alpha_dimt.cli.group import TOUR

pytestmark = pytest.mark.slow

EXAMPLES = {name: example for stage in TOUR.values() for name, example in stage.items()}
# These take long, and run elsewhere: two inside the workflow, `run` in test_installed.py.
LONG = {"train", "track", "run"}


@pytest.fixture(scope="module")
def results(finished, tmp_path_factory: pytest.TempPathFactory):
    """A copy of the finished results, to write into."""
    folder = tmp_path_factory.mktemp("tour") / "results"
    shutil.copytree(finished.folder / "results", folder)
    new = [sys.executable, "-m", "alpha_dimt", "new", "mine"]
    subprocess.run(new, cwd=folder / "toy", check=True)
    return folder / "toy"


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - LONG))
def test_an_example_works(results, name: str):
    if name == "new":
        shutil.rmtree(results / "mine")
    command = f"{sys.executable} -m alpha_dimt {name} {EXAMPLES[name]}"
    result = subprocess.run(
        ["bash", "-c", command],
        cwd=results,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    words = EXAMPLES[name].split()
    if "--out" in words:
        out = results / words[words.index("--out") + 1]
        assert any(out.parent.glob(f"{out.name}*"))
    elif name != "check-tracking":  # says what is wrong, and nothing else
        assert result.stdout


@pytest.mark.parametrize("name", ["table", "significance"])
def test_a_table_takes_no_heavy_library_but_pandas(results, name: str):
    result = subprocess.run(
        ["bash", "-c", f"{sys.executable} -X importtime -m alpha_dimt {name} {EXAMPLES[name]}"],
        cwd=results,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert result.returncode == 0, result.stderr
    loaded = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "alpha_dimt.tables.table" in loaded
    assert not loaded & {"torch", "scipy.stats", "scipy.optimize", "mlflow"}


def test_as_many_lines_come_out_as_went_in(results):
    text = (results / "data/raw/test.de").read_bytes()
    result = subprocess.run(
        [sys.executable, "-m", "alpha_dimt", "translate", "--run", "runs/ml/seed1"],
        cwd=results,
        input=text,
        capture_output=True,
        timeout=300,
    )

    assert result.returncode == 0, result.stderr
    assert result.stdout.count(b"\n") == text.count(b"\n") == 20
