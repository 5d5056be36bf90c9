import subprocess
import sys
from pathlib import Path

import pytest
import yaml


@pytest.fixture(scope="module")
def profiles(repository: Path) -> dict[str, dict]:
    return {
        name: yaml.safe_load(
            (repository / f"workflow/profiles/{name}/config.yaml").read_text(encoding="utf-8")
        )
        for name in ("local", "slurm")
    }


def test_the_local_profile_needs_no_plugin(profiles: dict[str, dict]):
    assert not [key for key in profiles["local"] if key == "executor" or key.startswith("slurm")]


def test_the_slurm_profile_names_rules_that_exist(
    repository: Path, tmp_path: Path, profiles: dict[str, dict]
):
    listed = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--list-rules", "--quiet", "all"),
            *("--snakefile", str(repository / "Snakefile"), "--directory", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    rules = set(listed.stdout.split())
    slurm = profiles["slurm"]

    assert slurm["groups"].keys() | slurm["set-threads"].keys() <= rules
    # What shares a job with a training would be lost with it, and the training with that.
    assert "train" not in slurm["groups"]
    assert slurm["group-components"].keys() <= set(slurm["groups"].values())
