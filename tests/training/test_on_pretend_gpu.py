"""Training on a device that pretends to be a GPU: see `tests/helpers/pretend_gpu.py`."""

import json
import shutil
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from copy_task import result
from every_objective import SYSTEMS, every_objective, write_data
from every_objective import train as train_or_resume
from pretend_gpu import NAME, current, pretend_gpu

from alpha_dimt.config import Experiment, parse
from alpha_dimt.core.errors import Stopped
from alpha_dimt.core.files import read_lines
from alpha_dimt.training import loop

UPDATES = 4
# These draw candidates or inputs from the model, with other random numbers on another device.
DRAWS = {
    "rf-c", "ac", "token-alpha", "mixer", "f-divergence",
    "scheduled", "alpha-mixed", "alpha-on-policy", "alpha-beam", "pg", "pg-entropy", "mrt", "gnmt",
    "interpolated-mixed", "custom",
}  # fmt: skip
# Rewards of the model's own candidates are computed on the host, so it has to wait for them.
SAMPLES = DRAWS - {"scheduled"}


NOT_ON_A_GPU = "training/optimisers.py"
"""AdamW asks C++ for the device of its tensors, which is the CPU, and copies two scalars there."""
TRANSFORMER = {"kind": "transformer", "layers": 2, "units": 16, "heads": 2, "inner": 24}


def configured(precision: str = "fp32", *, transformer: bool = False) -> Experiment:
    """Return an experiment with all objectives; the device is the one that PyTorch sees."""
    config = every_objective(max_epochs=1, min_epochs=0, precision=precision)
    if not transformer:
        return config
    values = config.model_dump(mode="json")
    values["training"] |= {"optimiser": {"kind": "adamw"}, "learning_rate": 0.001}
    values["systems"]["ml"] |= {"label_smoothing": 0.1}
    values["training"]["min_learning_rate"] = 0.001
    return parse(Experiment, {**values, "model": {**TRANSFORMER, "dropout": 0.0}}, "transformer")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Encoded corpora by precision, each with the `ml` that other systems start from."""
    found = {}
    for precision in ("fp32", "bf16"):
        config = configured(precision)
        size = UPDATES * config.training.batch_size
        found[precision] = write_data(tmp_path_factory.mktemp(precision), config, train=size)
        train(config, found[precision], "ml")
    return found


@pytest.fixture(scope="module")
def on_the_cpu(folders: dict[str, Path]) -> Callable[[str], dict[str, float]]:
    """The metrics of a system trained on the CPU in fp32, once for both precisions."""

    @cache
    def trained(system: str) -> dict[str, float]:
        return metrics(train(configured(), folders["fp32"], system))

    return trained


@pytest.fixture
def folder(folders: dict[str, Path]) -> Path:
    return folders["fp32"]


def train(config: Experiment, folder: Path, system: str) -> Path:
    """Train a system from the start: on which device is no part of what a checkpoint is for."""
    shutil.rmtree(folder / "state", ignore_errors=True)
    return train_or_resume(config, folder, system)


def metrics(run: Path) -> dict[str, float]:
    """Return the metrics of the last epoch."""
    found: dict[str, float] = json.loads(read_lines(run / "metrics.jsonl")[-1])["metrics"]
    return found


@pytest.fixture
def observed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the device recorded for each update."""
    found: list[dict[str, Any]] = []
    original = loop.train_epoch

    def train_epoch(learner: Any, task: Any, state: Any, device: Any, after: Any) -> Any:
        gpu = current()
        if gpu is None:
            return original(learner, task, state, device, after)

        def after_update(batch: Any) -> None:
            found.append({"waits": dict(gpu.waits), "unordered": dict(gpu.unordered)})
            gpu.clear()
            after(batch)

        gpu.clear()
        return original(learner, task, state, device, after_update)

    monkeypatch.setattr(loop, "train_epoch", train_epoch)
    return found


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_every_objective_trains_as_on_the_cpu(
    folders: dict[str, Path],
    on_the_cpu: Callable[[str], dict[str, float]],
    system: str,
    precision: str,
    observed: list[dict[str, Any]],
) -> None:
    """No operation mixes devices, no update waits, no sum is without order."""
    here = on_the_cpu(system)
    with pretend_gpu():
        there = metrics(train(configured(precision), folders[precision], system))
    check(observed, system)
    assert here.keys() == there.keys()
    if precision == "fp32" and system not in DRAWS:
        for name, value in here.items():
            assert there[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
    for name in ("train_nll_per_token", "valid_nll_per_token"):
        allowed = 0.1 if system in DRAWS else 0.02
        assert there[name] == pytest.approx(here[name], rel=allowed), name


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("system", ["ml", "scheduled", "alpha", "alpha-mixed", "pg"])
def test_the_transformer_trains_as_on_the_cpu(
    tmp_path: Path, system: str, precision: str, observed: list[dict[str, Any]]
) -> None:
    config = configured(precision, transformer=True)
    folder = write_data(tmp_path, config, train=UPDATES * config.training.batch_size)
    plain = configured(transformer=True)
    start = config.systems[system].start
    if start:
        train(plain, folder, start)
    here = metrics(train(plain, folder, system))
    if start:
        train(config, folder, start)
    with pretend_gpu():
        there = metrics(train(config, folder, system))
    check(observed, system)
    for name in ("train_nll_per_token", "valid_nll_per_token"):
        exact = precision == "fp32" and system not in DRAWS
        allowed = 1e-4 if exact else 0.1 if system in DRAWS else 0.02
        assert there[name] == pytest.approx(here[name], rel=allowed), name


def check(observed: list[dict[str, Any]], system: str) -> None:
    """Check that no update waited, but for samples, and that no sum was without order."""
    assert len(observed) == UPDATES
    for update in observed:
        assert not update["unordered"]
        # To capture a graph, the host waits once.
        waits = {
            (what, place.split(":")[0]): count
            for (what, place), count in update["waits"].items()
            if not place.startswith(("kernels/cuda_graphs.py", NOT_ON_A_GPU))
        }
        if system in SAMPLES:
            drawing = {"rollout.py", "word_samples.py"}
            places = {"inference/candidates.py", *(f"training/{name}" for name in drawing)}
            assert {place for _, place in waits} <= places
            assert sum(waits.values()) <= 3  # one to read samples, one every 8 of up to 14 steps
        else:
            assert not waits


def test_an_interrupted_training_resumes_with_the_same_weights(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured()
    with pretend_gpu():
        expected = result(train(config, folder, "alpha"))
        shutil.rmtree(folder / "alpha")
        updates = 0
        original = loop.seed_update

        def stopped(seed: int, epoch: int, number: int) -> None:
            nonlocal updates
            updates += 1
            if updates == 3:
                signal.raise_signal(signal.SIGTERM)
            original(seed, epoch, number)

        with monkeypatch.context() as patch:
            patch.setattr(loop, "seed_update", stopped)
            with pytest.raises(Stopped):
                train(config, folder, "alpha")
        assert result(train_or_resume(config, folder, "alpha")) == expected


def test_the_record_names_the_gpu(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pretend_gpu():
        train(configured("bf16"), folder, "ml")
    assert f"{NAME}, bfloat16" in capsys.readouterr().out
