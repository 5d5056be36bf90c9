import csv
import json
from pathlib import Path
from statistics import stdev
from typing import Any

import pytest

from alpha_dimt.config import Experiment, parse
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json, sha256, write_json, write_text
from alpha_dimt.tables.training import write_training_table

SYSTEMS = {
    "ml": {"objective": "ml"},
    "moving": {
        "objective": "alpha",
        "alpha": {"kind": "linear", "start": 0.0, "end": 0.9, "epochs": 8},
        "tau": 3.0,
    },
    "mixed": {
        "objective": "interpolated",
        "ml_weight": 0.3,
        "other": {"objective": "alpha", "alpha": 0.5, "tau": 0.25},
    },
    "payoff": {
        "objective": "raml",
        "weights": "uniform",
        "proposal": {"distribution": {"kind": "hamming_payoff", "tau": 0.7}},
    },
    "uniform": {"objective": "raml", "weights": "uniform"},
}
EXPERIMENT = parse(Experiment, {"corpus": {"kind": "toy"}, "systems": SYSTEMS}, "test")
WEIGHTS = {"ess": 8.0, "ess_fraction": 0.25, "reference_share": 0.5, "weight_entropy": 2.0}


def make_run(root: Path, system: str, seed: int, *, slower: float = 0.0) -> Path:
    """Write a finished run of three epochs of 100 updates: 2, 1 and 4 + `slower` seconds."""
    config = EXPERIMENT.run_config(system, seed)
    folder = root / "runs" / system / f"seed{seed}"
    write_json(folder / "config.json", config.model_dump(mode="json"))
    write_json(
        folder / "run.json",
        {
            "run_key": config.fingerprint(),
            "code_version": "0.1.0+gabc",
            "data": {"train.arrow": "ab", "valid.arrow": "cd"},
            "libraries": {"torch": "2.13.0"},
            "machine": {"processor": "AMD EPYC", "cores": 2, "device": "cpu"},
            "precision": "bfloat16",
            "threads": 1,
            "best": {"epoch": 2, "valid_bleu_greedy": 60.0},
            "epochs": 3,
            "wall_seconds": 10.0 + seed,
        },
    )
    records: list[dict[str, Any]] = []
    for epoch, seconds in enumerate((2.0, 1.0, 4.0 + slower), start=1):
        metrics = {"gradient_norm": 10.0 * epoch, **({} if system == "ml" else WEIGHTS)}
        timing = {
            "epoch_seconds": seconds + 0.5,
            "valid_seconds": 0.5,
            "target_tokens_per_second": 1000 * seconds,
        }
        records.append({"epoch": epoch, "step": 100 * epoch, "metrics": metrics, "timing": timing})
    write_text(folder / "metrics.jsonl", "".join(json.dumps(r) + "\n" for r in records))
    for less, name in enumerate(("valid.greedy", "test.greedy", "test.beam")):
        score = {
            "value": 60.0 + seed - less,
            "brevity_penalty": 0.97,
            "ratio": 0.95,
            "definition": "BLEU",
            "signature": "nrefs:1",
        }
        report = {
            "hypotheses": {"lines": 500, "sha256": f"{system}{seed}{name}"},
            "references": {"tokenised": {"sha256": name}},
            "scores": {"multi_bleu": score},
        }
        write_json(folder / "scores" / f"{name}.json", report)
    write_json(root / "decoding/beam.json", {"beam": 4})
    return folder


def table(out: Path) -> dict[str, dict[str, str]]:
    with out.with_suffix(".csv").open(newline="") as file:
        return {row["system"]: row for row in csv.DictReader(file)}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "tables" / "training"


def test_an_update_costs_the_median_over_epochs_without_validation(
    tmp_path: Path, out: Path
) -> None:
    write_training_table([make_run(tmp_path, "ml", 1)], out=out)
    row = table(out)["ml"]
    # 20, 10 and 40 ms.
    assert float(row["ms_per_update_mean"]) == pytest.approx(20)
    assert float(row["target_tokens_per_second_mean"]) == pytest.approx(2000)
    assert (row["epochs_mean"], row["best_epoch_mean"], row["wall_seconds_mean"]) == (
        *("3.0", "2.0"),
        "11.0",
    )
    assert row["ms_per_update_sd"] == ""


def test_weights_are_those_of_the_last_epoch(tmp_path: Path, out: Path) -> None:
    write_training_table([make_run(tmp_path, name, 1) for name in ("moving", "ml")], out=out)
    rows = table(out)
    assert float(rows["moving"]["ess_mean"]) == 8
    # 8 is a quarter of the group.
    assert float(rows["moving"]["group_mean"]) == 32
    assert float(rows["moving"]["gradient_norm_mean"]) == 30
    assert (rows["ml"]["ess_mean"], rows["ml"]["group_mean"]) == ("", "")
    text = out.with_suffix(".md").read_text()
    assert "| – | – | – | – | – | 30.00 |" in text


