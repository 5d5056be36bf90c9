"""docs/results: the numbers of every page are those of the files that are kept beside it."""

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

RESULTS = Path(__file__).parents[2] / "docs/results"
Cells = dict[str, str]


def tables(text: str, first: str) -> list[list[Cells]]:
    """Return the tables of a page whose first header is this, one dictionary a row."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        header, _, *rows = [
            [cell.strip() for cell in line.strip("|\n ").split(" |")] for line in block.splitlines()
        ]
        if header[0] == first:
            found.append([dict(zip(header, row, strict=True)) for row in rows])
    return found


def cells(rows: list[Cells]) -> Iterator[tuple[str, str, str]]:
    """Yield system, header and cell."""
    for row in rows:
        name = next(iter(row.values()))
        yield from ((name, header, cell) for header, cell in list(row.items())[1:])


# ------------------------------------------------------------------------ toy_objectives.md


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


# ------------------------------------------------------------------------------ multi30k.md


@pytest.fixture(scope="module")
def multi30k() -> str:
    return (RESULTS / "multi30k.md").read_text(encoding="utf-8")


def test_multi30k_is_what_the_kept_files_say(multi30k: str):
    """Read as plain JSON: the configurations are those of an older commit."""
    rows = tables(multi30k, "system")[0]
    with (RESULTS / "multi30k/table1.csv").open(newline="", encoding="utf-8") as file:
        scores = {row["system"]: row for row in csv.DictReader(file) if row["source"] == "this run"}
    assert [row["system"] for row in rows] == list(scores)
    for row in rows:
        folder = RESULTS / f"multi30k/{row['system']}-seed1"
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        last = json.loads(lines[-1])["metrics"]
        score = scores[row["system"]]
        ess = last.get("ess_fraction") if row["system"] != "ml" else None
        assert row == {
            "system": run["system"],
            "dev greedy": f"{run['best']['valid_bleu_greedy']:.2f}",
            "test greedy": f"{float(score['test_greedy_mean']):.2f}",
            "test beam 10": f"{float(score['test_beam_mean']):.2f}",
            "best epoch of 16": str(run["best"]["epoch"]),
            "ESS fraction, last epoch": "-" if ess is None else f"{ess:.2f}",
            "minutes": f"{run['wall_seconds'] / 60:.0f}",
            # Of score files that were not kept.
            "brevity penalty, test greedy / beam": row["brevity penalty, test greedy / beam"],
        }
        assert f"{float(score['dev_greedy_mean']):.2f}" == row["dev greedy"]
        assert run["code_version"].split("+g")[1] in multi30k
        assert run["epochs"] == len(lines) == 16
