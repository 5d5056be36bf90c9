import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import BOS, EOS
from alpha_dimt.proposals import DELETED, Edits, frame, unframe
from alpha_dimt.proposals.edits import tokens_at

TOKENS = st.lists(st.integers(4, 9), max_size=6)


def test_frame_and_back() -> None:
    rows = Ragged.from_rows([[5, 6], [], [7]])
    framed = frame(rows)
    assert [framed.row(i).tolist() for i in range(3)] == [
        [BOS, 5, 6, EOS],
        [BOS, EOS],
        [BOS, 7, EOS],
    ]
    back = unframe(framed)
    assert back.values.tolist() == rows.values.tolist()
    assert back.offsets.tolist() == rows.offsets.tolist()


@given(st.lists(TOKENS, min_size=1, max_size=5))
def test_tokens_at_every_position_are_those_of_the_frame(rows: list[list[int]]) -> None:
    targets = Ragged.from_rows(rows)
    framed = frame(targets)
    position = np.arange(len(framed.values)) - framed.offsets[framed.owner]
    assert tokens_at(targets, framed.owner, position).tolist() == framed.values.tolist()


@given(st.data(), st.lists(TOKENS, min_size=1, max_size=5))
def test_edits_are_applied_as_by_hand(data: st.DataObject, rows: list[list[int]]) -> None:
    positions, tokens, insert_positions, insert_tokens, expected = [], [], [], [], []
    for row in rows:
        edited = sorted(data.draw(st.sets(st.integers(0, len(row) + 1))))
        new = [data.draw(st.sampled_from([DELETED, 7, 8])) for _ in edited]
        places = sorted(data.draw(st.lists(st.integers(0, len(row) + 1), max_size=4)))
        words = list(range(20, 20 + len(places)))
        out = []
        for position, token in enumerate([BOS, *row, EOS]):
            out += [w for p, w in zip(places, words, strict=True) if p == position]
            stands = dict(zip(edited, new, strict=True)).get(position, token)
            out += [] if stands == DELETED else [stands]
        positions.append(edited)
        tokens.append(new)
        insert_positions.append(places)
        insert_tokens.append(words)
        expected.append(out)
    edits = Edits(
        *map(Ragged.from_rows, (positions, tokens, insert_positions, insert_tokens)),
        log_q0=np.arange(len(rows), dtype=np.float64),
    )
    targets = Ragged.from_rows(rows)
    applied = edits.apply(targets)
    assert [applied.row(i).tolist() for i in range(len(rows))] == expected
    assert edits.counts.tolist() == [
        len(a) + len(b) for a, b in zip(positions, insert_positions, strict=True)
    ]

    back_to_front = np.arange(len(rows))[::-1]
    taken = edits.take(back_to_front)
    applied = taken.apply(targets.take(back_to_front))
    assert [applied.row(i).tolist() for i in range(len(rows))] == expected[::-1]
    assert taken.log_q0.tolist() == edits.log_q0[::-1].tolist()

    every_other = np.arange(len(rows)) % 2 == 0
    undone = edits.undone(every_other)
    applied = undone.apply(targets)
    for i, row in enumerate(rows):
        want = [BOS, *row, EOS] if every_other[i] else expected[i]
        assert applied.row(i).tolist() == want
    assert (undone.counts[every_other] == 0).all()
