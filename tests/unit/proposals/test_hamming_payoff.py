import math

import numpy as np
import pytest
from enumeration import (
    REFERENCE,
    SUBSTITUTES,
    assert_drawn_as_told,
    framed,
    log_probs,
    of_length,
    substitutes,
    total,
)
from hypothesis import given
from hypothesis import strategies as st

from alpha_dimt.core.ragged import Ragged
from alpha_dimt.proposals.hamming_payoff import HammingPayoff
from alpha_dimt.proposals.substitutes import Uniform

# tau and the share of words replaced, for 22,800 words, as Norouzi's rescaling gives them.
PUBLISHED = [(0.7, 0.003), (0.8, 0.023), (0.85, 0.050), (0.9, 0.097), (1.0, 0.269)]


@pytest.mark.parametrize(("tau", "rate"), PUBLISHED)
def test_rescaled_temperatures_corrupt_as_published(tau: float, rate: float) -> None:
    payoff = HammingPayoff(Uniform(22_800), tau, rescale=True)
    logit = payoff.logits(np.array([4]), np.array([0]))
    assert 1 / (1 + np.exp(-logit)) == pytest.approx([rate], abs=0.0005)
    targets = Ragged.from_rows([list(range(4, 24))] * 5000)
    edits = payoff.draw(targets, np.random.default_rng(0))
    assert edits.counts.mean() / 20 == pytest.approx(rate, rel=0.1)


@pytest.mark.parametrize("tau", [0.3, 1.0, 3.0])
def test_q0_is_the_payoff_distribution(tau: float) -> None:
    support = log_probs(HammingPayoff(Uniform(4), tau, rescale=False), REFERENCE, of_length(4))
    # Everything but a new <unk> is in the support.
    assert len(support) == 4 * 4 * 5 * 4
    reference = framed(REFERENCE)
    rewards = {y: -sum(a != b for a, b in zip(y, reference, strict=True)) for y in support}
    z = sum(math.exp(r / tau) for r in rewards.values())
    for y, log_q0 in support.items():
        assert log_q0 == pytest.approx(rewards[y] / tau - math.log(z), abs=1e-12)


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("kind", SUBSTITUTES)
def test_log_q0_sums_to_one_and_is_what_is_drawn(kind: str, rescale: bool) -> None:
    distribution = HammingPayoff(substitutes(kind), 0.9, rescale)
    candidates = of_length(len(REFERENCE))
    assert total(log_probs(distribution, REFERENCE, candidates)) == pytest.approx(1, abs=1e-9)
    assert_drawn_as_told(distribution, REFERENCE, candidates)


@given(
    st.lists(st.lists(st.integers(4, 8), max_size=9), min_size=1),
    st.floats(1e-3, 1e3),
    st.booleans(),
    st.integers(0, 99),
)
def test_log_q0_is_log_prob_at_any_temperature(
    rows: list[list[int]], tau: float, rescale: bool, seed: int
) -> None:
    targets = Ragged.from_rows(rows)
    distribution = HammingPayoff(Uniform(5), tau, rescale)
    edits = distribution.draw(targets, np.random.default_rng(seed))
    assert np.isfinite(edits.log_q0).all()
    found = distribution.log_prob(targets, edits.apply(targets))
    assert np.allclose(edits.log_q0, found, rtol=1e-12, atol=1e-12)
