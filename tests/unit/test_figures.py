import json
import re
from pathlib import Path

from alpha_dimt.figures import learning_curves
from alpha_dimt.files import write_json, write_text


def make_run(root: Path, system: str, seed: int) -> Path:
    folder = root / system / f"seed{seed}"
    write_json(folder / "run.json", {"system": system, "seed": seed})
    records = [
        {
            "epoch": epoch,
            "metrics": {"valid_bleu_greedy": 10.0 * epoch + seed, "valid_nll_per_token": 5 / epoch},
        }
        for epoch in (1, 2, 3)
    ]
    write_text(folder / "metrics.jsonl", "".join(json.dumps(r) + "\n" for r in records))
    return folder


def test_seeds_of_a_system_share_a_colour_and_a_legend(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, system, seed) for system in ("ml", "raml") for seed in (1, 2, 3)]
    learning_curves(runs, out=tmp_path / "curves.svg")
    text = (tmp_path / "curves.svg").read_text(encoding="utf-8")

    # Two entries; their colours are those of two systems, three lines in two panels and a key each.
    assert re.findall(r">(\w+) \(seed ([\d, ]+)\)<", text) == [
        ("ml", "1, 2, 3"),
        ("raml", "1, 2, 3"),
    ]
    assert [text.count(f"stroke: {colour}") for colour in ("#1f77b4", "#ff7f0e")] == [7, 7]


def test_the_same_runs_make_the_same_bytes(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, "ml", 1)]
    for name in ("one.svg", "two.svg"):
        learning_curves(runs, out=tmp_path / name)

    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
