"""`make ui` where it cannot serve."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def ui(repository: Path, folder: Path, port: object) -> subprocess.CompletedProcess[str]:
    """Start it with the environment here, whatever the dates of its files."""
    shutil.copy(repository / "Makefile", folder)
    for lock in ("requirements.lock", "requirements-torch.lock"):
        (folder / lock).touch()
    command = ["make", f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.installed", "ui", f"PORT={port}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_before_the_workflow(repository: Path, tmp_path: Path):
    result = ui(repository, tmp_path, 5000)
    assert result.returncode != 0
    assert "run the workflow first (make run)" in result.stderr


@pytest.mark.parametrize("port", [None, "99999", "http"])
def test_a_port_that_cannot_be_used(repository: Path, tmp_path: Path, port: str | None):
    (tmp_path / "results").mkdir()
    (tmp_path / "results/mlflow.db").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        name = port or taken.getsockname()[1]
        result = ui(repository, tmp_path, name)

    assert result.returncode != 0
    assert f"port {name} cannot be used (" in result.stderr
    assert "name another: make ui PORT=5001" in result.stderr
    assert "Traceback" not in result.stderr
