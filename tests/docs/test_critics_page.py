"""docs/results/critics.md: its tables are what the files kept beside it say."""

import json
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
from pages import tables

from alpha_dimt.config import Experiment, RunConfig, load
from alpha_dimt.core.files import sha256
from alpha_dimt.evaluation.metrics import multi_bleu

ROOT = Path(__file__).parents[2]
PAGE, KEPT = ROOT / "docs/results/critics.md", ROOT / "docs/results/critics"
SCORES = {
    "Dev (greedy)": "valid.greedy",
    "Greedy": "test.greedy",
    "Beam 10": "test.beam",
    "Beam 10, tuned bonus": "test.beam_tuned",
    "Drawn, temperature 1": "test.sampled1",
    "Drawn, 0.7": "test.sampled0_7",
    "Drawn, 0.5": "test.sampled0_5",
}
LAST = {"Explained variance": "explained_variance", "TD error": "td_error"}
STUDIES = {"multi30k": "multi30k-critics.yaml", "toy": "critics.yaml"}


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def shown(values: list[float]) -> str:
    if not values:
        return "–"
    text = f"{mean(values):.2f}"
    return f"{text} ± {stdev(values):.2f}" if len(values) > 1 else text


def figures(system: Path, header: str) -> list[float]:
    """Return the figure of each seed of a system; none if it has no such figure."""
    found = []
    for run in sorted(system.glob("seed*")):
        if header in SCORES:
            report = read(run / f"scores/{SCORES[header]}.json")
            found.append(report["scores"]["multi_bleu"]["value"])
        else:
            last = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
            if LAST[header] in json.loads(last)["metrics"]:
                found.append(json.loads(last)["metrics"][LAST[header]])
    return found


@pytest.mark.parametrize("study", STUDIES)
def test_the_table_is_what_the_kept_files_say(study: str) -> None:
    place = list(STUDIES).index(study)
    rows = tables(PAGE.read_text(encoding="utf-8"), "System")[place]
    folders = {path.name for path in (KEPT / study / "runs").iterdir()}
    assert {row["System"] for row in rows} == folders
    for row in rows:
        system = KEPT / study / "runs" / row["System"]
        seeds = sorted(path.name.removeprefix("seed") for path in system.iterdir())
        assert row["Seeds"] == ", ".join(seeds)
        for header in (*SCORES, *LAST):
            assert row[header] == shown(figures(system, header)), (row["System"], header)


@pytest.mark.parametrize("study", STUDIES)
def test_the_runs_are_those_of_the_configuration(study: str) -> None:
    experiment = load(Experiment, ROOT / "config" / STUDIES[study])
    folders = list((KEPT / study / "runs").glob("*/seed*"))
    assert folders
    for folder in folders:
        config = load(RunConfig, folder / "config.json")
        about = read(folder / "run.json")
        assert about["run_key"] == config.fingerprint()
        ours = experiment.run_config(config.system, config.seed)
        assert config.objective == ours.objective
        assert config.model == ours.model
        assert config.training.model_dump() == ours.training.model_dump()


def test_the_page_names_the_code_that_trained() -> None:
    page = PAGE.read_text(encoding="utf-8")
    paths = list(KEPT.glob("*/runs/*/seed*/run.json"))
    assert paths
    for path in paths:
        assert read(path)["code_version"].split("+g")[-1][:12] in page, path


ENDLESS = 100
"""Words of a translation that does not end; references have 18 at most."""


def test_scores_without_the_sentences_that_some_system_translates_endlessly() -> None:
    reference = lines(KEPT / "toy/test.en")
    [rows] = tables(PAGE.read_text(encoding="utf-8"), "Greedy, without endless translations")
    systems = [row["Greedy, without endless translations"] for row in rows]
    for seed, removed in ((1, 2), (2, 6), (3, 4)):
        found = {
            system: lines(KEPT / f"toy/runs/{system}/seed{seed}/hypotheses/test.greedy.txt")
            for system in systems
        }
        kept = [
            i
            for i in range(len(reference))
            if all(len(text[i].split()) < ENDLESS for text in found.values())
        ]
        assert len(reference) - len(kept) == removed
        for row, text in zip(rows, found.values(), strict=True):
            score = multi_bleu([text[i] for i in kept], [reference[i] for i in kept])
            assert row[f"Seed {seed}"] == f"{score.value:.2f}"


def test_the_kept_translations_are_those_that_were_scored() -> None:
    paths = list(KEPT.glob("*/runs/*/seed*/hypotheses/*.txt"))
    assert paths
    for path in paths:
        report = read(path.parents[1] / f"scores/{path.stem}.json")
        assert report["hypotheses"]["sha256"] == sha256(path)
        assert report["references"]["tokenised"]["sha256"] == sha256(KEPT / "toy/test.en")


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
