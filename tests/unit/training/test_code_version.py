import subprocess
from pathlib import Path

import pytest

from alpha_dimt import __version__
from alpha_dimt.training import code_version as module
from alpha_dimt.training.code_version import code_version


def test_a_copy_inside_another_project_has_not_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert code_version().startswith(f"{__version__}+g")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "theirs"], check=True)
    (tmp_path / "run.py").touch()
    monkeypatch.setattr(module, "__file__", str(tmp_path / "run.py"))
    assert code_version() == __version__
