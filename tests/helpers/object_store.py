"""An S3 server on this machine, with one empty bucket."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

BUCKET = "bucket"
PREFIX = f"s3://{BUCKET}/here"
KEYS = {"SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "x", "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "x"}


@dataclass(frozen=True)
class Store:
    """A server: its address, and a client of it."""

    address: str
    client: Any

    def read(self, name: str) -> bytes:
        """Return an object below the prefix."""
        found: bytes = self.client.get_object(Bucket=BUCKET, Key=f"here/{name}")["Body"].read()
        return found


@contextmanager
def started(log: Path) -> Iterator[Store]:
    """Serve an empty bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=out, stderr=out
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
        yield Store(address, client)
    finally:
        server.kill()
