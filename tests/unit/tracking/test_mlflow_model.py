"""The model in MLflow translates without an installed package."""

import importlib
import io
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from requirement_names import by_name
from translating_run import make_run

from alpha_dimt.config import RunConfig, load
from alpha_dimt.config.pretrained import TOKENISER
from alpha_dimt.inference.translate import open_translator
from alpha_dimt.runs.paths import model_files
from alpha_dimt.tracking import models
from alpha_dimt.tracking.models import REQUIREMENTS, archive, saved_model

LINES = ["Der Hund läuft.", "", "Die Katze schläft. Ein Hund."]
SERVE = """
import json, sys
import mlflow, pandas

models = [mlflow.pyfunc.load_model(path) for path in sys.argv[2:]]
lines = json.loads(sys.argv[1])
found = [model.predict(lines) for model in models]
for model, expected in zip(models, found):
    assert model.predict(pandas.DataFrame({"source": lines})) == expected
    assert model.metadata.signature is not None
import alpha_dimt.inference.translate
print(json.dumps([found, alpha_dimt.inference.translate.__file__, sorted(sys.modules)]))
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[list[str]]]:
    """Two saved models, of words and of subwords, and what their runs translate."""
    root = tmp_path_factory.mktemp("odd #1 % name")
    models, expected = [], []
    for name, bpe in (("words", False), ("subwords", True)):
        run = make_run(root / name, bpe=bpe)
        translator = open_translator(run, beam=None, threads=1)
        expected.append([found.translation for found in translator.translate(LINES)])
        files = model_files(load(RunConfig, run / "config.json"), run)
        given = {key: path for key, path in vars(files).items() if path is not None}
        with saved_model(given) as model:
            models.append(Path(shutil.copytree(model, root / f"{name}.model")))
        # A model has all that it needs in itself.
        shutil.rmtree(root / name)
    return models, expected


@pytest.fixture(scope="module")
def answer(
    served: tuple[list[Path], list[list[str]]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[list[str]], str, list[str]]:
    """The output of a process without this package on its path."""
    result = subprocess.run(
        [sys.executable, "-c", SERVE, json.dumps(LINES), *map(str, served[0])],
        capture_output=True,
        text=True,
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )
    assert result.returncode == 0, result.stderr
    found, place, modules = json.loads(result.stdout.splitlines()[-1])
    return found, place, modules


def test_raw_sentences_are_translated_as_by_the_run(
    served: tuple[list[Path], list[list[str]]], answer: tuple[list[list[str]], str, list[str]]
) -> None:
    assert answer[0] == served[1]
    for first, blank, _ in served[1]:
        assert first
        assert blank == ""


def test_the_package_is_that_of_the_model(answer: tuple[list[list[str]], str, list[str]]) -> None:
    inside = "words.model/artifacts/alpha_dimt.zip/alpha_dimt/inference/translate.py"
    assert answer[1].endswith(inside)


def test_weights_are_in_it_once_and_codes_of_subwords(
    served: tuple[list[Path], list[list[str]]],
) -> None:
    for model in served[0]:
        assert len(list(model.rglob("*.safetensors"))) == 1
        assert not list(model.rglob("*.pkl"))
        assert {path.name for path in model.rglob("*.py")} == {"mlflow_model.py"}
    assert [(model / "artifacts/codes.de.txt").exists() for model in served[0]] == [False, True]


def test_what_it_asks_for_is_what_it_loads(
    repository: Path,
    served: tuple[list[Path], list[list[str]]],
    answer: tuple[list[list[str]], str, list[str]],
) -> None:
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    ours = by_name(tomllib.loads(text)["project"]["dependencies"])
    distributions = packages_distributions()
    loaded = {
        canonicalize_name(name)
        for module in {module.partition(".")[0] for module in answer[2]}
        for name in distributions.get(module, [])
    }
    # Of mlflow's own: they come with it.
    with_mlflow = {"click", "matplotlib", "pandas", "requests", "scipy", "tqdm"}
    assert (loaded & ours.keys()) - with_mlflow <= set(REQUIREMENTS)
    lines = (served[0][0] / "requirements.txt").read_text().splitlines()
    asked = {Requirement(line).name for line in lines}
    assert asked == set(REQUIREMENTS)
    assert "torch==2.13.0" in lines


def test_a_pretrained_model_asks_for_its_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    pyfunc = importlib.import_module("mlflow.pyfunc")
    monkeypatch.setattr(
        pyfunc, "save_model", lambda _, **given: asked.extend(given["pip_requirements"])
    )
    for codes in ("codes.de.txt", TOKENISER):
        asked.clear()
        with saved_model({"codes": tmp_path / codes}):
            further = {"sentencepiece", "transformers"} if codes == TOKENISER else set()
            assert {Requirement(line).name for line in asked} == {*REQUIREMENTS, *further}


def test_a_library_that_is_not_installed_here_has_no_version() -> None:
    assert models._pinned("torch") == "torch==2.13.0"
    assert models._pinned("alpha-dimt-no-such-library") == "alpha-dimt-no-such-library"


def test_the_archive_has_every_file_of_the_package_and_nothing_else(tmp_path: Path) -> None:
    package = tmp_path / "package"
    for name in ("a.py", "b/c.py", "b/d.txt", "__pycache__/a.pyc"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(name)
    packed = archive(package)

    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        texts = {name: opened.read(name).decode() for name in opened.namelist()}
    assert texts == {f"package/{name}": name for name in ("a.py", "b/c.py", "b/d.txt")}
    shutil.copytree(package, tmp_path / "later/package", copy_function=shutil.copyfile)
    assert archive(tmp_path / "later/package") == packed
