"""pyproject.toml, environment.yml and requirements.lock name the same things."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from requirement_names import by_name

LOCKS = ("requirements.lock", "requirements-torch.lock")


@pytest.fixture(scope="module")
def project(repository: Path) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def of_the_workflow(project: dict) -> list[str]:
    """The requirements of `alpha-dimt[workflow]`, which names two other extras."""
    extras = project["optional-dependencies"]
    itself, *workflow = extras["workflow"]
    assert itself == "alpha-dimt[mlflow,report]"
    return [*project["dependencies"], *workflow, *extras["mlflow"], *extras["report"]]


@pytest.fixture(scope="module")
def lock(repository: Path) -> dict[str, str]:
    pins = [line.split("==") for line in pins_of(repository)]
    return {canonicalize_name(name): version.rstrip(" \\") for name, version in pins}


def pins_of(repository: Path) -> list[str]:
    """The lines of both locks that name a version."""
    texts = [(repository / lock).read_text(encoding="utf-8") for lock in LOCKS]
    return [line for text in texts for line in text.splitlines() if "==" in line]


def test_conda_and_pip_ask_for_the_same(repository: Path, project: dict):
    environment = yaml.safe_load((repository / "environment.yml").read_text(encoding="utf-8"))
    [pip] = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    named = by_name([*conda, *pip])
    python = named.pop("python").specifier
    named.pop("pip")

    assert python == Requirement(f"python{project['requires-python']}").specifier
    assert {name: r.specifier for name, r in named.items()} == {
        name: r.specifier for name, r in by_name(of_the_workflow(project)).items()
    }


def test_the_bare_package_takes_little(project: dict):
    """Who wants the objectives in a loop of their own gets PyTorch and what reads their options."""
    assert by_name(project["dependencies"]).keys() == {"numpy", "pydantic", "pyyaml", "torch"}


def test_the_lock_fits_the_project(project: dict, lock: dict[str, str]):
    extras = project["optional-dependencies"]
    others = [extras[name] for name in extras if name != "workflow"]
    wanted = by_name([*of_the_workflow(project), *(line for extra in others for line in extra)])
    wanted.pop("alpha-dimt")  # of an extra that contains another one
    for name, requirement in wanted.items():
        assert name in lock, f"{name} is not locked: run `make lock`"
        assert requirement.specifier.contains(lock[name]), f"{name}: run `make lock`"


def test_the_lock_is_exact_and_names_no_place(repository: Path):
    forms = r"#.*|[A-Za-z0-9._-]+==[A-Za-z0-9.]+( \\)?|    --hash=sha256:[0-9a-f]{64}( \\)?"
    for lock in LOCKS:
        for line in (repository / lock).read_text(encoding="utf-8").splitlines():
            assert re.fullmatch(forms, line), line


def test_every_pin_but_pytorch_has_its_checksums(repository: Path):
    lines = (repository / LOCKS[0]).read_text(encoding="utf-8").splitlines()
    [*pins] = [number for number, line in enumerate(lines) if "==" in line]
    assert all("--hash" in lines[number + 1] for number in pins)
    assert not [line for line in lines if line.startswith("torch==")]
    assert [line for line in pins_of(repository) if line.startswith("torch==")]


def test_the_pins_that_the_project_was_tried_with(lock: dict[str, str]):
    assert lock["torch"] == "2.13.0"
    assert lock["mlflow"] == "3.17.2"
    assert lock["snakemake"].startswith("9.")
