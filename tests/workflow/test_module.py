"""The workflow as a module of another one, in a folder of its own."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

OUTER = """
configfile: "mine.yaml"

module alpha_dimt:
    snakefile: "{workflow}"
    config: config["translation"]
    prefix: "translation"

use rule * from alpha_dimt as alpha_dimt_*

rule mine:
    default_target: True
    input: rules.alpha_dimt_all.input
    output: "mine.txt"
    shell: "cp translation/results/toy/tables/table1.md {{output}}"
"""
CONFIG = {
    "corpus": {"kind": "toy", "train": 200, "valid": 20, "test": 20},
    "preparation": {"vocabulary": {"kind": "words", "min_frequency": 2}},
    "proposal": {"slices": 2},
    "model": {"embedding": 16, "hidden": 16},
    "training": {"batch_size": 16, "max_epochs": 2, "min_epochs": 0, "threads": 1},
    "decoding": {"beam": 3, "max_length": 30},
    "systems": {"ml": {"objective": "ml"}, "raml": {"objective": "raml"}},
}


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
    )


def test_another_workflow_has_this_one_as_a_module(repository: Path, tmp_path: Path):
    workflow = repository / "workflow/Snakefile"
    (tmp_path / "Snakefile").write_text(OUTER.format(workflow=workflow), encoding="utf-8")
    values = {"ours": 1, "translation": CONFIG}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")

    result = snakemake(tmp_path)

    assert result.returncode == 0, result.stdout + result.stderr
    assert "raml" in (tmp_path / "mine.txt").read_text(encoding="utf-8")
    assert (tmp_path / "translation/results/toy/report/index.html").exists()
    # All that is not in its folder is what runs are logged to.
    others = {path.name for path in (tmp_path / "results").iterdir() if path.name[0] != "."}
    assert others == {"mlartifacts", "mlflow.db"}
    assert "Nothing to be done" in snakemake(tmp_path, "--dry-run").stdout

    # A change is noticed there, without Snakemake's own records.
    changed = {**CONFIG, "decoding": {"beam": 2, "max_length": 30}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"translation": changed}), encoding="utf-8")
    (tmp_path / ".snakemake").rename(tmp_path / "gone")
    again = snakemake(tmp_path, "--dry-run")
    assert "made with another configuration" in again.stdout + again.stderr


def test_a_wrong_configuration_of_a_module_is_one_line(repository: Path, tmp_path: Path):
    workflow = repository / "workflow/Snakefile"
    (tmp_path / "Snakefile").write_text(OUTER.format(workflow=workflow), encoding="utf-8")
    values = {"translation": {**CONFIG, "sedes": [1]}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")

    result = snakemake(tmp_path, "--dry-run")

    assert result.returncode == 1
    assert "the module's config: sedes: unknown key; did you mean seeds?" in result.stderr
