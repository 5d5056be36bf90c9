"""The workflow on a SLURM, as users start it: one small training under several names.

Whatever befalls one of these trainings, it must end like the others.
"""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# Learns enough for the best weights to be those of an epoch after the disturbance.
CONFIG = {
    "corpus": {"kind": "toy", "train": 300, "valid": 20, "test": 20},
    "preparation": {"vocabulary": {"kind": "words", "min_frequency": 2}},
    "proposal": {"slices": 2},
    "model": {"embedding": 32, "hidden": 32},
    "training": {
        **{"batch_size": 8, "max_epochs": 20, "min_epochs": 20, "threads": 1},
        **{"min_learning_rate": 1.0, "sorted_first_epoch": False},
        "device": "cpu",  # the GPUs are simulated; `REQUESTS` asks SLURM for one all the same
    },
    "decoding": {"beam": 3, "max_length": 30},
}
# The translations share a job (`start`), and must find room. A GPU is asked for, not used.
REQUESTS = ("decode:mem_mb=500", "evaluate:mem_mb=500", "train:gpu=1")


@dataclass(frozen=True)
class Runs:
    """Snakemake in one folder, through the project's SLURM profile or one made from it."""

    repository: Path
    folder: Path
    profile: Path = Path("workflow/profiles/slurm")
    requests: tuple[str, ...] = REQUESTS

    def start(self, target: str, systems: tuple[str, ...], *options: str) -> subprocess.Popen[str]:
        """Start the workflow for some systems; as a user starts it, but for waiting times."""
        config = self.folder / f"{'-'.join(systems)}.yaml"
        objective = {"objective": "alpha", "alpha": 0.5}
        values = CONFIG | {"systems": dict.fromkeys(systems, objective)}
        config.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "snakemake"),
                *("--workflow-profile", self.repository / self.profile),
                *("--snakefile", self.repository / "Snakefile", "--directory", self.folder),
                *("--configfile", config),
                *("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10"),
                # The three translations share a job here: what a job costs is mostly Snakemake.
                *("--group-components", "candidates=4", "tables=4", "translation=3"),
                *("--set-resources", *self.requests),
                *options,
                *("--", target),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A test run in the background inherits that SIGINT, which is Ctrl-C, is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
        )

    def log(self, system: str) -> str:
        path = self.folder / f"results/toy/logs/train.{system}.seed1.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def result(self, system: str) -> tuple[list[dict[str, Any]], bytes]:
        """Return the metrics of a run but for its times, and its weights."""
        run = self.folder / f"results/toy/runs/{system}/seed1"
        lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        metrics = [
            {key: value for key, value in json.loads(line).items() if key not in TIMES}
            for line in lines
        ]
        return metrics, weights(run / "best.safetensors")

    def process(self, system: str) -> int:
        """Return the process that trains a system."""
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().decode().split("\0")
                here = (entry / "cwd").resolve() == self.folder.resolve()
            except OSError:
                continue
            if here and "train" in words and f"results/toy/runs/{system}/seed1" in words:
                return int(entry.name)
        raise AssertionError(f"{system} does not train")


TIMES = ("time_ms", "timing")


def weights(path: Path) -> bytes:
    """Return the tensors of a safetensors file; its header names the system."""
    content = path.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little") :]


def finish(process: subprocess.Popen[str], *, timeout: float = 240) -> str:
    try:
        output, _ = process.communicate(timeout=timeout)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=60)
    return output
