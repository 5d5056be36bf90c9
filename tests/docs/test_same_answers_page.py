"""docs/notes/speed.md, "The same answers": the table is that of the runs that are kept."""

from pathlib import Path

from alpha_dimt.core.files import read_json
from benchmarks.same_answers import table

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "docs/results"


def test_the_curves_are_those_of_the_kept_runs() -> None:
    fast = [KEPT / f"multi30k/runs/ml/seed{seed}" for seed in (1, 2, 3)]
    plain = [KEPT / f"same_answers/seed{seed}" for seed in (1, 2, 3)]
    assert [read_json(run / "run.json")["precision"] for run in plain] == ["float32"] * 3
    for a, b in zip(fast, plain, strict=True):
        assert read_json(a / "run.json")["data"] == read_json(b / "run.json")["data"]
    page = (ROOT / "docs/notes/speed.md").read_text(encoding="utf-8")
    assert table(fast, plain) in page
