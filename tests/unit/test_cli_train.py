"""`alpha-dimt train`: one run of an experiment by its system and seed."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from command_line import said
from copy_task import write_corpus

from alpha_dimt.cli.one_run import RunFiles, of_experiment
from alpha_dimt.config import Experiment, RunConfig, load
from alpha_dimt.core.errors import UserError
from alpha_dimt.inference.translate import open_translator

CONFIG = """
corpus: {kind: toy, name: copy}
preparation: {vocabulary: {kind: words}}
model: {embedding: 8, hidden: 8}
training: {batch_size: 16, max_epochs: 1, min_epochs: 0, threads: 1, precision: fp32, device: cpu}
systems:
  ml: {objective: ml, seeds: 1}
  alpha0.5: {objective: alpha, alpha: 0.5, start: ml, seeds: 1}
  raml: {objective: raml}
checkpoints: {seconds: 7}
seeds: [3, 4]
"""
ML = ("train", "--config", "config.yaml", "--system", "ml", "--seed", "3")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


# ------------------------------------------------------------------------- where the files are


def test_the_files_of_a_run_of_an_experiment(here: Path):
    data = Path("results/copy/data/encoded/report.json")
    with pytest.raises(UserError, match=r"make it: alpha-dimt run config.yaml data$"):
        of_experiment(Path("config.yaml"), "raml", 4)
    data.parent.mkdir(parents=True)
    data.touch()
    proposal = load(Experiment, Path("config.yaml")).proposal.fingerprint()
    candidates = Path(f"results/copy/augmented/{proposal}/seed4.arrow")
    with pytest.raises(UserError, match=rf"make it: alpha-dimt run config.yaml {candidates}$"):
        of_experiment(Path("config.yaml"), "raml", 4)
    candidates.parent.mkdir(parents=True)
    candidates.touch()

    config, files, seconds = of_experiment(Path("config.yaml"), "raml", 4)

    assert (config.system, config.seed, seconds) == ("raml", 4, 7)
    results = Path("results/copy")
    assert files == RunFiles(
        encoded=results / "data/encoded",
        augmented=candidates,
        start=None,
        state=results / "state",
        out=results / "runs/raml/seed4",
    )
    candidates.with_name("seed3.arrow").touch()
    with pytest.raises(UserError, match=r"results/copy/runs/ml/seed3/best\.safetensors"):
        of_experiment(Path("config.yaml"), "alpha0.5", 3)
    with pytest.raises(UserError, match=r"no run of ml with seed 4; .* one of ml 3, alpha0\.5 3, "):
        of_experiment(Path("config.yaml"), "ml", 4)


def test_given_files_win(here: Path):
    ours = RunFiles(Path("a"), None, Path("c"), None, None)
    others = RunFiles(Path("1"), Path("2"), Path("3"), Path("4"), Path("5"))

    assert ours.filled(others) == RunFiles(*map(Path, ("a", "2", "c", "4", "5")))


def test_train_says_what_it_needs(here: Path):
    assert "--system and --seed go together" in said(
        "train", "--config", "config.yaml", "--system", "ml", code=2
    )
    run = load(Experiment, Path("config.yaml")).run_config("raml", 4)
    Path("run.json").write_text(run.canonical_json(), encoding="utf-8")
    assert "--encoded, --state and --out are needed" in said(
        "train", "--config", "run.json", code=2
    )


# ------------------------------------------------------------------------------ what it trains


def test_the_folder_of_a_run_translates(here: Path):
    write_corpus(Path("results/copy/data/encoded"), train=64)
    run = Path("results/copy/runs/ml/seed3")

    said(*ML)

    wanted = load(Experiment, Path("config.yaml")).run_config("ml", 3)
    # The same bytes as those of the workflow.
    assert (run / "config.json").read_text(encoding="utf-8") == wanted.canonical_json() + "\n"
    [found] = open_translator(run, beam=2, threads=1, device="cpu").translate(["a b c"])
    assert found.source_tokens == "a b c"


@pytest.fixture
def trained(here: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `train_run` was called with, and the device that was leased."""
    write_corpus(Path("results/copy/data/encoded"), train=4)
    calls: list[dict[str, Any]] = []

    def lease(device: str) -> nullcontext[None]:
        calls.append({"leased": device})
        return nullcontext()

    monkeypatch.setattr("alpha_dimt.machine.gpu_lease.lease", lease)
    monkeypatch.setattr(
        "alpha_dimt.training.run.train_run", lambda run, **options: calls[-1].update(options)
    )
    return calls


def test_device_and_checkpoints_are_those_of_the_experiment(trained: list[dict[str, Any]]):
    text = CONFIG.replace("device: cpu", "device: cuda")
    Path("config.yaml").write_text(text, encoding="utf-8")

    said(*ML)
    said(*ML, "--device", "cpu", "--checkpoint-seconds", "9")

    found = [(call["leased"], call["device"], call["checkpoint_seconds"]) for call in trained]
    assert found == [("cuda", "cuda", 7), ("cpu", "cpu", 9)]


def test_without_an_experiment_they_are_the_defaults(trained: list[dict[str, Any]]):
    run = load(Experiment, Path("config.yaml")).run_config("ml", 3).model_dump(mode="json")
    run["training"]["device"] = "cpu"
    Path("run.json").write_text(json.dumps(run), encoding="utf-8")
    assert load(RunConfig, Path("run.json")).training.device == "cpu"

    folders = ("--encoded", "results/copy/data/encoded", "--state", "state", "--out", "out")
    said("train", "--config", "run.json", *folders)

    [call] = trained
    assert (call["leased"], call["device"], call["checkpoint_seconds"]) == ("auto", "auto", 180)
    # Whoever names the folders, such as the workflow, writes the configuration there.
    assert not Path("out").exists()
