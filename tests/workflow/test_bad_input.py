import os
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest

ML = {"systems": {"ml": {"objective": "ml"}}}


def errors(result):
    """Return what Snakemake prints, without the line that names its profile."""
    lines = result.stderr.strip().splitlines()
    return [line for line in lines if not line.startswith("Using workflow specific profile")]


def configuration(**changes):
    return {"corpus": {"kind": "toy"}, **deepcopy(ML), **changes}


@pytest.mark.parametrize(
    ("values", "key"),
    [
        (configuration(training={"learning_rte": 1}), "training.learning_rte"),
        (configuration(trainnig={}), "trainnig"),
        (configuration(systems={"a": {"objective": "alpha", "alpha": 1.5}}), "alpha"),
        (configuration(systems={"a": {"objective": "alpha", "alpha": -0.1}}), "alpha"),
        (configuration(systems={"a": {"objective": "raml", "tau": 0}}), "tau"),
        (configuration(systems={"a": {"objective": "raml", "tau": -1}}), "tau"),
        (ML, "corpus"),
    ],
)
def test_a_wrong_configuration_is_one_line(make_workflow, values, key: str):
    workflow = make_workflow(values)

    result = workflow.run()

    assert result.returncode != 0
    [line] = errors(result)
    assert line.startswith(f"{workflow.config}:")
    assert key in line
    assert not (workflow.folder / "results").exists()


TOY = "corpus: {kind: toy}\n"
ONE_SYSTEM = "systems: {ml: {objective: ml}}\n"


# What Snakemake's own reader takes for something else, or leaves out without a word.
@pytest.mark.parametrize(
    ("text", "settings", "place", "problem"),
    [
        (
            f"{TOY}training: {{max_epochs: 1, batch_size: 16}}\n{ONE_SYSTEM}"
            "training: {learning_rate: 0.5}\n",
            [],
            "{path}:4: training: ",
            "given twice, first in line 2",
        ),
        (
            f"corpus:\n  kind: toy\n  seed: 1\n  seed: 2\n{ONE_SYSTEM}",
            [],
            "{path}:4: corpus.seed: ",
            "given twice, first in line 3",
        ),
        (
            f"corpus: {{kind: toy, source: false}}\n{ONE_SYSTEM}",
            [],
            "{path}:1: ",
            "put it in quotes",
        ),
        (f"corpus:\n{ONE_SYSTEM}", [], "{path}:1: corpus: ", "this is empty"),
        (f"{TOY}{ONE_SYSTEM}seeds: 3\n", [], "{path}:3: seeds: ", "write [3], or [1, 2, 3]"),
        (f"{TOY}{ONE_SYSTEM}", ["seeds=3"], "--config seeds: seeds: ", "write [3], or [1, 2, 3]"),
        (
            f"{TOY}{ONE_SYSTEM}",
            ["model={hiden: 3}"],
            "--config model: model.hiden: ",
            "mean hidden?",
        ),
    ],
)
def test_what_snakemake_would_not_notice_is_one_line(
    make_workflow, text: str, settings: list[str], place: str, problem: str
):
    workflow = make_workflow({})
    workflow.config.write_text(text, encoding="utf-8")

    result = workflow.run(*(["--config", *settings] if settings else []))

    assert result.returncode != 0
    [line] = errors(result)
    assert line.startswith(place.format(path=workflow.config))
    assert problem in line
    assert not (workflow.folder / "results").exists()


def test_a_missing_text_file_is_one_line(make_workflow):
    table = {"tsv": "mine.tsv"}
    corpus = {"kind": "files", "name": "mine", "train": table, "valid": table, "test": table}
    workflow = make_workflow(configuration(corpus=corpus))

    result = workflow.run()

    assert result.returncode != 0
    [line] = errors(result)
    assert line.startswith("mine.tsv: ")


def test_bad_text_is_shown_and_leaves_nothing(make_workflow):
    split = {"source": "mine.de", "target": "mine.en"}
    corpus = {"kind": "files", "name": "mine", "train": split, "valid": split, "test": split}
    workflow = make_workflow(configuration(corpus=corpus))
    (workflow.folder / "mine.de").write_text("eins\nzwei\n", encoding="utf-8")
    (workflow.folder / "mine.en").write_bytes(b"one\ntw\xff\n")

    result = workflow.run()

    assert result.returncode != 0
    assert "mine.en:2: " in result.stdout + result.stderr
    assert not list((workflow.folder / "results/mine/data").rglob("*.*"))


def test_an_environment_without_the_libraries_is_one_line(repository: Path, tmp_path: Path):
    for name in ("workflow", "config"):
        shutil.copytree(repository / name, tmp_path / name)
    shutil.copy(repository / "Snakefile", tmp_path)
    package = tmp_path / "src/alpha_dimt"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "config.py").write_text("import not_installed", encoding="utf-8")

    result = subprocess.run(
        [sys.executable, "-m", "snakemake", "--dry-run"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )

    assert result.returncode != 0
    [line] = errors(result)
    assert "lacks not_installed" in line
    assert "environment.yml" in line
