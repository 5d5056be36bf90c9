from typing import Any

import pytest

from alpha_dimt.config import Experiment, parse
from alpha_dimt.config.objectives import InterpolatedConfig
from alpha_dimt.core.errors import UserError

ALPHA = {"objective": "alpha", "alpha": 0.5}


def experiment(**values: Any) -> Experiment:
    return parse(Experiment, {"corpus": {"kind": "toy"}, **values}, "test.yaml")


def test_the_paper_as_printed():
    config = experiment(preset="paper", systems={"a": ALPHA, "ml": {"objective": "ml"}})

    system = config.systems["a"]
    assert (system.normalise, system.log_p, system.log_q0) == ("source", "sum", True)
    assert config.proposal.candidates == 8
    assert config.systems["ml"] == experiment(systems={"ml": {"objective": "ml"}}).systems["ml"]


def test_the_authors_code():
    config = experiment(preset="reference", systems={"a": ALPHA, "ml": {"objective": "ml"}})

    system = config.systems["a"]
    assert (system.normalise, system.log_p, system.log_q0) == ("batch", "padded_mean", False)
    assert system.chunk == 32
    assert config.training_of("a").batches == "fixed"
    assert config.training_of("ml").batches == "dealt"
    assert config.decoding.ended == "extended"
    assert experiment(systems={"a": ALPHA}).decoding.ended == "kept"
    assert config.proposal.distribution.reference_quirks


def test_keys_that_are_given_win():
    system = {**ALPHA, "log_p": "mean", "training": {"max_epochs": 3}}
    config = experiment(preset="reference", systems={"a": system}, proposal={"candidates": 2})

    assert config.systems["a"].log_p == "mean"
    assert config.systems["a"].chunk == 32
    assert config.systems["a"].training == {"batches": "fixed", "max_epochs": 3}
    assert config.proposal.candidates == 2
    assert config.proposal.distribution.reference_quirks


def test_another_distribution_keeps_its_own_keys():
    proposal = {"distribution": {"kind": "ngram"}}
    config = experiment(preset="reference", systems={"a": ALPHA}, proposal=proposal)

    assert config.proposal.distribution.kind == "ngram"


def test_the_objective_inside_an_interpolated_one_has_the_preset_too():
    system = {"objective": "interpolated", "ml_weight": 0.3, "other": ALPHA}
    config = experiment(preset="reference", systems={"a": system})

    mixed = config.systems["a"]
    assert isinstance(mixed, InterpolatedConfig)
    assert mixed.other.log_p == "padded_mean"
    assert mixed.training == {"batches": "fixed"}


@pytest.mark.parametrize("whole", [{"samples": 2}, {"weights": "uniform"}])
def test_a_preset_asks_for_no_chunks_of_whole_sentences(whole: dict[str, Any]):
    raml = {"objective": "raml", **whole}
    mixed = {"objective": "interpolated", "ml_weight": 0.5, "other": raml}
    config = experiment(preset="reference", systems={"a": raml, "b": mixed})

    a, b = config.systems.values()
    assert isinstance(b, InterpolatedConfig)
    assert (a.chunk, a.log_p, b.other.chunk, b.other.log_p) == (
        *(None, "padded_mean"),
        *(None, "padded_mean"),
    )


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"preset": ["paper"]}, "preset"),
        ({"preset": "papers"}, "preset"),
        ({"preset": "paper", "systems": ["ml"]}, "systems"),
        ({"preset": "paper", "systems": {"a": None}}, "systems.a"),
        ({"preset": "paper", "proposal": 3}, "proposal"),
    ],
)
def test_impossible_values_are_refused_as_without_a_preset(changes: dict[str, Any], key: str):
    with pytest.raises(UserError) as error:
        experiment(**{"systems": {"a": ALPHA}, **changes})

    assert str(error.value).startswith(f"test.yaml: {key}: ")
