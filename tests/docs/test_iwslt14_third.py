"""docs/results/iwslt14-third.md: its protocol, and its tables from the files that are kept."""

import importlib.util
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from finished_runs import make_run
from pages import tables
from scipy import stats

from alpha_dimt.config import Experiment, RunConfig, load
from alpha_dimt.core.files import read_json, sha256, write_json
from alpha_dimt.evaluation.across_seeds import Scores
from alpha_dimt.runs.read import read_runs

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/results/iwslt14-third.md").read_text(encoding="utf-8")
KEPT = ROOT / "docs/results/iwslt14-third"
DIFFERENCE = 0.3
PRIMARY = ("ml", "raml", "alpha0.5")


def script() -> ModuleType:
    """Return docs/results/iwslt14_third.py as a module."""
    spec = importlib.util.spec_from_file_location("third", ROOT / "docs/results/iwslt14_third.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


third = script()


# ------------------------------------------------------------------------------- the protocol


def power(sd: float, seeds: int, level: float) -> float:
    """Return the power of a two-sided t test of two systems against the pooled variance."""
    # Three systems with all seeds, and two with three.
    freedom = 3 * (seeds - 1) + 2 * 2
    shift = DIFFERENCE / (sd * math.sqrt(2 / seeds))
    bound = stats.t.ppf(1 - level / 2, freedom)
    return float(stats.nct.sf(bound, freedom, shift) + stats.nct.cdf(-bound, freedom, shift))


def test_the_power_is_what_the_protocol_says() -> None:
    [rows] = tables(PAGE, "Standard deviation")
    assert len(rows) == 5
    for row in rows:
        for seeds in (6, 8, 10):
            for level in ("0.05", "0.025"):
                found = power(float(row["Standard deviation"]), seeds, float(level))
                assert row[f"{seeds} seeds, {level}"] == f"{found:.2f}"


def test_the_configuration_is_that_of_the_protocol() -> None:
    experiment = load(Experiment, ROOT / "config/iwslt14-third.yaml")
    paper = load(Experiment, ROOT / "config/iwslt14.yaml")
    assert experiment.model == paper.model
    assert experiment.proposal == paper.proposal
    ours, theirs = experiment.training.model_dump(), paper.training.model_dump()
    # No limit of epochs; and one thread, so that two trainings run side by side.
    assert {key for key in ours if ours[key] != theirs[key]} == {"max_epochs", "threads"}
    assert {key: ours[key] for key in ("min_epochs", "patience", "batch_size")} == {
        "min_epochs": 10,
        "patience": 5,
        "batch_size": 128,
    }
    for search in ("greedy", "beam"):
        assert experiment.decoding.searches[search] == paper.decoding.searches[search]
    seeds = {system: len(experiment.seeds_of(system)) for system in experiment.systems}
    assert {system for system in seeds if seeds[system] == 6} == {"ml", "raml", "alpha0.5"}
    assert set(seeds.values()) == {3, 6}
    for system in ("ml", "raml", "alpha0.3", "alpha0.5", "alpha0.7"):
        assert experiment.systems[system].model_dump() == paper.systems[system].model_dump()
    alone = experiment.proposal_of("alpha0.5-references").distribution
    assert alone == paper.proposal.distribution.model_copy(update={"max_edit_fraction": 0.0})
    for system in ("raml-k4", "alpha0.5-k4"):
        chosen = experiment.systems[system]
        assert (chosen.tau, chosen.normalise) == (0.7, "source")
        assert experiment.proposal_of(system).candidates == 4


@pytest.mark.parametrize("system", ["ml", "raml", "alpha0.5", "alpha0.3", "alpha0.7", "rf-c-ll"])
def test_every_system_has_a_row(system: str) -> None:
    named = [name for row in tables(PAGE, "System")[0] for name in row["System"].split(", ")]
    assert system in named


# ------------------------------------------------------------------- the tests that it names


def simulated() -> dict[str, Scores]:
    """Return scores in the five systems and those compared beside them."""
    draws = np.random.default_rng(1)
    seeds = dict.fromkeys(third.POOLED, 3) | dict.fromkeys(PRIMARY, 6)
    seeds |= {"alpha0.5-references": 3, "raml-k4": 3, "alpha0.5-k4": 3, "ac-ll": 2}
    return {
        header: {
            system: {seed: float(draws.normal(25, 0.2)) for seed in range(1, number + 1)}
            for system, number in seeds.items()
        }
        for header in (third.BEAM, third.GREEDY, third.LIKELIHOOD, third.BREVITY)
    }


def values(scores: Scores, system: str) -> np.ndarray:
    return np.array(list(scores[system].values()))


@pytest.mark.parametrize("first", ["ml", "raml"])
def test_a_primary_contrast_is_tested_against_the_variance_within_five_systems(first: str) -> None:
    found = simulated()
    table = third.planned_table(found)
    scores = found[third.BEAM]
    squares = sum(((values(scores, s) - values(scores, s).mean()) ** 2).sum() for s in third.POOLED)
    freedom = 3 * 5 + 2 * 2
    error = math.sqrt(squares / freedom * 2 / 6)
    difference = values(scores, "alpha0.5").mean() - values(scores, first).mean()
    half = stats.t.ppf(0.975, freedom) * error
    rows = table.rows.loc[third.BEAM].set_index("Difference of")
    row = rows.loc[f"alpha0.5 − {first}"].map(lambda text: text.replace("−", "-"))
    assert row["Difference"] == f"{difference:+.2f}"
    assert row["95 % interval"] == f"{difference - half:+.2f} to {difference + half:+.2f}"
    assert row["df"] == str(freedom)
    p = {
        system: 2
        * stats.t.sf(
            abs(values(scores, "alpha0.5").mean() - values(scores, system).mean()) / error, freedom
        )
        for system in ("ml", "raml")
    }
    assert row["p"] == f"{p[first]:.3f}"
    least, most = sorted(p.values())
    corrected = min(1, 2 * least) if p[first] == least else max(min(1, 2 * least), most)
    assert row["p (Holm)"] == f"{corrected:.3f}"
    paired = stats.ttest_rel(values(scores, "alpha0.5"), values(scores, first)).pvalue
    assert row["p (paired t)"] == f"{paired:.3f}"


def test_likelihood_is_tested_against_the_variance_by_seed_of_the_primary_systems() -> None:
    found = simulated()
    scores = found[third.LIKELIHOOD]
    grid = np.array([values(scores, system) for system in PRIMARY])
    rest = grid - grid.mean(0) - grid.mean(1, keepdims=True) + grid.mean()
    error = math.sqrt((rest**2).sum() / 10 * 2 / 6)
    rows = third.planned_table(found).rows.loc[third.LIKELIHOOD].set_index("Difference of")
    row = rows.loc["alpha0.5 − ml"]
    assert row["df"] == "10"
    t = (grid[2].mean() - grid[0].mean()) / error
    assert row["t"].replace("−", "-") == f"{t:+.2f}"


def test_the_slope_is_one_test_and_the_rest_only_intervals() -> None:
    found = simulated()
    scores = found[third.BEAM]
    rows = third.planned_table(found).rows.loc[third.BEAM].set_index("Difference of")
    alpha = {"raml": 0.0, "alpha0.3": 0.3, "alpha0.5": 0.5, "alpha0.7": 0.7}
    means = [values(scores, system).mean() for system in alpha]
    slope = stats.linregress(list(alpha.values()), means).slope
    assert rows.loc["slope over α", "Difference"].replace("−", "-") == f"{slope:+.2f}"
    assert rows.loc["slope over α", "p"] != ""
    only = ["alpha0.5 − alpha0.5-references", "alpha0.5-k4 − raml-k4", "ac-ll − ml"]
    assert list(rows.index)[3:] == only
    assert (rows.loc[only, "p"] == "").all()


def test_nothing_is_bold_but_a_significant_primary_contrast() -> None:
    found = simulated()
    assert not third.planned_table(found).strong.any()
    better = {seed: value + 5 for seed, value in found[third.BEAM]["alpha0.5"].items()}
    found[third.BEAM] = {**found[third.BEAM], "alpha0.5": better}
    found[third.GREEDY] = found[third.BEAM]
    table = third.planned_table(found)
    bold = table.rows.iloc[table.strong.any(axis=1).nonzero()[0]]
    assert set(bold.index) == {third.BEAM}
    assert list(bold["Difference of"]) == ["alpha0.5 − ml", "alpha0.5 − raml"]


def test_what_a_test_cannot_say_is_an_empty_text() -> None:
    """Differences that are the same in each seed have no t, but a sign flip."""
    found = simulated()
    better = {seed: value + 1 for seed, value in found[third.BEAM]["ml"].items()}
    found[third.BEAM] = {
        **found[third.BEAM],
        "alpha0.5": {s: float(round(v)) for s, v in better.items()},
    }
    found[third.BEAM]["ml"] = {s: v - 1 for s, v in found[third.BEAM]["alpha0.5"].items()}
    rows = third.planned_table(found).rows.loc[third.BEAM].set_index("Difference of")
    row = rows.loc["alpha0.5 − ml"]
    assert row["p (paired t)"] == ""
    assert row["p (sign flip)"] == f"{2 / 2**6:.3f}"


def test_with_nothing_kept_one_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path / "none", tmp_path):
        monkeypatch.setattr(third, "KEPT", folder)
        with pytest.raises(
            SystemExit, match=r"runs: no finished run is kept; give .*iwslt14-third"
        ):
            third.main()
    assert not list(tmp_path.iterdir())


