"""docs/results/iwslt14-third.md: the power that its protocol states, and its configuration."""

import math
from pathlib import Path

import pytest
from pages import tables
from scipy.stats import nct, t

from alpha_dimt.config import Experiment, load

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/results/iwslt14-third.md").read_text(encoding="utf-8")
DIFFERENCE = 0.3


def power(sd: float, seeds: int, level: float) -> float:
    """Return the power of a two-sided t test of two systems against the pooled variance."""
    # Three systems with all seeds, and two with three.
    freedom = 3 * (seeds - 1) + 2 * 2
    shift = DIFFERENCE / (sd * math.sqrt(2 / seeds))
    bound = t.ppf(1 - level / 2, freedom)
    return float(nct.sf(bound, freedom, shift) + nct.cdf(-bound, freedom, shift))


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
