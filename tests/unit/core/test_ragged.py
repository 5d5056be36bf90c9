import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alpha_dimt.core.ragged import Ragged


@given(st.lists(st.lists(st.integers(1, 99), max_size=6), min_size=1), st.data())
def test_padded_and_entries_agree_with_rows(rows: list[list[int]], data: st.DataObject) -> None:
    ragged = Ragged.from_rows(rows)
    picks = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1)))
    assert [ragged.row(i).tolist() for i in range(len(rows))] == rows
    rectangle = ragged.padded(picks, fill=0, after=2)
    longest = max(len(rows[i]) for i in picks)
    expected = [[*rows[i], *[0] * (longest - len(rows[i]) + 2)] for i in picks]
    assert rectangle.tolist() == expected
    entries, owner = ragged.entries(picks)
    assert ragged.values[entries].tolist() == [value for i in picks for value in rows[i]]
    assert owner.tolist() == [b for b, i in enumerate(picks) for _ in rows[i]]
    assert ragged.owner.tolist() == [i for i, row in enumerate(rows) for _ in row]
    taken = ragged.take(picks)
    assert [taken.row(b).tolist() for b in range(len(taken))] == [rows[i] for i in picks]
