import re
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

    assert slurm["groups"].keys() <= rules
    # What shares a job with a training would be lost with it, and the training with that.
    assert "train" not in slurm["groups"]
    assert slurm["group-components"].keys() <= set(slurm["groups"].values())


def test_a_rule_reserves_the_threads_that_its_command_uses(
    repository: Path, profiles: dict[str, dict]
):
    reserving = set()
    for path in (repository / "workflow/rules").glob("*.smk"):
        for rule in re.split(r"^rule ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            if "\n    threads:" in rule:
                assert "--threads {threads}" in rule, rule.split(":")[0]
                reserving.add(rule.split(":")[0])
    assert reserving == {"train", "decode", "examples"}
    assert "set-threads" not in profiles["slurm"]
