import subprocess
from pathlib import Path

import pytest

from alpha_dimt import __version__
from alpha_dimt.training import run
from alpha_dimt.training.run import code_version, collapsed


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"ess": 1.01, "ess_fraction": 1.01 / 128}, True),
        ({"ess": 40.0, "ess_fraction": 40 / 128}, False),
        # A group of one candidate has nothing to collapse.
        ({"ess": 1.0, "ess_fraction": 1.0}, False),
        ({"train_loss": 3.0}, False),
        # A custom objective may report one of the two.
        ({"ess_fraction": 0.01}, False),
        ({"ess": 1.0}, False),
    ],
)
def test_collapsed_weights_are_told_from_a_single_candidate(
    metrics: dict[str, float], expected: bool
) -> None:
    assert collapsed(metrics) is expected


def test_a_copy_inside_another_project_has_not_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert code_version().startswith(f"{__version__}+g")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "theirs"], check=True)
    (tmp_path / "run.py").touch()
    monkeypatch.setattr(run, "__file__", str(tmp_path / "run.py"))
    assert code_version() == __version__