def test_the_likelihood_of_averaged_weights_is_their_own(tmp_path: Path) -> None:
    run = make_run(tmp_path, "ml", 1, 40.0)
    config = read_json(run / "config.json")
    config["training"]["average"] = {"epochs": 2, "of": "best"}
    write_json(run / "config.json", config)
    key = load(RunConfig, run / "config.json").fingerprint()
    about = read_json(run / "run.json") | {"run_key": key}
    write_json(run / "run.json", about | {"average": {"valid_nll_per_token": 1.25}})
    other = make_run(tmp_path, "raml", 1, 40.0)
    found = third.columns(read_runs([run, other]))
    assert found[third.LIKELIHOOD] == {"ml": {1: 1.25}, "raml": {1: 2.5}}


def scattered(sd: float, seeds: int) -> Scores:
    """Return scores of the primary systems with this standard deviation in the first six seeds."""
    six = np.array([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0]) * sd * math.sqrt(5 / 6)
    further = np.full(max(0, seeds - 6), 30.0)  # far off: they must not count
    scores = [*six[:seeds], *further]
    return {system: dict(enumerate(map(float, scores), start=1)) for system in PRIMARY}


@pytest.mark.parametrize(
    ("sd", "seeds", "complete"),
    [
        (0.1, 5, False),
        (0.1, 6, True),
        (0.159, 6, True),
        (0.161, 6, False),
        (0.161, 9, False),
        (0.161, 10, True),
    ],
)
def test_seeds_end_as_the_stop_rule_says(sd: float, seeds: int, complete: bool) -> None:
    scores = scattered(sd, seeds)
    assert third.is_complete(scores) == complete
    if seeds >= 6:
        assert third.scatter(scores) == pytest.approx(sd)
        without = {**scores, "raml": {2: 0.0, **dict.fromkeys(range(3, 11), 0.0)}}
        assert not third.is_complete(without)


