"""Training never imports MLflow, so no server can slow it down, stop it or lose its results."""

import os
import subprocess
import sys
from pathlib import Path

# Any attempt to import mlflow ends the training, however deep it is hidden.
TRAIN = """
import importlib, pkgutil, sys
from pathlib import Path

sys.modules["mlflow"] = None
import alpha_dimt.training
from copy_task import experiment, train, write_corpus

for module in pkgutil.walk_packages(alpha_dimt.training.__path__, "alpha_dimt.training."):
    importlib.import_module(module.name)
work = Path(sys.argv[1])
train(write_corpus(work / "encoded", train=48), work, experiment(max_epochs=1), "ml")
print(*(name for name in sys.modules if name.startswith("mlflow.")))
"""


def test_a_run_is_trained_without_mlflow(tmp_path: Path, repository: Path) -> None:
    paths = [str(repository / "src"), str(repository / "tests/helpers")]
    result = subprocess.run(
        [sys.executable, "-c", TRAIN, str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(paths), "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"},
    )

    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == ""
    assert (tmp_path / "ml" / "run.json").exists()
