from pathlib import Path
from typing import Any

import pytest
from finished_runs import make_run, make_study

from alpha_dimt.report.charts import all_charts, bleu_against_alpha
from alpha_dimt.report.figures import write_figures
from alpha_dimt.report.study import published_curves, read_study
from alpha_dimt.tables.table1 import read_published


def values(chart: Any) -> list[dict[str, Any]]:
    """Return the rows of all data sets of a chart."""
    plain = chart.to_dict()
    parts = [plain, *plain["layer"]]
    return [row for part in parts for row in part.get("data", {}).get("values", [])]


def test_bleu_against_alpha_is_mean_and_interval_of_the_seeds(tmp_path: Path) -> None:
    chart = bleu_against_alpha(read_study(make_study(tmp_path)))
    [row] = [
        row for row in values(chart)[:4] if (row["system"], row["search"]) == ("alpha0.5", "greedy")
    ]
    # Test greedy is 41.3 and 41.6; t with one degree of freedom is 12.706.
    assert (row["alpha"], row["bleu"]) == (0.5, pytest.approx(41.45))
    assert row["high"] - row["bleu"] == pytest.approx(12.7062 * 0.3 / 2, rel=1e-4)
    [raml, *_] = [row for row in values(chart) if row["system"] == "raml"]
    assert raml["alpha"] == 0
    assert "ml, beam: 38.45" in chart.to_dict()["description"]


def test_a_line_joins_what_differs_in_alpha_alone(tmp_path: Path) -> None:
    systems = {
        "raml": {"objective": "raml"},
        "half": {"objective": "alpha", "alpha": 0.5},
        "cold": {"objective": "alpha", "alpha": 0.5, "tau": 0.1},
    }
    runs = [make_run(tmp_path, name, seed, 40.0, systems) for name in systems for seed in (1, 2)]
    chart = bleu_against_alpha(read_study(runs))
    family = {row["system"]: row["family"] for row in values(chart) if "family" in row}
    assert family["raml"] == family["half"] != family["cold"]


def test_no_alpha_no_chart_of_it_and_ml_alone_has_no_weights(tmp_path: Path) -> None:
    systems = {"ml": {"objective": "ml"}, "gnmt": {"objective": "gnmt_mixture"}}
    study = read_study([make_run(tmp_path, "ml", 1, 30.0, systems)])
    assert all_charts(study).keys() == {"scores", "learning_curves", "nll", "lengths"}


def test_many_systems_have_room(tmp_path: Path) -> None:
    systems = {
        f"alpha{place / 20}": {"objective": "alpha", "alpha": place / 20} for place in range(20)
    }
    few = all_charts(read_study([make_run(tmp_path / "few", "ml", 1, 30.0)]))
    many = all_charts(
        read_study([make_run(tmp_path / "many", name, 1, 30.0, systems) for name in systems])
    )
    heights = {
        name: (few[name].to_dict()["height"], chart.to_dict()["height"])
        for name, chart in many.items()
        if name in few
    }
    # A row of 26 pixels for each; seven lines of names in the legend above the curves.
    assert heights["scores"] == heights["lengths"] == (300, 520)
    assert heights["nll"] == heights["learning_curves"] == (300, 390)


def test_curves_are_those_of_the_runs_and_of_the_authors(tmp_path: Path) -> None:
    study = read_study(make_study(tmp_path))
    rows = values(all_charts(study)["learning_curves"])
    ours = {
        (row["system"], row["seed"], row["epoch"]): row["value"] for row in rows if "seed" in row
    }
    assert len(ours) == 18
    assert ours["ml", 2, 3] == pytest.approx(40.6)
    means = {(row["system"], row["epoch"]): row["value"] for row in rows if "seeds" in row}
    assert means["ml", 3] == pytest.approx(40.45)
    theirs = [row for row in rows if "published" in row]
    # As far as ours go: five runs, three epochs.
    assert len(theirs) == 15
    assert {"published": "ml, authors, IWSLT'14", "epoch": 2, "value": 18.53} in theirs


def test_a_mean_is_of_epochs_that_all_seeds_have(tmp_path: Path) -> None:
    runs = make_study(tmp_path)
    lines = (runs[1] / "metrics.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (runs[1] / "metrics.jsonl").write_text("".join(lines[:2]), encoding="utf-8")
    chart = all_charts(read_study(runs))["nll"]
    means = [(row["system"], row["epoch"]) for row in values(chart) if "seeds" in row]
    assert [epoch for system, epoch in means if system == "ml"] == [1, 2]
    assert [epoch for system, epoch in means if system == "raml"] == [1, 2, 3]
    assert "ml: last 2.50, best 2.50; raml: last 1.67, best 1.67" in chart.to_dict()["description"]


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    chart = all_charts(read_study([make_run(tmp_path, "ml", 1, 30.0)]))["scores"]
    ends = [(row["low"], row["bleu"], row["high"]) for row in values(chart) if "low" in row]
    assert set(ends) == {(29.0,) * 3, (28.0,) * 3}
    assert chart.to_dict()["description"].endswith("ml, greedy: 29.00; ml, beam: 28.00.")


def test_the_authors_curves_are_whole() -> None:
    curves = published_curves()
    assert len(curves) == 139
    # The best dev BLEU of each is that of Table 1.
    published = read_published()
    ours = published[published["source"].str.startswith("Koyamada")]
    best = curves.groupby("run", sort=False)["value"].max()
    assert [f"{value:.2f}" for value in best] == list(ours["dev_greedy"])


def test_figures_are_files_and_the_same_runs_make_the_same_bytes(tmp_path: Path) -> None:
    runs = make_study(tmp_path / "toy")
    for name in ("one", "two"):
        write_figures(runs, out=tmp_path / name)
    for figure in ("scores.svg", "learning_curves.svg"):
        one, two = ((tmp_path / name / figure).read_bytes() for name in ("one", "two"))
        assert one == two
        assert b"alpha0.5" in one
