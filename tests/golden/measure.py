"""Measure the values that must not change when code is moved or rewritten.

    python tests/golden/measure.py > tests/golden/golden.json

Run it only for a change that is meant to change one of these values, and say so in CHANGELOG.md.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

REPOSITORY = Path(__file__).parents[2]
PLAIN_PROCESSOR = {
    # Instructions that every x86-64 processor has, so that all machines round equally.
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "COMPATIBLE",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "OMP_NUM_THREADS": "1",
}
UPDATES = 12


def configured() -> dict[str, Any]:
    """Return fingerprints and cluster requests of every configuration in config/."""
    from alpha_dimt import cluster_limits
    from alpha_dimt.config import Experiment, load
    from alpha_dimt.config.corpora import FilesCorpus

    found = {}
    for path in sorted(REPOSITORY.glob("config/*.yaml")):
        experiment = load(Experiment, path)
        seed = experiment.seeds[0]
        runs = {name: experiment.run_config(name, seed) for name in experiment.systems}
        requests = {}
        if not isinstance(experiment.corpus, FilesCorpus):  # else they depend on files not here
            size = experiment.corpus.text_size()
            requests = {
                "preparation": cluster_limits.preparation(experiment, size),
                **{
                    name: cluster_limits.decoding(experiment, search, size)
                    for name, search in experiment.decoding.searches.items()
                },
                **{
                    f"train {name}": cluster_limits.training(run, size)
                    for name, run in runs.items()
                },
            }
        found[path.stem] = {
            "runs": {name: run.fingerprint() for name, run in runs.items()},
            "candidates": {
                name: experiment.augment_config(name, seed).fingerprint()
                for name, run in runs.items()
                if run.proposal
            },
            "data": experiment.data_config().fingerprint(),
            "requests": {
                name: f"{request.minutes} min, {request.mem_mb} MB, {request.gpus} GPU"
                for name, request in requests.items()
            },
        }
    return found


def weights() -> dict[str, str]:
    """Return SHA-256 of the weights of every objective after some updates, in float32."""
    from every_objective import SYSTEMS, every_objective, train, write_data
    from safetensors.numpy import load_file

    config = every_objective(dropout=0.2, max_epochs=1, sorted_first_epoch=False)
    found = {}
    with TemporaryDirectory() as scratch:
        folder = write_data(Path(scratch), config, train=UPDATES * config.training.batch_size)
        for system in SYSTEMS:
            run = train(config, folder, system)
            tensors = load_file(run / "best.safetensors")
            content = hashlib.sha256()
            for name in sorted(tensors):
                content.update(name.encode() + tensors[name].tobytes())
            found[system] = content.hexdigest()
    return found


def measure(what: str) -> Any:
    """Return one of both, measured in a new process with the most basic instructions."""
    path = os.pathsep.join(str(REPOSITORY / part) for part in ("src", "tests/helpers"))
    result = subprocess.run(
        [sys.executable, __file__, what],
        env=os.environ | PLAIN_PROCESSOR | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps({"configured": configured, "weights": weights}[sys.argv[1]]()))
    else:
        print(json.dumps({name: measure(name) for name in ("configured", "weights")}, indent=1))
