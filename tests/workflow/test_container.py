"""The image of the configuration, by an `apptainer` that notes it and runs the command as it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CONFIG = """\
corpus: {kind: toy, name: small, train: 400, valid: 20, test: 20}
preparation: {vocabulary: {kind: words, min_frequency: 2}}
systems: {ml: {objective: ml}}
"""
# Called with --version, or with exec, options that have a value each, IMAGE SHELL -c COMMAND.
APPTAINER = """#!/bin/bash
if [ "$1" = --version ]; then echo apptainer version 1.4.5; exit; fi
[ "$1" = exec ] || exit 64
shift
while [[ "$1" = --* ]]; do
    if [ "$1" = --home ]; then cd "$2"; fi
    shift 2
done
echo "$1" >> "$IMAGES"
shift
exec "$@"
"""


def prepared(
    repository: Path, folder: Path, config: str, *options: str
) -> subprocess.CompletedProcess[str]:
    """Prepare the data with the apptainer above in front of any other."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin/apptainer").write_text(APPTAINER, encoding="utf-8")
    (folder / "bin/apptainer").chmod(0o755)
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    return subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(repository / "Snakefile")),
            *("--directory", str(folder), "--configfile", str(folder / "config.yaml")),
            *("--cores", "1", *options, "--", "data"),
        ],
        env=os.environ
        | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "IMAGES": str(folder / "images")},
        capture_output=True,
        text=True,
    )


def test_every_job_runs_in_the_image(repository: Path, tmp_path: Path) -> None:
    image = tmp_path / "alpha-dimt.sif"
    image.touch()
    done = prepared(repository, tmp_path, f"{CONFIG}container: {image}\n", "--sdm", "apptainer")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results/small/data/encoded/report.json").exists()
    # fetch, tokenise, encode
    assert (tmp_path / "images").read_text(encoding="utf-8").split() == [str(image)] * 3


def test_the_image_counts_with_the_option_alone(repository: Path, tmp_path: Path) -> None:
    done = prepared(repository, tmp_path, f"{CONFIG}container: alpha-dimt.sif\n")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "images").exists()


def test_without_an_image_nothing_starts(repository: Path, tmp_path: Path) -> None:
    done = prepared(repository, tmp_path, CONFIG, "--sdm", "apptainer")
    assert done.returncode == 1
    assert "container: --sdm apptainer needs the image that jobs run in" in done.stderr
    assert not (tmp_path / "results/small/data").exists()
