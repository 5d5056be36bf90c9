"""docs/explanation/objectives.md: its programs run, print what it says, and its functions exist."""

import contextlib
import io
import re
from pathlib import Path

import pytest
import yaml
from fenced import block

from alpha_dimt import config

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs/explanation/objectives.md").read_text(encoding="utf-8")


def test_the_figures_of_tau_are_what_the_program_prints() -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block(DOC, "python"), "docs/explanation/objectives.md", "exec"), {})
    assert printed.getvalue() == block(DOC, "text")


@pytest.mark.parametrize("reference", sorted(set(re.findall(r"`([\w/]+\.py::\w+)`", DOC))))
def test_named_functions_exist(reference: str) -> None:
    path, name = reference.split("::")
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"!\[[^]]*\]\(([^)]+)\)", DOC))))
def test_figures_exist(target: str) -> None:
    assert (ROOT / "docs/explanation" / target).is_file()


@pytest.mark.parametrize(
    "entry", [text for text in re.findall(r"`(\{objective: [^`]*\})`", DOC) if "..." not in text]
)
def test_every_config_of_the_table_is_one(entry: str) -> None:
    values = {"corpus": {"kind": "toy"}, "systems": {"one": yaml.safe_load(entry)}}
    config.parse(config.Experiment, values, "docs/explanation/objectives.md")
