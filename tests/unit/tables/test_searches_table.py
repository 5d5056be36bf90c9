"""The table of searches, from scores written by hand."""

import csv
from pathlib import Path
from typing import Any

import pytest
from finished_runs import make_run

from alpha_dimt.config.training import Decoding
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json, write_json
from alpha_dimt.tables.searches import write_searches_table

SEARCHES = Decoding(beam=4, length_bonus="tuned", temperatures=(0.5,)).searches


def finished(results: Path, system: str, seed: int) -> Path:
    """Write a run whose searches have 40, 41, .. BLEU, one more with each seed."""
    run = make_run(results, system, seed, 40.0)
    template = read_json(run / "scores/test.greedy.json")
    for number, (name, search) in enumerate(SEARCHES.items()):
        write_json(results / f"decoding/{name}.json", search.model_dump(mode="json"))
        report: dict[str, Any] = {
            **template,
            "scores": {
                "multi_bleu": {
                    **template["scores"]["multi_bleu"],
                    "value": 40.0 + number + seed,
                    "brevity_penalty": 0.9 + number / 100,
                }
            },
        }
        if name == "beam_tuned":
            report["translated"] = {"length_bonus": 0.2 * seed}
            report["translated"] |= {"run_key": None, "weights": None, "hypotheses": None}
        write_json(run / f"scores/test.{name}.json", report)
    return run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setattr("alpha_dimt.tables.searches.check_scored", lambda *_: None)
    return [finished(tmp_path, system, seed) for system in ("ml", "raml") for seed in (1, 2)]


def test_every_search_has_its_scores(tmp_path: Path, runs: list[Path]) -> None:
    out = tmp_path / "tables/searches"
    write_searches_table(runs, list(SEARCHES), out=out)
    with out.with_suffix(".csv").open(newline="") as file:
        ml, raml = csv.DictReader(file)
    assert (ml["system"], raml["system"]) == ("ml", "raml")
    for number, name in enumerate(SEARCHES):
        assert float(ml[f"{name}_bleu_mean"]) == pytest.approx(41.5 + number)
        assert float(ml[f"{name}_bleu_sd"]) == pytest.approx(0.5**0.5)
        assert float(ml[f"{name}_brevity_penalty_mean"]) == pytest.approx(0.9 + number / 100)
    assert float(ml["beam_tuned_length_bonus_mean"]) == pytest.approx(0.3)
    text = out.with_suffix(".md").read_text(encoding="utf-8")
    assert "| Greedy | BP (greedy) | Beam 4 | BP (beam 4) | Beam 4, tuned bonus |" in text
    assert "| Length bonus | Drawn, temperature 0.5 |" in text
    assert "| 41.50 ± 0.71 | 0.900 ± 0.000 | 42.50 ± 0.71 |" in text
    assert "the one with the best BLEU on dev" in text
    assert "at a lower temperature" in text


def test_notes_are_of_the_searches_that_were_made(tmp_path: Path, runs: list[Path]) -> None:
    out = tmp_path / "tables/searches"
    write_searches_table(runs, ["greedy", "beam"], out=out)
    text = out.with_suffix(".md").read_text(encoding="utf-8")
    assert "bonus" not in text
    assert "temperature" not in text


def test_a_search_that_was_not_made_is_an_error(tmp_path: Path, runs: list[Path]) -> None:
    (runs[2] / "scores/test.beam_tuned.json").unlink()
    with pytest.raises(UserError, match=r"raml/seed1/scores/test\.beam_tuned\.json"):
        write_searches_table(runs, list(SEARCHES), out=tmp_path / "tables/searches")
    assert not (tmp_path / "tables").exists()


def test_scores_of_other_weights_are_refused(tmp_path: Path) -> None:
    run = finished(tmp_path, "ml", 1)
    write_json(run / "run.json", read_json(run / "run.json") | {"files": {"weights": "ab"}})
    for name in ("valid.greedy", "test.greedy", "test.beam"):
        report = read_json(run / f"scores/{name}.json")
        about = {"run_key": read_json(run / "run.json")["run_key"], "weights": "ab"}
        report["translated"] = about | {"hypotheses": report["hypotheses"]["sha256"]}
        report["translated"]["decoding"] = SEARCHES["beam"].model_dump(mode="json")
        write_json(run / f"scores/{name}.json", report)
    with pytest.raises(UserError, match="not of translations by this run as it is now"):
        write_searches_table([run], list(SEARCHES), out=tmp_path / "tables/searches")