# ----------------------------------------------------------------------------- the kept files

KEPT_RUNS = third.kept_runs(KEPT)
some_are_kept = pytest.mark.skipif(not KEPT_RUNS, reason="no run of the study has ended yet")


@pytest.mark.parametrize("folder", KEPT_RUNS, ids=lambda run: f"{run.parent.name}-{run.name}")
def test_a_kept_run_is_one_of_the_configuration(folder: Path) -> None:
    config = load(RunConfig, folder / "config.json")
    experiment = load(Experiment, ROOT / "config/iwslt14-third.yaml")
    assert config.seed in experiment.seeds_of(config.system)
    assert config == experiment.run_config(config.system, config.seed)
    about = read_json(folder / "run.json")
    assert about["run_key"] == config.fingerprint()
    assert about["stopped"] == "patience"
    kept = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    translated = {"hypotheses/test.beam.txt"} if config.system in PRIMARY else set()
    scores = {f"scores/{name}.json" for name in third.SCORED}
    assert kept == {"config.json", "run.json", "metrics.jsonl", *scores, *translated}
    for name in translated:
        scored = read_json(folder / "scores/test.beam.json")["hypotheses"]["sha256"]
        assert scored == sha256(folder / name)
    assert about["code_version"].split("+g")[1][:12] in PAGE


@some_are_kept
def test_the_tables_are_made_from_the_kept_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").symlink_to(KEPT / "runs")
    monkeypatch.setattr(third, "KEPT", tmp_path)
    third.main()
    made = {path.name for path in (tmp_path / "tables").iterdir()}
    assert made == {path.name for path in (KEPT / "tables").iterdir()}
    for name in made:
        assert (tmp_path / "tables" / name).read_bytes() == (KEPT / "tables" / name).read_bytes()


@some_are_kept
def test_contrasts_wait_for_the_last_primary_run() -> None:
    complete = third.is_complete(third.columns(read_runs(KEPT_RUNS))[third.BEAM])
    assert (KEPT / "tables/planned.md").exists() == complete
