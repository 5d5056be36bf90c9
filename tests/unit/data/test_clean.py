import pytest

from alpha_dimt.config.preparation import Preparation
from alpha_dimt.data.clean import judge

LIMITS = Preparation(min_length=2, max_length=9, max_ratio=1.5)


@pytest.mark.parametrize(
    ("source", "target", "verdict"),
    [
        (4, 6, "kept"),
        (6, 4, "kept"),
        (4, 7, "ratio"),
        (7, 4, "ratio"),
        (9, 9, "kept"),
        (9, 10, "too long"),
        (2, 2, "kept"),
        (1, 2, "too short"),
        (0, 2, "blank"),
        (2, 0, "blank"),
    ],
)
def test_limits_belong_to_what_is_kept(source: int, target: int, verdict: str) -> None:
    assert judge(" ".join("a" * source), " ".join("b" * target), LIMITS) == verdict
