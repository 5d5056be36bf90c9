"""The workflow by a submit script in an empty environment, and on object storage."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import object_store
import psutil
import pytest
import yaml

pytestmark = pytest.mark.slow

CONFIG: dict[str, Any] = {
    "corpus": {"kind": "toy", "name": "small", "train": 400, "valid": 20, "test": 20},
    "preparation": {"vocabulary": {"kind": "words", "min_frequency": 2}},
    "proposal": {"slices": 2},
    "model": {"embedding": 16, "hidden": 16},
    "training": {"batch_size": 16, "max_epochs": 6, "min_epochs": 6, "threads": 1},
    "decoding": {"beam": 2, "max_length": 20},
    "systems": {"ml": {"objective": "ml"}},
}
SUBMIT = """#!/bin/bash
# What a scheduler does: run the script somewhere else, with none of the caller's environment.
env -i HOME="$HOME" PATH=/usr/bin:/bin setsid bash "$1" > "$1.out" 2>&1 &
echo $!
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[object_store.Store]:
    with object_store.started(tmp_path / "server.log") as found:
        yield found


def command(repository: Path, folder: Path, config: dict[str, Any], *options: str) -> list[str]:
    folder.mkdir()
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(repository / "Snakefile")),
        *("--directory", str(folder), "--configfile", str(file), *options),
    ]


def kill_training(volume: Path, process: subprocess.Popen[bytes]) -> None:
    """Kill the training, as the death of a pod does, once it has a checkpoint."""
    while process.poll() is None:
        for one in psutil.process_iter(["cmdline"]):
            words = one.info["cmdline"] or []
            training = "alpha_dimt" in words and "train" in words and str(volume) in " ".join(words)
            # Checkpoints have numbers; what is still being written has another name.
            if training and [path for path in volume.glob("*/*/*") if path.name.isdecimal()]:
                one.kill()
                return
        time.sleep(0.02)
    pytest.fail("the workflow ended before its training could be killed")


def test_the_death_of_a_job_on_object_storage_changes_no_weights(
    repository: Path, tmp_path: Path, store: object_store.Store
) -> None:
    plain = tmp_path / "plain"
    subprocess.run(
        command(repository, plain, CONFIG, "--cores", "2"), check=True, capture_output=True
    )
    submit, volume = tmp_path / "submit.sh", tmp_path / "volume"
    submit.write_text(SUBMIT, encoding="utf-8")
    submit.chmod(0o755)
    config = CONFIG | {"checkpoints": {"folder": str(volume), "seconds": 1}}
    process = subprocess.Popen(
        command(
            repository,
            tmp_path / "stored",
            config,
            *("--executor", "cluster-generic", "--jobs", "2", "--retries", "1"),
            *("--cluster-generic-submit-cmd", str(submit)),
            *("--default-storage-provider", "s3", "--default-storage-prefix", object_store.PREFIX),
            *("--storage-s3-endpoint-url", store.address),
            # All but input and output, which are in the storage.
            *("--shared-fs-usage", "persistence", "sources", "source-cache"),
            *("software-deployment", "storage-local-copies"),
        ),
        env=os.environ | object_store.KEYS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        kill_training(volume, process)
        output, _ = process.communicate(timeout=900)
    finally:
        process.kill()
    text = output.decode()
    assert process.returncode == 0, text
    assert "Trying to restart job" in text

    assert b"resuming after epoch" in store.read("results/small/logs/train.ml.seed1.log")
    for file in ("best.safetensors", "hypotheses/test.beam.txt"):
        name = f"results/small/runs/ml/seed1/{file}"
        assert store.read(name) == (plain / name).read_bytes(), name
    assert b"| this run (small) | ml |" in store.read("results/small/tables/table1.md")
    # Nothing is left in the working folder.
    assert not (tmp_path / "stored/results/small").exists()
