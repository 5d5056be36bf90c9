"""docs/tutorials/own_experiment.ipynb runs in an empty folder, and is stored with its outputs."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alpha_dimt import results

NOTEBOOK = Path(__file__).parents[2] / "docs/tutorials/own_experiment.ipynb"
# In a process of its own: its event loop and that of a browser do not get along.
EXECUTE = """
import sys
import nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, resources={"metadata": {"path": sys.argv[2]}}).execute()
"""


@pytest.fixture(scope="module")
def stored() -> list[dict[str, Any]]:
    """The cells with code."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_it_was_executed_from_first_to_last(stored: list[dict[str, Any]]) -> None:
    assert [cell["execution_count"] for cell in stored] == list(range(1, len(stored) + 1))


def test_its_outputs_are_stored(stored: list[dict[str, Any]]) -> None:
    kinds = {
        kind for cell in stored for output in cell["outputs"] for kind in output.get("data", {})
    }
    assert {"image/svg+xml", "text/html"} <= kinds
    assert NOTEBOOK.stat().st_size < 200_000


def test_it_names_no_folder_of_the_machine_that_executed_it() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert [
        folder
        for folder in ("/home/", "/root/", "/tmp/", str(NOTEBOOK.parents[2]))
        if folder in text
    ] == []


@pytest.mark.slow
def test_it_runs_in_an_empty_folder(tmp_path: Path) -> None:
    reason = "nbclient or ipykernel is not installed: pip install -e '.[docs]'"
    pytest.importorskip("ipykernel", reason=reason)
    pytest.importorskip("nbclient", reason=reason)
    result = subprocess.run(
        [sys.executable, "-c", EXECUTE, NOTEBOOK, tmp_path],
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert result.returncode == 0, result.stderr
    study = results.load(tmp_path / "own_experiment/results/own")
    runs = list(zip(study.runs["system"], study.runs["seed"], strict=True))
    assert runs == [("ml", 1), ("ml", 2), ("alpha0.5", 1), ("alpha0.5", 2)]
