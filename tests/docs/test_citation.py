"""CITATION.cff: the keys that its format 1.2.0 requires, and the facts that stand elsewhere."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from alpha_dimt import __version__

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def citation() -> dict[str, Any]:
    cff: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    return cff


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, Any] = pyproject["project"]
    return found


def test_it_has_what_the_format_requires(citation: dict[str, Any]) -> None:
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    assert citation["type"] == "software"
    for cited in (citation, *citation["references"]):
        assert cited["authors"]
        for author in cited["authors"]:
            assert author.keys() in ({"name"}, {"given-names", "family-names"})
    for reference in citation["references"]:
        assert {"authors", "title", "type"} <= reference.keys()


def test_it_is_of_this_version(citation: dict[str, Any], project: dict[str, Any]) -> None:
    # Unquoted, a version of two numbers would be read as a fraction.
    assert citation["version"] == project["version"] == __version__


def test_the_licence_is_the_same_everywhere(
    citation: dict[str, Any], project: dict[str, Any]
) -> None:
    kind, _, holder, *_ = (ROOT / "LICENSE").read_text(encoding="utf-8").splitlines()
    assert citation["license"] == project["license"] == "MIT"
    assert kind == "MIT License"
    assert [author["name"] for author in citation["authors"]] == [holder.partition("2026 ")[2]]


def test_the_paper_is_cited(citation: dict[str, Any]) -> None:
    [paper] = citation["references"]
    names = [author["family-names"] for author in paper["authors"]]
    assert names == ["Koyamada", "Kikuchi", "Kanemura", "Maeda", "Ishii"]
    assert paper["title"] == "Neural Sequence Model Training via α-divergence Minimization"
    assert paper["year"] == 2017
    assert paper["url"].rpartition("/")[2] == "1706.10031"
    assert {"type": "other", "value": "arXiv:1706.10031"} in paper["identifiers"]
