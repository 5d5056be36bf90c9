"""Names that a file system, Python or MLflow would refuse later are refused when they are read."""

import re
from pathlib import Path
from typing import Any

import pytest

from alpha_dimt.config import Experiment, parse
from alpha_dimt.core.errors import UserError
from alpha_dimt.tracking.records import flatten

ML = {"objective": "ml"}


def experiment(**changes: Any) -> Experiment:
    return parse(Experiment, {"corpus": {"kind": "toy"}, "systems": {"a": ML}, **changes}, "x.yaml")


def refused(key: str, **changes: Any) -> str:
    with pytest.raises(UserError) as caught:
        experiment(**changes)
    message = str(caught.value)
    assert message.startswith(f"x.yaml: {key}: "), message
    assert "\n" not in message
    return message


def test_reserved_names_in_results_are_refused(repository: Path):
    files = [repository / "Makefile", *(repository / "workflow").rglob("*.*")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    own = set(re.findall(r"results/([\w][\w.-]*)", text)) - {"toy"}
    assert {"downloads", "mlflow.db", "mlartifacts", "benchmarks", "slurm"} <= own

    for name in (*own, *map(str.upper, own), "mlflow.db-wal", "mlflow.db-shm"):
        assert f"results/{name} is the project's own" in refused(
            "corpus.name", corpus={"kind": "toy", "name": name}
        )
    assert experiment(corpus={"kind": "toy", "name": "slurm2"}).corpus.name == "slurm2"


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a b", "ü", "a\n", "a" * 101])
def test_a_name_that_cannot_be_a_folder(name: str):
    refused("corpus.name", corpus={"kind": "toy", "name": name})
    with pytest.raises(UserError, match=r"x\.yaml: systems"):
        experiment(systems={name: ML})


def test_the_longest_names_fit_into_the_names_of_files():
    longest = experiment(systems={"s" * 100: ML}, seeds=[2**31 - 1])
    [system], [seed] = longest.systems, longest.seeds
    assert len(f".decode.{system}.seed{seed}.valid.greedy.tsv.12345678.tmp") < 255


def test_systems_that_differ_in_case_alone():
    with pytest.raises(UserError, match="systems alpha and Alpha differ in upper and lower case"):
        experiment(systems={"alpha": ML, "Alpha": ML})


def custom(options: dict[str, Any]) -> dict[str, Any]:
    return {"objective": "custom", "function": "a:b", "options": options}


@pytest.mark.parametrize("key", ["a+b", "a b", "1", "", "a-b", "class", "a" * 101, "a..", "a=1"])
def test_an_option_that_is_not_a_keyword_argument(key: str):
    with pytest.raises(UserError, match=r"x\.yaml: systems\.a"):
        experiment(systems={"a": custom({key: 1})})
    other = {"objective": "interpolated", "ml_weight": 0.5, "other": custom({key: 1})}
    with pytest.raises(UserError, match=r"x\.yaml: systems\.a"):
        experiment(systems={"a": other})


def test_mlflow_takes_every_parameter_that_an_experiment_can_have():
    from mlflow.utils.validation import _validate_param

    corpus = {"kind": "multi30k", "sha256": {"train.de.gz": "0" * 64}}
    whole = experiment(
        corpus=corpus, systems={"s" * 100: custom({"größe": 1, "x" * 100: "y" * 9999})}
    )
    for key, value in flatten(whole.run_config("s" * 100, 1).model_dump(mode="json")).items():
        _validate_param(key, value)
    for name in ("a b", "a/b", "#", "..", ""):
        with pytest.raises(UserError, match=r"x\.yaml: corpus\.sha256"):
            experiment(corpus={"kind": "multi30k", "sha256": {name: "0" * 64}})


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:///results/mlflow.db",
        "sqlite:////home/a b/100%/ü/mlflow.db",
        "sqlite:///my.db?timeout=30",
        "http://127.0.0.1:5000",
        "https://user:secret@tracking.example.org/mlflow/",
        "http://[::1]:5000",
        "postgresql+psycopg2://me@host/runs?sslmode=require",
        "databricks",
        "databricks://profile",
        "plugin://anything?at=all#here",
    ],
)
def test_a_tracking_uri_that_mlflow_may_take(uri: str):
    assert experiment(tracking={"uri": uri}).tracking.uri == uri


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("", "name a database (sqlite:///results/mlflow.db) or a server"),
        ("mlruns", "name a database"),
        ("/srv/mlruns", "name a database"),
        ("file:///srv/mlruns", "name a database"),
        ("FILE:mlruns", "name a database"),
        ("localhost:5000", "write http://localhost:5000"),
        ("10.0.0.1:5000/mlflow", "write http://10.0.0.1:5000/mlflow"),
        (" http://a", "no spaces at its ends"),
        ("http://a\n", "no spaces at its ends"),
        ("sqlite://", "written sqlite:///results/mlflow.db"),
        ("sqlite:///", "written sqlite:///results/mlflow.db"),
        ("sqlite://mlflow.db", "written sqlite:///results/mlflow.db"),
        ("sqlite:mlflow.db", "written sqlite:///results/mlflow.db"),
        ("SQLite:///mlflow.db", "written sqlite:///results/mlflow.db"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///file:x?uri=true", "written sqlite:///"),
        ("sqlite:///~/mlflow.db", "no ~"),
        ("sqlite:////data/runs#2/mlflow.db", "no ~, #, ?"),
        ("sqlite:////data/what?/mlflow.db", "no ~, #, ?"),
        ("sqlite:///results/", "written sqlite:///"),
        ("sqlite+pysqlite:///a.db", "written sqlite:///"),
        ("http://", "has a host"),
        ("http:///mlflow", "has a host"),
        ("http://host:port", "has a host"),
        ("http://host:99999", "has a host"),
        ("http://host/#/experiments/1", "has a host"),
        ("http://[::1", "has a host"),
    ],
)
def test_a_tracking_uri_that_mlflow_cannot_take(uri: str, words: str):
    assert words in refused("tracking.uri", tracking={"uri": uri})


@pytest.mark.parametrize(
    "image",
    [
        "alpha-dimt.sif",
        "/images/alpha-dimt_0.1.0.sif",
        "docker://registry.example.org:5000/group/alpha-dimt:0.1.0+cu126",
        "docker://alpha-dimt@sha256:0123abcd",
    ],
)
def test_an_image_that_apptainer_may_take(image: str):
    assert experiment(container=image).container == image


@pytest.mark.parametrize("image", ["", "my image.sif", "--nv", "$(id)", "a;b", "{system}.sif"])
def test_an_image_that_a_shell_would_read_otherwise(image: str):
    assert "String should match pattern" in refused("container", container=image)
