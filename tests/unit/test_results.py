"""The frames against runs written by hand."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from finished_runs import SYSTEMS, make_run
from scored_runs import edit

from alpha_dimt import results
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json, write_json, write_text
from alpha_dimt.tables.summary import by_system, summarise
from alpha_dimt.tables.training import figures_of

BLEU = {("raml", 1): 40.0, ("raml", 3): 42.5, ("ml", 2): 39.0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two systems of uneven seeds, "raml" first in Table 1."""
    folder = tmp_path / "results/toy"
    for run, bleu in BLEU.items():
        make_run(folder, *run, bleu)
    made_from = [[f"{system}/seed{seed}", "identity"] for system, seed in BLEU]
    write_json(folder / "tables/table1.json", {"made_from": made_from})
    return folder


def test_a_row_a_run(folder: Path) -> None:
    runs = results.load(folder).runs

    assert list(zip(runs["system"], runs["seed"], strict=True)) == [
        *(("raml", 1), ("raml", 3), ("ml", 2)),
    ]
    assert list(runs["system"].cat.categories) == ["raml", "ml"]
    first, *_ = runs.to_dict("records")
    about = read_json(folder / "runs/raml/seed1/run.json")
    assert first == {
        "system": "raml",
        "seed": 1,
        "objective": "raml",
        "alpha": "0",
        "tau": "3.0",
        "corpus": "toy",
        "run_key": about["run_key"],
        "folder": str(folder / "runs/raml/seed1"),
        "epochs": 3,
        "best_epoch": 2,
        "average_nll": None,
        "parameters": 510_737,
        "batch_type": "sources",
        "batch_size": 128,
        "wall_seconds": 90.0,
        "ended": pd.Timestamp(about["ended_ms"], unit="ms", tz="UTC"),
        "precision": "bfloat16",
        "threads": 1,
        "processor": "AMD EPYC",
        "cores": 2,
        "device": "cpu",
        "gpu": None,
        "operating_system": "Linux",
        "code_version": "0.1.0+gabc",
        "torch": "2.13.0",
    }


def test_a_row_an_epoch_with_metrics_as_columns(folder: Path) -> None:
    epochs = results.load(folder).epochs

    assert len(epochs) == 9
    [row] = epochs[(epochs["seed"] == 3) & (epochs["epoch"] == 2)].to_dict("records")
    assert (row["step"], row["valid_bleu_greedy"], row["valid_nll_per_token"]) == (200, 41.5, 2.5)
    assert (row["ess"], row["epoch_seconds"], row["peak_memory_mb"]) == (8.0, 30.0, 502.0)
    assert epochs.loc[epochs["system"] == "ml", "ess"].isna().all()


def test_a_row_a_score(folder: Path) -> None:
    path = folder / "runs/ml/seed2/scores/test.beam.json"
    edit(path, "scores", "ter", value={"value": 45.5, "definition": "TER", "signature": "s"})
    scores = results.load(folder).scores

    assert len(scores) == 10
    of_ml = scores[scores["system"] == "ml"].set_index(["split", "search", "metric"])
    assert list(of_ml["value"]) == [39.0, 38.0, 37.0, 45.5]
    bleu, ter = of_ml.loc["test", "greedy", "multi_bleu"], of_ml.loc["test", "beam", "ter"]
    assert (bleu["brevity_penalty"], bleu["length_ratio"]) == (0.97, pytest.approx(0.96))
    assert (bleu["definition"], bleu["signature"]) == (
        *("multi-bleu, tokenised lower-cased", "nrefs:1|tok:none"),
    )
    assert (ter["definition"], ter["signature"]) == ("TER", "s")
    assert math.isnan(ter["brevity_penalty"])
    assert math.isnan(ter["length_ratio"])


def test_groups_and_pivots_keep_the_order_of_the_configuration(folder: Path) -> None:
    scores = results.load(folder).scores
    test = scores[scores["split"] == "test"]

    wide = test.pivot_table(index="system", columns="search", values="value", observed=True)
    assert list(wide.index) == ["raml", "ml"]
    assert list(wide["greedy"]) == [40.25, 38.0]
    assert list(test.groupby("system", observed=True)["value"].size()) == [4, 2]


def test_without_tables_systems_come_by_name(folder: Path) -> None:
    (folder / "tables/table1.json").unlink()
    assert list(results.load(folder).runs["system"]) == ["ml", "raml", "raml"]


def test_a_system_that_is_not_in_the_tables_comes_last(folder: Path) -> None:
    make_run(folder, "alpha0.5", 1, 41.0)
    categories = results.load(str(folder)).runs["system"].cat.categories
    assert list(categories) == ["raml", "ml", "alpha0.5"]


def test_a_run_without_scores_has_its_epochs(folder: Path) -> None:
    shutil.rmtree(folder / "runs/ml/seed2/scores")
    found = results.load(folder)
    assert list(found.runs["system"]) == ["raml", "raml", "ml"]
    assert set(found.scores["system"]) == {"raml"}
    assert len(found.epochs) == 9
    # With greedy scores alone, these are there.
    shutil.copytree(folder / "runs/raml/seed1/scores", folder / "runs/ml/seed2/scores")
    (folder / "runs/ml/seed2/scores/test.beam.json").unlink()
    counts = results.load(folder).scores.groupby("system", observed=True).size()
    assert counts.to_dict() == {"raml": 6, "ml": 2}


