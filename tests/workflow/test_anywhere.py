"""The workflow by a submit script in an empty environment, and on object storage."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
import yaml
from botocore.config import Config

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
BUCKET, PREFIX = "bucket", "s3://bucket/here"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Any]:
    """An S3 server with an empty bucket: its client, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=log, stderr=log
        )
    try:
        client = boto3.client(
            "s3",
            endpoint_url=address,
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 20}),
            **keys,
        )
        client.create_bucket(Bucket=BUCKET)
        yield client, address
    finally:
        server.kill()


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
    repository: Path, tmp_path: Path, store: Any
) -> None:
    plain = tmp_path / "plain"
    subprocess.run(
        command(repository, plain, CONFIG, "--cores", "2"), check=True, capture_output=True
    )
    client, address = store
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
            *("--default-storage-provider", "s3", "--default-storage-prefix", PREFIX),
            *("--storage-s3-endpoint-url", address),
            # All but input and output, which are in the storage.
            *("--shared-fs-usage", "persistence", "sources", "source-cache"),
            *("software-deployment", "storage-local-copies"),
        ),
        env=os.environ
        | {"SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "x", "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "x"},
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

    def stored(name: str) -> bytes:
        found: bytes = client.get_object(Bucket=BUCKET, Key=f"here/results/small/{name}")[
            "Body"
        ].read()
        return found

    assert b"resuming after epoch" in stored("logs/train.ml.seed1.log")
    for file in ("best.safetensors", "hypotheses/test.beam.txt"):
        name = f"runs/ml/seed1/{file}"
        assert stored(name) == (plain / "results/small" / name).read_bytes(), name
    assert b"| this run (small) | ml |" in stored("tables/table1.md")
    # Nothing is left in the working folder.
    assert not (tmp_path / "stored/results/small").exists()
