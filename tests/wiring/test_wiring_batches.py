"""Contents and order of the batches of an epoch, by value, for every system."""

from itertools import pairwise
from typing import Any

import formulas
import numpy as np
import pytest
import subject
from configured import ONE_OF_EACH, complete, every_system, experiment_with, values_of

N = 150
SLICES = 3
BOS, EOS = 2, 3
RNG = np.random.default_rng(7)
SOURCE = [RNG.integers(4, 40, n).tolist() for n in RNG.integers(1, 9, N)]
TARGET = [RNG.integers(4, 30, n).tolist() for n in RNG.integers(1, 9, N)]
PAIRS = subject.pairs(SOURCE, TARGET)


def drawn(index: int, row: int, k: int) -> subject.Drawn:
    """Return candidate k of a row in a slice, with values that no other candidate has."""
    length = len(TARGET[row])
    edits = {} if (row + k + index) % 5 == 0 else {1 + (row + k) % length: 30 + index}
    return edits, -float(index + k / 8), -float(row + 1000 * index + k / 8)


def expected(row: int, sources: dict[str, Any], k: int, epoch: int) -> subject.Source:
    """Return the expected candidates of a source in an epoch."""
    found = []
    framed = [BOS, *TARGET[row], EOS]
    if sources["reference"]:
        best = formulas.BEST_REWARD.get(sources["reward"], 0.0)
        found.append(subject.Candidate(tuple(framed), best, 0.0, True))
    if sources["proposal"]:
        for j in range(k):
            edits, reward, log_q0 = drawn((epoch - 1) % SLICES, row, j)
            tokens = list(framed)
            for position, token in edits.items():
                tokens[position] = token
            found.append(subject.Candidate(tuple(tokens), reward, log_q0, not edits))
    return subject.Source(row, tuple(SOURCE[row]), tuple(found))


def check(run: Any, sources: dict[str, Any], k: int, batch_size: int) -> None:
    slices = None
    if sources["proposal"]:
        assert run.proposal.candidates == k
        slices = [
            subject.candidates([drawn(index, row, j) for row in range(N) for j in range(k)])
            for index in range(SLICES)
        ]
    for epoch in (1, 2, 3, 4, 8):
        batches = [subject.opened(batch) for batch in subject.batches(run, PAIRS, slices, epoch)]
        rows = [source.row for batch in batches for source in batch]
        assert sorted(rows) == list(range(N)), "every sentence stands in exactly one batch"
        assert {len(batch) for batch in batches} <= {batch_size, N % batch_size}
        for source in (source for batch in batches for source in batch):
            assert source == expected(source.row, sources, k, epoch), epoch


@pytest.mark.parametrize(("file", "system"), every_system().values(), ids=every_system())
def test_every_configured_system(file: str, system: str) -> None:
    raw = values_of(file)
    own = raw["systems"][system]
    k = {"candidates": 1, **raw.get("proposal", {}), **own.get("proposal", {})}["candidates"]
    size = {"batch_size": 128, **raw.get("training", {}), **own.get("training", {})}["batch_size"]
    run = subject.configured(file).run_config(system, 1)
    check(run, formulas.sources(complete(own)), k, size)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_one_of_each(name: str) -> None:
    values = experiment_with(
        {name: ONE_OF_EACH[name]}, training={"batch_size": 11}, proposal={"candidates": 2}
    )
    run = subject.experiment(values).run_config(name, 1)
    check(run, formulas.sources(complete(ONE_OF_EACH[name])), 2, 11)


# ------------------------------------------------------------------------------------ order


def orders(epochs: int = 5, *, seed: int = 1, **training: Any) -> list[list[list[int]]]:
    """Return the rows of each batch of each epoch."""
    training = {"batch_size": 16} | training
    run = subject.experiment(experiment_with({"a": {"objective": "ml"}}, training=training))
    made = run.run_config("a", seed)
    return [
        [batch.rows.tolist() for batch in subject.batches(made, PAIRS, None, epoch)]
        for epoch in range(1, epochs + 1)
    ]


def by_length() -> list[list[int]]:
    """Return batches from short to long; in each of them the longest target comes first."""
    rows = sorted(range(N), key=lambda row: (len(SOURCE[row]), len(TARGET[row])))
    cut = [rows[start : start + 16] for start in range(0, N, 16)]
    return [sorted(batch, key=lambda row: -len(TARGET[row])) for batch in cut]


def composition(batches: list[list[int]]) -> set[frozenset[int]]:
    return {frozenset(batch) for batch in batches}


@pytest.mark.parametrize("batches", ["dealt", "fixed"])
def test_the_first_epoch_goes_from_short_to_long_if_it_is_asked_for(batches: str) -> None:
    first, *others = orders(batches=batches)
    assert first == by_length()
    assert all(epoch != first for epoch in others)
    unsorted = orders(1, batches=batches, sorted_first_epoch=False)[0]
    assert unsorted != by_length()


def test_fixed_batches_keep_their_composition_and_change_their_order() -> None:
    for first_sorted in (True, False):
        epochs = orders(batches="fixed", sorted_first_epoch=first_sorted)
        for epoch in epochs:
            assert composition(epoch) == composition(by_length())
            assert sorted(epoch) == sorted(by_length()), "in a batch, the order stays"
        assert len({tuple(map(tuple, epoch)) for epoch in epochs}) == len(epochs)
        # A shuffle, and not the order of length from somewhere else.
        places = [by_length().index(batch) for batch in epochs[1]]
        assert sum(abs(a - b) > 1 for a, b in pairwise(places)) > 3


def test_dealt_batches_change_their_composition() -> None:
    epochs = orders(batches="dealt")
    kinds = [composition(epoch) for epoch in epochs]
    assert all(a != b for i, a in enumerate(kinds) for b in kinds[:i])
    for epoch in epochs[1:]:
        # Of similar lengths: in order of length they are one sorted row of sentences.
        lengths = [[len(SOURCE[row]) for row in batch] for batch in epoch]
        ranges = sorted((min(batch), max(batch)) for batch in lengths)
        assert all(a[1] <= b[0] for a, b in pairwise(ranges))
        assert ranges != [(min(batch), max(batch)) for batch in lengths], "short and long in turns"
        for batch in epoch:
            targets = [len(TARGET[row]) for row in batch]
            assert targets == sorted(targets, reverse=True)


@pytest.mark.parametrize("batches", ["dealt", "fixed"])
def test_the_order_is_a_function_of_the_seed(batches: str) -> None:
    assert orders(batches=batches) == orders(batches=batches)
    for mine, other in zip(
        orders(batches=batches)[1:], orders(batches=batches, seed=2)[1:], strict=True
    ):
        assert mine != other


def test_every_objective_sees_the_same_order() -> None:
    systems = {"ml": {"objective": "ml"}, "pg": {"objective": "policy_gradient"}}
    made = subject.experiment(experiment_with(systems, training={"batch_size": 16}))
    for epoch in (1, 2):
        rows = [
            [batch.rows.tolist() for batch in subject.batches(run, PAIRS, None, epoch)]
            for run in (made.run_config(system, 1) for system in systems)
        ]
        assert rows[0] == rows[1]
