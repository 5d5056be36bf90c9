"""A configured system trains with its equation: loss and gradient, by value."""

from typing import Any

import formulas
import numpy as np
import pytest
import subject
from configured import (
    DEFAULTS,
    ONE_OF_EACH,
    WORD_BY_WORD,
    complete,
    every_system,
    experiment_with,
    values_of,
)

MOMENTS = [(1, 0), (2, 1), (3, 0), (5, 2), (9, 4), (40, 11)]
"""Epochs, and the number of decays of the learning rate before them."""


def candidates() -> dict[str, np.ndarray]:
    """Four sources with five candidates each; no two figures are alike."""
    rng = np.random.default_rng(5)
    shape = (4, 5)
    lengths = rng.integers(2, 14, shape)
    lengths[1, 2] = 0  # a chunk that begins after the end
    reference = rng.random(shape) < 0.3
    distinct = rng.random(shape) < 0.7
    distinct[:, 0] = True
    return {
        "log_p": -rng.uniform(0.5, 3.0, shape),
        "lengths": lengths,
        "reward": np.where(rng.random(shape) < 0.5, -rng.integers(0, 4, shape), rng.random(shape)),
        "log_q0": -rng.uniform(0, 9, shape),
        "reference": reference,
        "distinct": distinct,
        "mean_log_p": -rng.uniform(20.0, 30.0, shape),
    }


def check(options: Any, expected: dict[str, Any]) -> None:
    assert subject.sources(options) == formulas.sources(expected)
    if expected["objective"] in WORD_BY_WORD:
        return
    for epoch, decays in MOMENTS:
        value, gradient = subject.bound_loss(options, candidates(), epoch=epoch, decays=decays)
        wanted, wanted_gradient = formulas.loss(expected, candidates(), epoch, decays)
        assert value == pytest.approx(wanted, rel=1e-9), (epoch, decays)
        np.testing.assert_allclose(gradient, wanted_gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("file", "system"), every_system().values(), ids=every_system())
def test_every_configured_system(file: str, system: str) -> None:
    options = subject.configured(file).run_config(system, 1).objective
    check(options, complete(values_of(file)["systems"][system]))


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_one_of_each(name: str) -> None:
    made = subject.experiment(experiment_with({name: ONE_OF_EACH[name]}))
    check(made.run_config(name, 1).objective, complete(ONE_OF_EACH[name]))


def test_every_kind_of_objective_is_here() -> None:
    kinds = {system["objective"] for system in ONE_OF_EACH.values()}
    assert kinds == set(DEFAULTS) == subject.objective_kinds()


@pytest.mark.parametrize(("file", "system"), every_system().values(), ids=every_system())
def test_a_run_has_a_proposal_exactly_if_it_trains_on_its_candidates(
    file: str, system: str
) -> None:
    run = subject.configured(file).run_config(system, 1)
    assert (run.proposal is not None) == formulas.sources(
        complete(values_of(file)["systems"][system])
    )["proposal"]


# ------------------------------------------------------------- by hand, without the formulas


HAND = {
    "log_p": np.log([[0.5, 0.25], [0.125, 0.0625]]),
    "lengths": np.array([[1, 2], [3, 4]]),
    "reward": np.array([[0.0, -1.0], [-2.0, 0.0]]),
    "log_q0": np.log([[0.5, 0.25], [0.5, 0.5]]),
    "reference": np.array([[True, False], [False, True]]),
    "distinct": np.array([[True, True], [True, True]]),
}


def weights(options: dict[str, Any], epoch: int = 1, decays: int = 0) -> list[list[float]]:
    made = subject.experiment(experiment_with({"a": options})).run_config("a", 1).objective
    return (-subject.bound_loss(made, HAND, epoch=epoch, decays=decays)[1]).tolist()


def test_raml_does_not_look_at_the_model() -> None:
    """With tau 1 the weights of Table 1 are exp(r) over the batch: 1, 1/e, 1/e^2, 1."""
    e = np.e
    total = 1 + 1 / e + 1 / e**2 + 1
    expected = np.array([[1, 1 / e], [1 / e**2, 1]]) / total
    np.testing.assert_allclose(weights({"objective": "raml", "tau": 1.0}), expected)


def test_alpha_one_looks_at_the_model_alone() -> None:
    """Summed log p, one group a source: p(1) / (p(1) + p(2))."""
    options = {"objective": "alpha", "alpha": 1.0, "log_p": "sum", "normalise": "source"}
    found = weights(options)
    np.testing.assert_allclose(found, np.array([[2, 1], [2, 1]]) / 3 / 2)
    divided = weights(options | {"log_q0": True})
    np.testing.assert_allclose(divided, np.array([[0.5, 0.5], [2 / 3, 1 / 3]]) / 2)


def test_alpha_follows_its_schedule() -> None:
    """At epoch 3 of a line from 0 to 1 over 5 epochs, alpha is a half."""
    schedule = {"kind": "linear", "start": 0.0, "end": 1.0, "epochs": 5}
    options = {"objective": "alpha", "log_p": "sum", "normalise": "source", "tau": 1.0}
    found = weights(options | {"alpha": schedule}, epoch=3)
    odds = np.sqrt(np.exp(HAND["log_p"]) * np.exp(HAND["reward"]))
    np.testing.assert_allclose(found, odds / odds.sum(axis=1, keepdims=True) / 2)


def test_minimum_risk_sharpens_by_an_exponent() -> None:
    """With the exponent 2, Q of the first source is 4/5 and 1/5, of the second the same."""
    q = np.array([[0.8, 0.2], [0.8, 0.2]])
    risk = (q * HAND["reward"]).sum(axis=1, keepdims=True)
    expected = 2 * q * (HAND["reward"] - risk) / 2
    np.testing.assert_allclose(weights({"objective": "mrt", "sharpness": 2.0}), expected)


def test_the_interpolations_weight_is_that_of_the_likelihood() -> None:
    options = {"objective": "interpolated", "ml_weight": 0.25, "other": {"objective": "raml"}}
    found = np.array(weights(options))
    np.testing.assert_allclose(found[:, 0], 0.25 / 2)
    # The candidates of RAML are the others: one group of two.
    odds = np.exp(HAND["reward"][:, 1] / 3.0)
    np.testing.assert_allclose(found[:, 1], 0.75 * odds / odds.sum())
