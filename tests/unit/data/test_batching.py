from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import BOS, EOS, PAD
from alpha_dimt.data.batching import (
    bucketed_batches,
    candidate_batch,
    reference_batch,
    sorted_batches,
    source_batches,
)
from alpha_dimt.data.encoded import Candidates, Pairs
from alpha_dimt.proposals import DELETED, Edits

SIZES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=60)


def pairs() -> Pairs:
    return Pairs(
        source=Ragged.from_rows([[4, 5], [6], [7, 8, 9]]),
        target=Ragged.from_rows([[4, 5, 6], [7], [8, 9]]),
        source_text=["a b", "c", "d e f"],
        target_text=["A B C", "D", "E F"],
    )


@given(SIZES, st.integers(1, 7), st.integers(0, 5))
def test_every_sentence_is_dealt_exactly_once(
    sizes: list[tuple[int, int]], batch_size: int, seed: int
) -> None:
    source, target = np.array(sizes).T
    for batches in (
        bucketed_batches(source, target, batch_size=batch_size, rng=np.random.default_rng(seed)),
        sorted_batches(source, target, batch_size=batch_size),
        list(source_batches(source, batch_size=batch_size)),
    ):
        assert sorted(np.concatenate(batches).tolist()) == list(range(len(sizes)))
        assert max(len(batch) for batch in batches) <= batch_size


@given(SIZES, st.integers(1, 40), st.integers(0, 5))
def test_batches_of_tokens_are_as_large_as_they_may_be(
    sizes: list[tuple[int, int]], most: int, seed: int
) -> None:
    source, target = np.array(sizes).T
    lengths = np.maximum(source, target) + 1
    tokens: Any = {"batch_size": most, "batch_type": "tokens"}
    in_order = sorted_batches(source, target, **tokens)
    dealt = bucketed_batches(source, target, **tokens, rng=np.random.default_rng(seed))
    for batches in (in_order, dealt):
        assert sorted(np.concatenate(batches).tolist()) == list(range(len(sizes)))
        for batch in batches:
            assert len(batch) == 1 or len(batch) * lengths[batch].max() <= most
    for batch, after in pairwise(in_order):
        first = after[np.lexsort((target[after], source[after]))][0]
        both = np.append(batch, first)
        assert len(both) * lengths[both].max() > most


def test_dealt_batches_of_tokens_differ_by_seed() -> None:
    source = np.random.default_rng(0).integers(3, 30, 5000)
    batches = [
        bucketed_batches(
            source, source, batch_size=40, batch_type="tokens", rng=np.random.default_rng(seed)
        )
        for seed in (1, 2)
    ]
    assert {frozenset(b.tolist()) for b in batches[0]} != {
        frozenset(b.tolist()) for b in batches[1]
    }


def test_dealt_batches_differ_by_epoch_and_waste_little_padding() -> None:
    rng = np.random.default_rng(0)
    source = rng.integers(3, 50, 3000)
    target = np.clip(source + rng.integers(-3, 4, 3000), 1, None)
    first, second = (bucketed_batches(source, target, batch_size=64, rng=rng) for _ in range(2))
    assert {frozenset(b.tolist()) for b in first} != {frozenset(b.tolist()) for b in second}
    padded = sum(len(b) * target[b].max() for b in first)
    assert padded < 1.15 * target.sum()


def test_the_first_epoch_goes_from_short_to_long() -> None:
    source = np.array([5, 1, 3, 2])
    batches = sorted_batches(source, source, batch_size=2)
    assert [batch.tolist() for batch in batches] == [[3, 1], [0, 2]]


@given(SIZES, st.integers(1, 7))
def test_in_a_batch_longer_targets_come_first(
    sizes: list[tuple[int, int]], batch_size: int
) -> None:
    source, target = np.array(sizes).T
    for batches in (
        bucketed_batches(source, target, batch_size=batch_size, rng=np.random.default_rng(0)),
        sorted_batches(source, target, batch_size=batch_size),
    ):
        for batch in batches:
            assert (np.diff(target[batch]) <= 0).all()


def test_reference_batch() -> None:
    batch = reference_batch(pairs(), np.array([1, 0]))
    assert batch.source.tolist() == [[6, PAD], [4, 5]]
    assert batch.source_lengths.tolist() == [1, 2]
    assert batch.target.tolist() == [[BOS, 7, EOS, PAD, PAD], [BOS, 4, 5, 6, EOS]]
    assert batch.target_lengths.tolist() == [2, 4]
    assert batch.reward.shape == (2, 1)
    assert batch.reference.tolist() == [[True], [True]]


def candidates(
    positions: list[list[int]],
    tokens: list[list[int]],
    insert_positions: list[list[int]],
    insert_tokens: list[list[int]],
) -> Candidates:
    rows = map(Ragged.from_rows, (positions, tokens, insert_positions, insert_tokens))
    n = len(positions)
    return Candidates(
        edits=Edits(*rows, log_q0=np.arange(n, dtype=np.float64)),
        reward=-np.arange(n, dtype=np.float32),
    )


def test_candidates_are_edited_references_source_by_source() -> None:
    drawn = candidates(  # K = 2
        positions=[[1, 3], [], [], [1], [2], [0, 3]],
        tokens=[[10, 11], [], [], [12], [13], [14, 15]],
        insert_positions=[[]] * 6,
        insert_tokens=[[]] * 6,
    )
    batch = candidate_batch(pairs(), drawn, np.array([2, 0]))
    assert batch.target.tolist() == [
        [BOS, 8, 13, EOS, PAD],
        [14, 8, 9, 15, PAD],  # the authors' code may edit <s> and </s>
        [BOS, 10, 5, 11, EOS],
        [BOS, 4, 5, 6, EOS],
    ]
    assert batch.target_lengths.tolist() == [3, 3, 4, 4]
    assert batch.reward.tolist() == [[-4, -5], [0, -1]]
    assert batch.log_q0.tolist() == [[4, 5], [0, 1]]
    assert batch.reference.tolist() == [[False, False], [False, True]]


def test_candidates_may_be_longer_or_shorter_than_their_references() -> None:
    drawn = candidates(
        positions=[[2], [1], []],
        tokens=[[DELETED], [DELETED], []],
        insert_positions=[[1, 1, 4], [], [3]],
        insert_tokens=[[10, 11, 12], [], [13]],
    )
    batch = candidate_batch(pairs(), drawn, np.arange(3))
    assert batch.target.tolist() == [
        [BOS, 10, 11, 4, 6, 12, EOS],
        [BOS, EOS, PAD, PAD, PAD, PAD, PAD],
        [BOS, 8, 9, 13, EOS, PAD, PAD],
    ]
    assert batch.target_lengths.tolist() == [6, 1, 4]
    assert batch.reference.tolist() == [[False], [False], [False]]
