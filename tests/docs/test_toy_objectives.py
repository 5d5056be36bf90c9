"""docs/results/toy_objectives.md: its numbers are those of the files that are kept beside it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import Cells, cells, tables

RESULTS = Path(__file__).parents[2] / "docs/results"


@pytest.fixture(scope="module")
def toy() -> str:
    return (RESULTS / "toy_objectives.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def rebuilt(
    toy: str, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Cells]:
    """The table of training, by system, as the command of the page makes it."""
    [command] = re.findall(r"^    alpha-dimt (training-table .*)$", toy, flags=re.MULTILINE)
    out = tmp_path_factory.mktemp("rebuilt") / "training"
    assert "--out training " in command
    command = command.replace("--out training ", f"--out {out} ")
    subprocess.run(
        ["bash", "-c", f"{sys.executable} -m alpha_dimt {command}"],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository / "src")},
        check=True,
    )
    [rows] = tables(out.with_suffix(".md").read_text(encoding="utf-8"), "Source")
    return {row["System"]: row for row in rows}


def test_the_tables_are_what_the_kept_files_say(toy: str, rebuilt: dict[str, Cells]):
    shown = tables(toy, "System")
    compared = [
        (name, header, cell, rebuilt[name][header])
        for rows in shown
        for name, header, cell in cells(rows)
        if header in rebuilt[name]
    ]

    assert [entry for entry in compared if entry[2] != entry[3]] == []
    assert {name for name, *_ in compared} == rebuilt.keys()
    assert {"Test (greedy)", "Test (beam 10)", "ESS", "ms an update"} <= {
        header for _, header, *_ in compared
    }


FAILING = {"mixed", "on-policy0.5", "on-policy1", "policy-gradient-entropy"}


def test_what_works_beats_an_untrained_model_with_every_seed():
    """The page names those that fail, the untrained model and the lowest BLEU of the others."""
    lowest: dict[str, float] = {}
    for path in (RESULTS / "toy_objectives/runs").glob("*/seed*/scores/test.*.json"):
        score = json.loads(path.read_text(encoding="utf-8"))["scores"]["multi_bleu"]["value"]
        system = path.parts[-4]
        lowest[system] = min(score, lowest.get(system, 100.0))

    working = {system: score for system, score in lowest.items() if system not in FAILING}
    assert working.pop("untrained") == 0
    assert len(working) == 14
    assert int(min(working.values())) == 35


def test_every_run_is_kept_whole(rebuilt: dict[str, Cells]):
    folders = sorted((RESULTS / "toy_objectives/runs").glob("*/seed*"))

    assert len(folders) == 3 * len(rebuilt)
    for folder in folders:
        kept = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        scores = {f"scores/{name}.json" for name in ("valid.greedy", "test.greedy", "test.beam")}
        assert kept == {"config.json", "run.json", "metrics.jsonl", *scores}, folder
