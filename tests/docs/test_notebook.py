"""docs/how-to/notebook.md: its programs run and print what it says."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
from fenced import block

from alpha_dimt import results

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs/how-to/notebook.md").read_text(encoding="utf-8")


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of a notebook after its first cell, the working directory being a new one."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(block(DOC, "python"), "notebook.md", "exec"), names)
    names["printed"] = printed.getvalue()
    return names


def test_groups_and_pivots_print_what_the_page_shows(notebook: dict[str, Any]) -> None:
    assert notebook["printed"] == block(DOC, "text")


def test_the_plot_is_drawn(notebook: dict[str, Any], tmp_path: Path) -> None:
    exec(block(DOC, "python title=plot"), notebook)
    drawn = (tmp_path / "curves.svg").read_text(encoding="utf-8")
    systems = list(notebook["study"].runs["system"].cat.categories)
    places = [drawn.index(f">{system}</text>") for system in systems]
    assert places == sorted(places)


def test_alpha_becomes_a_number(notebook: dict[str, Any], capsys: pytest.CaptureFixture[str]):
    exec(block(DOC, "python title=alpha"), notebook)
    shown = re.findall(r"^(0\.\d) +\d+\.0$", capsys.readouterr().out, flags=re.MULTILINE)
    assert shown == ["0.0", "0.3", "0.5", "0.7"]


def test_the_columns_that_the_page_names_exist(notebook: dict[str, Any]) -> None:
    for name, columns in re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", DOC, flags=re.MULTILINE):
        frame = getattr(notebook["study"], name)
        assert set(re.findall(r"`(\w+)`", columns)) <= set(frame.columns)


@pytest.mark.parametrize("name", ["run", "epoch", "score"])
def test_the_help_names_every_column(notebook: dict[str, Any], name: str) -> None:
    text = getattr(results, f"{name}_frame").__doc__
    frame = getattr(notebook["study"], f"{name}s")
    metrics = {"mean_reward", "weighted_reward", "kl_q_p", "kl_p_q", "reference_share"}
    metrics |= {name for name in frame.columns if name.startswith(("train_", "valid_"))}
    assert [
        column for column in frame.columns if column not in text and column not in metrics
    ] == []
