from collections import Counter

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from alpha_dimt import rewards
from alpha_dimt.config.rewards import REWARDS
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.proposals import DELETED, Edits
from alpha_dimt.proposals.edit_distance import EditDistance
from alpha_dimt.proposals.substitutes import Uniform
from alpha_dimt.proposals.uniform_edit import UniformEdit
from alpha_dimt.rewards import reward, reward_of_edits

Rows = list[list[int]]

SENTENCE = st.lists(st.integers(1, 7), max_size=12)
PAIRS = st.lists(st.tuples(SENTENCE, SENTENCE), min_size=1, max_size=8)


def hamming(a: list[int], b: list[int]) -> float:
    return -sum(x != y for x, y in zip(a, b, strict=False)) - abs(len(a) - len(b))


def edit_distance(a: list[int], b: list[int]) -> float:
    table = list(range(len(b) + 1))
    for i, x in enumerate(a):
        before, table[0] = table[0], i + 1
        for j, y in enumerate(b):
            before, table[j + 1] = (
                table[j + 1],
                min(before + (x != y), table[j] + 1, table[j + 1] + 1),
            )
    return -table[-1]


def bleu(a: list[int], b: list[int]) -> float:
    ours, theirs = (" ".join(map(str, y)) for y in (a, b))
    return sacrebleu.sentence_bleu(ours, [theirs], tokenize="none").score / 100


def gleu(a: list[int], b: list[int]) -> float:
    ours, theirs = (
        Counter(tuple(y[i : i + n]) for n in (1, 2, 3, 4) for i in range(len(y) - n + 1))
        for y in (a, b)
    )
    most = max(ours.total(), theirs.total())
    return (ours & theirs).total() / most if most else 0.0


BY_HAND = {
    "hamming": hamming,
    "edit_distance": edit_distance,
    "bleu": bleu,
    "gleu": gleu,
    "constant": lambda a, b: 1.0,
}


def assert_as_by_hand(name: str, pairs: list[tuple[list[int], list[int]]]) -> None:
    candidates, references = (Ragged.from_rows(list(side)) for side in zip(*pairs, strict=True))
    expected = [BY_HAND[name](a, b) for a, b in pairs]
    assert reward(name, candidates, references).tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", BY_HAND)
@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_rewards_are_those_of_plain_loops(
    name: str, pairs: list[tuple[list[int], list[int]]]
) -> None:
    assert_as_by_hand(name, pairs)


@pytest.mark.parametrize("name", BY_HAND)
def test_rewards_of_many_chunks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(300):
        reference = rng.zipf(1.5, rng.integers(1, 60)).clip(max=40_000) + 3
        candidate = np.where(rng.random(len(reference)) < 0.3, 9, reference)
        pairs.append((candidate[: rng.integers(0, 70)].tolist(), reference.tolist()))
    monkeypatch.setattr(rewards, "CHUNK", 900)
    assert_as_by_hand(name, pairs)


@pytest.mark.parametrize("name", rewards.REWARDS)
def test_the_reference_has_the_best_reward(name: str) -> None:
    rows = Ragged.from_rows([[4], [5, 6], [4, 4, 5, 6, 7]])
    best = rewards.REWARDS[name].best
    assert reward(name, rows, rows).tolist() == pytest.approx([best] * 3)
    others = Ragged.from_rows([[5], [5], [4, 4, 5, 6]])
    assert (reward(name, others, rows) <= best).all()


def test_the_configuration_names_every_reward_and_no_other() -> None:
    assert list(REWARDS) == list(rewards.REWARDS) == list(BY_HAND)


@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.parametrize(
    "distribution",
    [UniformEdit(Uniform(9), 0.5, False), EditDistance(Uniform(9), 0.1, 0.2, 0.2)],
)
def test_rewards_of_edits_are_those_of_their_sentences(
    name: str, distribution: UniformEdit | EditDistance
) -> None:
    references = Ragged.from_rows([[4, 5, 6, 7, 8, 9][: n % 7] for n in range(200)])
    edits = distribution.draw(references, np.random.default_rng(0))
    sentences = edits.apply(references)
    pairs = [
        (sentences.row(i)[1:-1].tolist(), references.row(i).tolist()) for i in range(len(edits))
    ]
    expected = [BY_HAND[name](a, b) for a, b in pairs]
    assert reward_of_edits(name, edits, references).tolist() == pytest.approx(expected, abs=1e-9)


def test_edits_of_the_frame_count_for_the_hamming_distance_alone() -> None:
    references = Ragged.from_rows([[4, 5]])
    edits = Edits.replacing(Ragged.from_rows([[0, 3]]), np.array([6, 7]), np.zeros(1))
    assert reward_of_edits("hamming", edits, references).tolist() == [-2]
    assert reward_of_edits("edit_distance", edits, references).tolist() == [0]


def test_a_deletion_shifts_what_follows() -> None:
    references = Ragged.from_rows([[4, 5, 6]])
    edits = Edits.replacing(Ragged.from_rows([[1]]), np.array([DELETED]), np.zeros(1))
    assert reward_of_edits("hamming", edits, references).tolist() == [-3]
    assert reward_of_edits("edit_distance", edits, references).tolist() == [-1]


def test_a_sentence_can_be_too_long_for_ngrams() -> None:
    row = Ragged(np.arange(40_000), np.array([0, 40_000]))
    with pytest.raises(ValueError, match="no sentence BLEU"):
        reward("bleu", row, row)
