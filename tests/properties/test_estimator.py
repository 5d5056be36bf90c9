"""Eq. 15 with K candidates from each proposal, against the exact gradient.

`docs/figures/estimator.py` draws what is tested here.
"""

import math
import re
from pathlib import Path

import pytest
import torch
from estimator import (
    PROPOSALS,
    Q0,
    SOURCE,
    every_q0,
    exact_weights,
    moments,
    on_policy_bias,
)
from exact import LONGEST, REFERENCES, Exact

K = {"the model": 2048}
"""Its weights are so uneven that fewer candidates are far from the limit; 256 for the others."""

REPETITIONS = 1000
NAMES = ["every sequence alike", "the model", *PROPOSALS]


@pytest.fixture(scope="module")
def exact() -> Exact:
    return Exact()


@pytest.fixture(scope="module")
def proposals(exact: Exact) -> dict[str, Q0]:
    return every_q0(exact)


@pytest.mark.parametrize("name", NAMES)
def test_eq_15_tends_to_the_exact_gradient(
    exact: Exact, proposals: dict[str, Q0], name: str
) -> None:
    """Bias and mean squared error fall as 1 / K, at the level that theory gives."""
    q0, k = proposals[name], K.get(name, 256)
    drawn = q0.draw(REPETITIONS * k, seed=1).view(REPETITIONS, k)
    many, few = moments(exact, q0, drawn), moments(exact, q0, drawn[:, : k // 8])

    assert (many.bias - many.bias_theory).norm() < 3.5 * many.bias_noise
    assert many.bias.norm() + many.bias_noise < 0.05
    assert many.mean_square == pytest.approx(many.mean_square_theory, rel=0.25)
    slope = math.log(many.mean_square / few.mean_square) / math.log(8)
    assert slope == pytest.approx(-1, abs=0.25)
    slope = math.log((many.bias.norm() / few.bias.norm()).item()) / math.log(8)
    assert slope == pytest.approx(-1, abs=0.35)


def test_more_candidates_do_not_reach_what_a_proposal_never_draws(
    exact: Exact, proposals: dict[str, Q0]
) -> None:
    """The limit is the gradient over the support, which has another direction."""
    scores = exact.scores[SOURCE]
    whole = exact_weights(exact, proposals["every sequence alike"], 0.5) @ scores
    for name, size in {
        "uniform_edit": 3**LONGEST,
        "hamming_payoff": 3**LONGEST,
        "edit_distance": 1 + 3 + 9 + 27,
        # One or two neighbouring words replaced: 3 * 2 + 2 * 4, never the reference.
        "ngram": 14,
        "mixture": 1 + 3 + 9 + 27,
        "the model": len(exact.sequences),
    }.items():
        q0 = proposals[name]
        assert int(q0.support.sum()) == size, name
        gradient = exact_weights(exact, q0, 0.5) @ scores
        cosine = torch.cosine_similarity(gradient, whole, dim=0).item()
        # As docs/explanation/objectives.md says.
        expected = {"the model": 1.0, "ngram": 0.663}.get(name, 0.678)
        assert cosine == pytest.approx(expected, abs=5e-4), name
    reference = exact.sequences.index(REFERENCES[SOURCE])
    assert not proposals["ngram"].support[reference]


def test_one_candidate_has_weight_1_whatever_alpha(exact: Exact, proposals: dict[str, Q0]) -> None:
    """K = 1 with the normaliser "source" is maximum likelihood of q0's candidates."""
    q0 = proposals["uniform_edit"]
    drawn = q0.draw(200, seed=1).view(-1, 1)
    biases = [moments(exact, q0, drawn, alpha=alpha) for alpha in (0.1, 0.9)]
    for alpha, one in zip((0.1, 0.9), biases, strict=True):
        exact_gradient = exact_weights(exact, q0, alpha) @ exact.scores[SOURCE]
        plain = exact.scores[SOURCE][drawn[:, 0]]
        error = (plain - exact_gradient).square().sum(dim=1).mean() / exact_gradient.square().sum()
        assert one.mean_square == pytest.approx(error.item(), rel=1e-9)


@pytest.mark.parametrize(
    ("alpha", "k", "repetitions"),
    [("0", 8, 60_000), ("0.5", 8, 60_000), ("0.9", 64, 20_000), ("1", 8, 60_000)],
)
def test_the_estimate_of_z_makes_the_on_policy_gradient_biased(
    exact: Exact, proposals: dict[str, Q0], alpha: str, k: int, repetitions: int
) -> None:
    """The figures are those of docs/explanation/objectives.md."""
    [row] = [row for row in page_rows() if row[:2] == [alpha, str(k)]]
    drawn = proposals["the model"].draw(repetitions * k, seed=2).view(repetitions, k)
    found = on_policy_bias(exact, drawn, alpha=float(alpha))
    assert float(row[2]) == pytest.approx(found.size, abs=0.005 + 3.5 * found.noise)
    assert float(row[3]) == pytest.approx(found.turned, abs=0.005 + 3.5 * found.noise)
    assert (found.size < 3 * found.noise) == (alpha == "1")


def page_rows() -> list[list[str]]:
    page = (Path(__file__).parents[2] / "docs/explanation/objectives.md").read_text(
        encoding="utf-8"
    )
    [block] = re.findall(r"^\| alpha \| K \|.*\n\|[-:| ]*\n((?:\|.*\n)+)", page, flags=re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
