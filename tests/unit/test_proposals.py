import math
from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha_dimt.proposals import Edits, distinct_positions, max_edits, uniform_edit
from alpha_dimt.ragged import Ragged
from alpha_dimt.vocab import BOS, EOS, UNK


def draw(rows: list[list[int]], *, seed: int = 0, **options: object) -> Edits:
    settings: dict[str, object] = {
        "vocab_size": 9,
        "max_edit_fraction": 0.5,
        "reference_quirks": False,
    }
    rng = np.random.default_rng(seed)
    return uniform_edit(Ragged.from_rows(rows), rng=rng, **(settings | options))  # type: ignore[arg-type]


def candidate(reference: list[int], edits: Edits, index: int) -> tuple[int, ...]:
    framed = [BOS, *reference, EOS]
    positions, tokens = edits.positions.row(index), edits.tokens.row(index)
    for position, token in zip(positions.tolist(), tokens.tolist(), strict=True):
        assert framed[position] != token
        framed[position] = token
    return tuple(framed)


@pytest.mark.parametrize(
    ("length", "expected"), [(1, 0), (4, 0), (5, 1), (9, 1), (10, 2), (15, 3), (35, 7), (50, 10)]
)
def test_most_edits_is_the_floor_of_a_fifth(length: int, expected: int) -> None:
    assert max_edits(np.array([length]), 0.2).tolist() == [expected]


@given(
    st.lists(
        st.lists(st.integers(1, 8).filter(lambda t: t not in (2, 3)), max_size=12), min_size=1
    ),
    st.integers(0, 2**31 - 1),
    st.booleans(),
)
def test_edits_are_inside_distinct_and_ordinary(
    rows: list[list[int]], seed: int, quirks: bool
) -> None:
    edits = draw(rows, seed=seed, reference_quirks=quirks)
    for index, row in enumerate(rows):
        positions = edits.positions.row(index)
        assert (np.diff(positions) > 0).all()
        frame = 0 if quirks else 1
        assert len(positions) <= 0.5 * (len(row) + 2 * (not frame))
        assert ((positions >= frame) & (positions <= len(row) + 1 - frame)).all()
        assert (edits.tokens.row(index) >= 4).all()
        candidate(row, edits, index)
    assert np.isfinite(edits.log_q0).all()


def log_q0_by_hand(reference: list[int], position: tuple[int, ...], most: int, m: int) -> float:
    ordinary = 5
    value = -math.log(most + 1) - math.log(math.comb(m, len(position)))
    for p in position:
        original = [BOS, *reference, EOS][p]
        value -= math.log(ordinary - (original >= 4))
    return value


@pytest.mark.parametrize("quirks", [False, True])
def test_log_q0_sums_to_one_and_is_what_is_drawn(quirks: bool) -> None:
    reference = [4, 5, UNK, 7]
    positions = range(0, 6) if quirks else range(1, 5)
    m = len(positions)
    most = m // 2
    support = {}
    for e in range(most + 1):
        for chosen in combinations(positions, e):
            framed = [BOS, *reference, EOS]
            for tokens in product(range(4, 9), repeat=e):
                if all(framed[p] != t for p, t in zip(chosen, tokens, strict=True)):
                    new = framed.copy()
                    for p, t in zip(chosen, tokens, strict=True):
                        new[p] = t
                    support[tuple(new)] = log_q0_by_hand(reference, chosen, most, m)
    assert sum(math.exp(v) for v in support.values()) == pytest.approx(1, abs=1e-12)

    n = 100_000
    edits = draw([reference] * n, reference_quirks=quirks)
    drawn = Counter()
    for index in range(n):
        new = candidate(reference, edits, index)
        drawn[new] += 1
        assert edits.log_q0[index] == pytest.approx(support[new], abs=1e-12)
    # Chi-square against the exact probabilities; its standard deviation is sqrt(2 df).
    chi2 = sum((drawn[y] - n * math.exp(v)) ** 2 / (n * math.exp(v)) for y, v in support.items())
    df = len(support) - 1
    assert abs(chi2 - df) < 5 * math.sqrt(2 * df)


def test_every_subset_is_equally_likely() -> None:
    n = 60_000
    rows = distinct_positions(np.full(n, 5), np.full(n, 3), np.random.default_rng(2))
    counts = Counter(map(tuple, rows.values.reshape(n, 3).tolist()))
    assert set(counts) == set(combinations(range(5), 3))
    assert max(abs(c - n / 10) for c in counts.values()) < 5 * math.sqrt(n * 0.09)


def test_a_vocabulary_without_alternatives_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 ordinary words"):
        draw([[4]], vocab_size=5)
