"""The profile for Kubernetes, on a simulated cluster with an S3 server, and the death of a pod."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import object_store
import pretend_kubernetes
import pytest
import yaml

pytestmark = pytest.mark.slow

CONFIG: dict[str, Any] = {
    "corpus": {"kind": "toy", "name": "small", "train": 400, "valid": 20, "test": 20},
    "preparation": {"vocabulary": {"kind": "words", "min_frequency": 2}},
    "model": {"embedding": 16, "hidden": 16},
    "training": {"batch_size": 16, "max_epochs": 6, "min_epochs": 6, "threads": 1},
    "systems": {"ml": {"objective": "ml"}},
}
RUN = "results/small/runs/ml/seed1"
TARGET = f"{RUN}/best.safetensors"


def image(folder: Path) -> dict[str, str]:
    """Return the environment of a container, whose image has the plugin of the storage."""
    folder.mkdir()
    pip = folder / "pip"
    pip.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    pip.chmod(0o755)
    path = os.pathsep.join([str(folder), str(Path(sys.executable).parent), "/usr/bin", "/bin"])
    return {"PATH": path, "HOME": str(folder), "OMP_NUM_THREADS": "1"}


def adapted(repository: Path, folder: Path, **changes: Any) -> Path:
    """Write the profile with the values of a site; return its folder."""
    path = repository / "workflow/profiles/kubernetes/config.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(values | changes), encoding="utf-8")
    return folder


def of_training(cluster: pretend_kubernetes.Cluster) -> list[str]:
    """Return the names of the pods that train, in order."""
    return [
        name
        for name, job in cluster.jobs.items()
        if "--allowed-rules train" in job["spec"]["template"]["spec"]["containers"][0]["args"][1]
    ]


def kill_a_training(
    cluster: pretend_kubernetes.Cluster, volume: Path, process: subprocess.Popen[bytes]
) -> None:
    """Kill the first pod that trains, once it has a checkpoint."""
    while process.poll() is None:
        # Checkpoints have numbers; what is still being written has another name.
        if [path for path in volume.glob("*/*/*") if path.name.isdecimal()]:
            cluster.kill(of_training(cluster)[0])
            return
        time.sleep(0.02)
    pytest.fail("the workflow ended before its training could be killed")


def test_a_training_goes_on_in_another_pod(repository: Path, tmp_path: Path) -> None:
    here, volume = tmp_path / "here", tmp_path / "volume"
    subprocess.run([sys.executable, "-m", "alpha_dimt", "new", here], check=True)
    config = CONFIG | {"checkpoints": {"folder": str(volume), "seconds": 1}}
    (here / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    snakemake = [sys.executable, "-m", "snakemake", TARGET, "--configfile", "config.yaml"]
    plain = subprocess.run([*snakemake, "--cores", "1"], cwd=here, capture_output=True, text=True)
    assert plain.returncode == 0, plain.stderr
    weights = (here / TARGET).read_bytes()
    for used in (here / "results", here / ".snakemake", volume):
        used.rename(tmp_path / f"before-{used.name}")

    with (
        object_store.started(tmp_path / "server.log") as store,
        pretend_kubernetes.started(tmp_path / "pods", image(tmp_path / "image")) as cluster,
    ):
        profile = adapted(
            repository,
            tmp_path / "profile",
            **{
                "kubernetes-persistent-volumes": [f"checkpoints:{volume}"],
                "default-storage-prefix": object_store.PREFIX,
                "storage-s3-endpoint-url": store.address,
            },
        )
        process = subprocess.Popen(
            [*snakemake, "--workflow-profile", profile],
            cwd=here,
            env=os.environ | object_store.KEYS | {"KUBECONFIG": str(cluster.kubeconfig)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            kill_a_training(cluster, volume, process)
            output, _ = process.communicate(timeout=900)
        finally:
            process.kill()

        assert process.returncode == 0, output.decode()
        assert store.read(TARGET) == weights
        log = store.read("results/small/logs/train.ml.seed1.log")
        assert b"resuming after epoch" in log
        # The second pod asks for more memory, and both for a GPU, with limits.
        pods = [
            cluster.jobs[name]["spec"]["template"]["spec"]["containers"][0]["resources"]
            for name in of_training(cluster)
        ]
        memory = [int(pod["limits"]["memory"].removesuffix("M")) for pod in pods]
        assert memory[1] == 2 * memory[0]
        assert [pod["limits"]["nvidia.com/gpu"] for pod in pods] == ["1", "1"]
        others = [
            job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
            for name, job in cluster.jobs.items()
            if name not in of_training(cluster)
        ]
        assert {limits["nvidia.com/gpu"] for limits in others} == {"0"}
        # Nothing is left here.
        assert not (here / "results/small").exists()
