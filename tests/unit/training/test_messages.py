import pytest

from alpha_dimt.training.messages import collapsed


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"ess": 1.01, "ess_fraction": 1.01 / 128}, True),
        ({"ess": 40.0, "ess_fraction": 40 / 128}, False),
        # A group of one candidate has nothing to collapse.
        ({"ess": 1.0, "ess_fraction": 1.0}, False),
        ({"train_loss": 3.0}, False),
        # A custom objective may report one of the two.
        ({"ess_fraction": 0.01}, False),
        ({"ess": 1.0}, False),
    ],
)
def test_collapsed_weights_are_told_from_a_single_candidate(
    metrics: dict[str, float], expected: bool
) -> None:
    assert collapsed(metrics) is expected