def test_no_run_with_scores_is_an_empty_frame(folder: Path) -> None:
    for scores in folder.glob("runs/*/*/scores"):
        shutil.rmtree(scores)
    scores = results.load(folder).scores
    assert scores.empty
    assert list(scores.columns) == [
        *("system", "seed", "split", "search", "metric", "value", "brevity_penalty"),
        *("length_ratio", "definition", "signature"),
    ]


def test_an_unfinished_run_is_left_out(folder: Path) -> None:
    (folder / "runs/raml/seed3/run.json").unlink()
    assert list(results.load(folder).runs["seed"]) == [1, 2]


def test_what_is_not_known_is_missing(folder: Path) -> None:
    path = folder / "runs/raml/seed1/run.json"
    known = {key: read_json(path)[key] for key in ("run_key", "data")}
    write_json(path, known)
    first = results.load(folder).runs.iloc[0]
    assert first[["epochs", "processor", "torch", "ended", "wall_seconds"]].isna().all()
    assert first["batch_size"] == 128


def test_a_metric_never_takes_the_place_of_the_epoch(folder: Path) -> None:
    path = folder / "runs/ml/seed2/metrics.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for record in records:
        record["metrics"] |= {"epoch": -1.0, "system": "mine", "seed": 7.5}
    write_text(path, "".join(json.dumps(record) + "\n" for record in records))
    epochs = results.load(folder).epochs
    assert list(epochs.loc[epochs["system"] == "ml", "epoch"]) == [1, 2, 3]
    assert set(epochs["seed"]) == {1, 2, 3}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("runs/ml/seed2/run.json", {"run_key": "other"}, "belongs to another configuration; train"),
        ("runs/ml/seed2/scores/test.beam.json", {}, r"lack the key .*; score the run again"),
        ("runs/ml/seed2/metrics.jsonl", 3, r"metrics\.jsonl: this is not what `train` writes"),
        ("runs/ml/seed2/metrics.jsonl", {"epoch": 1}, r"not what `train` writes \('metrics'\)"),
        ("tables/table1.json", {"made_from": 3}, "not what `alpha-dimt table` writes"),
    ],
)
def test_damaged_files_are_named(folder: Path, name: str, content: object, message: str) -> None:
    write_text(folder / name, json.dumps(content))
    with pytest.raises(UserError, match=message):
        results.load(folder)


def test_scores_without_the_metric_of_the_tables_are_refused(folder: Path) -> None:
    edit(folder / "runs/ml/seed2/scores/test.beam.json", "scores", value={})
    with pytest.raises(UserError, match="lack the key 'multi_bleu'; score the run again"):
        results.load(folder)


@pytest.mark.parametrize("key", ["machine", "best", "libraries", "ended_ms"])
def test_facts_of_another_kind_are_refused(folder: Path, key: str) -> None:
    edit(folder / "runs/ml/seed2/run.json", key, value="text")
    with pytest.raises(UserError, match=r"ml/seed2/run\.json: this is not what `train` writes"):
        results.load(folder)


def test_a_folder_without_runs_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no finished run .*; give the results folder"):
        results.load(tmp_path)


# ------------------------------------------------------------------------------- summaries


def test_mean_deviation_and_interval_in_closed_form() -> None:
    runs = pd.DataFrame(
        {
            "system": pd.Categorical(["b"] * 3 + ["a"], ["b", "a"]),
            "seed": [1, 2, 3, 1],
            **dict.fromkeys(("objective", "alpha", "tau", "corpus"), ""),
        }
    )
    figures = runs[["system", "seed"]].assign(x=[0.1, 0.2, 0.3, 7.0], y=np.nan)
    figures.loc[1:, "y"] = 1.0
    b, a = summarise(runs, figures.set_index(["system", "seed"])).to_dict("records")

    assert (b["system"], b["n_seeds"], b["seeds"]) == ("b", 3, "1 2 3")
    # Exactly rounded: a sum by floating-point additions would end in another digit.
    assert (b["x_mean"], b["x_sd"]) == (0.2, pytest.approx(0.1))
    # Student's t with two degrees of freedom.
    half = 4.302652730 * 0.1 / math.sqrt(3)
    assert (b["x_low"], b["x_high"]) == pytest.approx((0.2 - half, 0.2 + half), abs=1e-9)
    # One seed has a mean alone; a figure that one seed lacks is left out.
    assert (a["system"], a["x_mean"], a["y_mean"]) == ("a", 7.0, 1.0)
    assert all(math.isnan(a[f"x_{name}"]) for name in ("sd", "low", "high"))
    assert all(math.isnan(b[f"y_{name}"]) for name in ("mean", "sd", "low", "high"))


def test_scores_of_uneven_seeds_by_system() -> None:
    index = pd.MultiIndex.from_tuples(BLEU, names=["system", "seed"])
    assert by_system(pd.Series(BLEU.values(), index)) == {
        "raml": {1: 40.0, 3: 42.5},
        "ml": {2: 39.0},
    }


def test_an_update_costs_the_time_between_steps(tmp_path: Path) -> None:
    """Epochs of 100, 300 and 200 updates; the median of each run by itself."""
    for system in SYSTEMS:
        run = make_run(tmp_path, system, 1, 30.0)
        lines = (run / "metrics.jsonl").read_text(encoding="utf-8")
        lines = lines.replace('"step": 200', '"step": 400').replace('"step": 300', '"step": 600')
        write_text(run / "metrics.jsonl", lines)
    found = results.load(tmp_path)
    figures = figures_of(found.runs, found.epochs)
    # 29 seconds an epoch without validation: 290, 96.7 and 145 ms.
    assert list(figures["ms_per_update"]) == [145.0] * 3
