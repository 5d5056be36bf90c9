"""docs/results/two_models.md: its tables are what the files kept beside it say."""

import json
from pathlib import Path

import pytest
from pages import tables

from alpha_dimt.config import Experiment, RunConfig, load

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/results/two_models.md"
KEPT = ROOT / "docs/results/two_models"
MODELS = ("attention_rnn", "transformer")
COLUMNS = {
    "Dev (greedy)": "valid.greedy",
    "Test (greedy)": "test.greedy",
    "Test (beam 10)": "test.beam",
}


def score(model: str, system: str, name: str) -> str:
    path = KEPT / model / "runs" / system / f"seed1/scores/{name}.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    return f"{report['scores']['multi_bleu']['value']:.2f}"


def costs(model: str) -> dict[str, str]:
    [rows] = tables((KEPT / model / "cost.md").read_text(encoding="utf-8"), "System")
    return {row["System"]: row["Times ml"] for row in rows}


@pytest.mark.parametrize("model", MODELS)
def test_the_table_is_what_the_kept_files_say(model: str) -> None:
    found = {
        row["System"]: row
        for row in tables(PAGE.read_text(encoding="utf-8"), "System")[MODELS.index(model)]
    }
    experiment = load(Experiment, ROOT / "config/multi30k-objectives.yaml")
    assert list(found) == list(experiment.systems)
    times = costs(model)
    for system, row in found.items():
        for header, name in COLUMNS.items():
            assert row[header] == score(model, system, name), (system, header)
        assert row["Update, times ml"] == times[system]


@pytest.mark.parametrize("model", MODELS)
def test_the_runs_are_those_of_the_configuration(model: str) -> None:
    experiment = load(Experiment, ROOT / "config/multi30k-objectives.yaml")
    folders = list((KEPT / model / "runs").glob("*/seed1"))
    assert folders
    for folder in folders:
        config = load(RunConfig, folder / "config.json")
        assert config.model.kind == model
        system = experiment.systems[config.system]
        assert config.objective.model_dump() == system.model_dump()
        recipe = config.training.model_dump() | {"device": "auto"}
        assert recipe == experiment.training_of(config.system).model_dump() | {"device": "auto"}
        about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        assert about["run_key"] == config.fingerprint()
        kept = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        scores = {f"scores/{name}.json" for name in COLUMNS.values()}
        assert kept == {"config.json", "run.json", "metrics.jsonl", *scores}


def test_the_page_names_the_code_that_trained() -> None:
    versions = set()
    for path in KEPT.glob("*/runs/*/seed1/run.json"):
        versions.add(json.loads(path.read_text(encoding="utf-8"))["code_version"])
    page = PAGE.read_text(encoding="utf-8")
    assert versions
    assert all(version.split("+g")[-1][:12] in page for version in versions)