def test_several_seeds_are_mean_and_sample_deviation(tmp_path: Path, out: Path) -> None:
    write_training_table([make_run(tmp_path, "ml", seed) for seed in (3, 1, 2)], out=out)
    row = table(out)["ml"]
    assert (row["n_seeds"], row["seeds"]) == ("3", "1 2 3")
    assert float(row["test_beam_mean"]) == pytest.approx(60)
    assert float(row["wall_seconds_sd"]) == pytest.approx(stdev([11, 12, 13]))
    assert "| 62.00 ± 1.00 | 61.00 ± 1.00 | 60.00 ± 1.00 |" in out.with_suffix(".md").read_text()


def test_a_figure_that_one_seed_lacks_is_left_out(tmp_path: Path, out: Path) -> None:
    runs = [make_run(tmp_path, "moving", seed) for seed in (1, 2)]
    lines = (runs[1] / "metrics.jsonl").read_text().replace('"reference_share"', '"other"')
    write_text(runs[1] / "metrics.jsonl", lines)
    write_training_table(runs, out=out)
    row = table(out)["moving"]
    assert row["reference_share_mean"] == ""
    assert float(row["ess_mean"]) == 8


def test_an_objective_that_reports_half_of_the_figures(tmp_path: Path, out: Path) -> None:
    run = make_run(tmp_path, "moving", 1)
    lines = (run / "metrics.jsonl").read_text().replace('"ess_fraction"', '"mine"')
    write_text(run / "metrics.jsonl", lines)
    write_training_table([run], out=out)
    row = table(out)["moving"]
    assert (float(row["ess_mean"]), row["group_mean"]) == (8, "")


def test_settings_are_readable(tmp_path: Path, out: Path) -> None:
    write_training_table([make_run(tmp_path, name, 1) for name in SYSTEMS], out=out)
    rows = table(out)
    assert [(row["alpha"], row["tau"]) for row in rows.values()] == [
        ("", ""),
        ("0 to 0.9", "3.0"),
        ("0.5", "0.25"),
        ("0", "0.7"),
        ("0", ""),
    ]


def test_every_format_says_how_it_was_made(tmp_path: Path, out: Path) -> None:
    write_training_table([make_run(tmp_path, "ml", 1)], out=out)
    for suffix in (".md", ".tex", ".html"):
        text = out.with_suffix(suffix).read_text()
        assert "AMD EPYC (2 cores, cpu)" in text
        assert "0.1.0+gabc" in text
        assert "Test (beam 4)" in text
        assert "Table 1" not in text
    assert r"\label{tab:training}" in out.with_suffix(".tex").read_text()
    assert "<title>Training</title>" in out.with_suffix(".html").read_text()


def test_a_broken_line_is_named(tmp_path: Path, out: Path) -> None:
    run = make_run(tmp_path, "ml", 1)
    with (run / "metrics.jsonl").open("a") as file:
        file.write("{half a")
    with pytest.raises(UserError, match=r"metrics\.jsonl:4: this is not valid JSON"):
        write_training_table([run], out=out)
    assert not out.parent.exists()


@pytest.mark.parametrize(("key", "named"), [("wall_seconds", ""), ("machine", "processor, cores")])
def test_a_missing_key_is_named(tmp_path: Path, out: Path, key: str, named: str) -> None:
    run = make_run(tmp_path, "ml", 1)
    write_json(run / "run.json", {k: v for k, v in read_json(run / "run.json").items() if k != key})
    with pytest.raises(UserError, match=f"{named or key}.*train the run again"):
        write_training_table([run], out=out)


def test_epochs_that_were_changed_since(tmp_path: Path, out: Path) -> None:
    run = make_run(tmp_path, "ml", 1)
    about = read_json(run / "run.json") | {"metrics": sha256(run / "metrics.jsonl")}
    write_json(run / "run.json", about)
    write_training_table([run], out=out)
    text = (run / "metrics.jsonl").read_text(encoding="utf-8")
    write_text(run / "metrics.jsonl", text.replace("10.0", "11.0"))
    with pytest.raises(UserError, match=r"metrics\.jsonl: this is not the file that the training"):
        write_training_table([run], out=out)


def test_no_epochs_are_no_training(tmp_path: Path, out: Path) -> None:
    run = make_run(tmp_path, "ml", 1)
    write_text(run / "metrics.jsonl", "")
    with pytest.raises(UserError, match="train the run again"):
        write_training_table([run], out=out)
