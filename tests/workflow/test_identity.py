"""Products are told by content: Snakemake's records may be gone, and dates may lie."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import TINY, Workflow

pytestmark = pytest.mark.slow

COLLECTED = {"table1", "significance", "training_table", "figures", "examples", "report", "track"}
EVERYTHING = COLLECTED | {"fetch", "tokenise", "encode", "augment", "train", "decode", "evaluate"}


@pytest.fixture
def copied(finished: Workflow, tmp_path: Path) -> Workflow:
    """The finished results alone, without what Snakemake noted of them."""
    shutil.copytree(finished.folder / "results", tmp_path / "results", symlinks=True)
    config = tmp_path / "config.yaml"
    shutil.copy(finished.config, config)
    return Workflow(finished.repository, tmp_path, config)


def changed(workflow: Workflow, **values: dict[str, Any]) -> None:
    """Give a configuration other values for some sections."""
    config = yaml.safe_load(workflow.config.read_text(encoding="utf-8"))
    for section, keys in values.items():
        config[section] = config.get(section, {}) | keys
    workflow.config.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def touch(folder: Path) -> None:
    """Give every file one date, so that none is newer than another."""
    for path in folder.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))


def test_results_that_were_copied_alone_are_whole(copied: Workflow) -> None:
    touch(copied.folder / "results")
    assert copied.planned() == {}
    # Where it is trained is no part of what a run is.
    changed(copied, training={"device": "cpu"}, checkpoints={"seconds": 5})
    assert copied.planned() == {}


@pytest.mark.parametrize(
    ("values", "made_again"),
    [
        ({"corpus": {"train": 210}}, EVERYTHING),
        ({"preparation": {"lowercase": "never"}}, EVERYTHING),
        ({"proposal": {"slices": 3}}, EVERYTHING - {"fetch", "tokenise", "encode"}),
        ({"training": {"max_epochs": 3}}, COLLECTED | {"train", "decode", "evaluate"}),
        ({"decoding": {"beam": 2}}, COLLECTED | {"decoding_config", "decode", "evaluate"}),
        ({"systems": dict(list(TINY["systems"].items())[::-1])}, COLLECTED),  # type: ignore[attr-defined]
    ],
    ids=["corpus", "preparation", "proposal", "training", "decoding", "order of systems"],
)
def test_another_configuration_is_noticed(
    copied: Workflow, values: dict[str, Any], made_again: set[str]
) -> None:
    touch(copied.folder / "results")
    changed(copied, **values)
    if "systems" in values:  # a section with other values keeps its order
        config = yaml.safe_load(copied.config.read_text(encoding="utf-8"))
        config["systems"] = values["systems"]
        copied.config.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    assert copied.planned().keys() - {"all"} == made_again


def test_fewer_systems_make_other_tables(copied: Workflow) -> None:
    config = yaml.safe_load(copied.config.read_text(encoding="utf-8"))
    del config["systems"]["alpha0.7"]
    copied.config.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    touch(copied.folder / "results")
    assert copied.planned("tables").keys() == {
        *("table1", "significance", "training_table", "tables")
    }


def test_dates_alone_do_not_hide_a_change(finished: Workflow, tmp_path: Path) -> None:
    """With Snakemake's own records, but told to look at dates."""
    plan = finished.planned("--rerun-triggers", "mtime", "--config", "corpus={train: 210}")
    assert plan["fetch"] == 1
    assert plan["train"] == len(TINY["systems"])  # type: ignore[arg-type]


def test_only_what_is_asked_for_is_made_again(copied: Workflow) -> None:
    changed(copied, corpus={"train": 210})
    assert copied.planned("data") == {"fetch": 1, "tokenise": 1, "encode": 1, "data": 1}
    plan = copied.planned("results/toy/runs/ml/seed1/run.json")
    assert plan == {"fetch": 1, "tokenise": 1, "encode": 1, "train": 1}


@pytest.mark.parametrize(
    ("file", "key", "made_again"),
    [
        ("runs/ml/seed1/run.json", "run_key", {"train", "decode", "evaluate"}),
        ("runs/ml/seed1/hypotheses/test.beam.json", "weights", {"decode", "evaluate"}),
        ("runs/ml/seed1/scores/test.beam.json", "hypotheses", {"evaluate"}),
        ("tables/training.json", "made_from", {"training_table", "report"}),
        ("report/examples.json", "made_from", {"examples", "report"}),
        ("decoding/beam.json", "beam", {"decoding_config", "decode", "evaluate"}),
    ],
)
def test_a_product_of_something_else_is_made_again(
    copied: Workflow, file: str, key: str, made_again: set[str]
) -> None:
    path = copied.folder / "results/toy" / file
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | {key: None}), encoding="utf-8")
    touch(copied.folder / "results")
    assert made_again <= copied.planned().keys()
    assert not ({"fetch", "tokenise", "encode", "augment"} & copied.planned().keys())


def test_a_text_that_is_replaced_by_an_older_one_is_noticed(
    make_workflow: Callable[[object], Workflow],
) -> None:
    corpus = {"kind": "files", "name": "toy"}
    split = {"source": "own {1} <x>.de", "target": "own.en"}
    values = {"corpus": {**corpus, **dict.fromkeys(("train", "valid", "test"), split)}}
    workflow = make_workflow({**values, "systems": {"ml": {"objective": "ml"}}})
    for name, word in (("own {1} <x>.de", "Haus"), ("own.en", "house")):
        (workflow.folder / name).write_text(f"{word}\n" * 4, encoding="utf-8")
    assert workflow.run("data").returncode == 0
    assert workflow.planned("data") == {}
    for name in ("own.en", "own {1} <x>.de"):
        path = workflow.folder / name
        before = path.read_text(encoding="utf-8")
        path.write_text(before[::-1].lstrip() + "\n", encoding="utf-8")
        os.utime(path, (10**9, 10**9))
        assert workflow.planned("data").keys() == {"fetch", "tokenise", "encode", "data"}
        path.write_text(before, encoding="utf-8")
        os.utime(path, (10**9, 10**9))
        assert workflow.planned("data") == {}
