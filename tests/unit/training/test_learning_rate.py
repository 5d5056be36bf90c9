import math

import pytest

from alpha_dimt.config.training import TrainingConfig
from alpha_dimt.training.learning_rate import DevDecay

RECIPE = TrainingConfig()


def run(
    bleus: list[float], recipe: TrainingConfig = RECIPE
) -> tuple[list[float], list[str | None]]:
    state, rates, stops = DevDecay(recipe.learning_rate), [], []
    for bleu in bleus:
        rates.append(state.learning_rate)
        state = state.after(bleu, 1.0, recipe)
        stops.append(state.stopped(recipe))
    return rates, stops


def test_the_authors_first_run_is_followed() -> None:
    """Validation BLEU and learning rates of their ML run, which ended after epoch 23."""
    bleus = [3.45, 18.53, 21.07, 22.42, 24.67, 25.57, 23.38, 28.39, 28.8, 28.53, 29.49, 29.51]
    bleus += [29.54, 29.52, 29.76, 29.61, 29.71, 29.83, 29.76, 29.79, 29.68, 29.71, 29.69]
    rates = [1.0] * 7 + [0.5] * 3 + [0.25] * 4 + [0.125] * 2 + [0.0625] + [0.05] * 6
    measured, stops = run(bleus)
    assert measured == rates
    assert stops == [None] * 22 + ["patience"]


def test_equal_bleu_is_no_new_best() -> None:
    assert run([10.0, 10.0, 10.0])[0] == [1.0, 1.0, 0.5]


def test_never_stops_early_up_to_min_epochs() -> None:
    stops = run([5.0] + [1.0] * 10)[1]
    assert stops[:10] == [None] * 10
    assert stops[10] == "patience"


@pytest.mark.parametrize("epochs", [1, 3])
def test_max_epochs(epochs: int) -> None:
    stops = run([float(i) for i in range(epochs)], TrainingConfig(max_epochs=epochs))[1]
    assert stops == [None] * (epochs - 1) + ["max_epochs"]


def test_decays_are_counted() -> None:
    state = DevDecay(1.0)
    for bleu in (1.0, 0.5, 2.0, 1.0, 1.0):
        state = state.after(bleu, 1.0, RECIPE)
    assert state.decays == 3


def epochs(*figures: tuple[float, float]) -> list[DevDecay]:
    """Return the state after each epoch with some BLEU and negative log-likelihood."""
    states = [DevDecay(1.0)]
    for bleu, nll in figures:
        states.append(states[-1].after(bleu, nll, RECIPE))
    return states[1:]


def test_while_bleu_is_0_the_likelihood_decides() -> None:
    states = epochs((0, 5.0), (0, 4.0), (0, 4.5), (0, 3.0))
    assert [state.best_epoch for state in states] == [1, 2, 2, 4]
    assert [state.learning_rate for state in states] == [1.0, 1.0, 0.5, 0.5]
    assert all(state.by_likelihood for state in states)


def test_from_the_first_bleu_on_bleu_alone_decides() -> None:
    states = epochs((0, 2.0), (0.1, 9.0), (0, 1.0), (0.1, 1.0), (0.2, 9.0))
    assert [state.best_epoch for state in states] == [1, 2, 2, 2, 5]
    assert [state.decays for state in states] == [0, 0, 1, 2, 2]
    assert not states[1].by_likelihood


@pytest.mark.parametrize("nll", [math.inf, math.nan])
def test_the_first_epoch_is_the_best_so_far_whatever_its_likelihood(nll: float) -> None:
    states = epochs((0, nll), (0, nll), (0, 3.0), (0, nll))
    assert [state.best_epoch for state in states] == [1, 2, 3, 3]
