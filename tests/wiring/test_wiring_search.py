"""Beam and greedy search against a search in plain Python; each key of `decoding` by value."""

from typing import Any

import numpy as np
import plain
import pytest
import subject
import torch
from configured import FILES, values_of
from torch import Tensor

PAD, UNK, BOS, EOS = range(4)
V = 9
SENTENCES = 40


class Table:
    """log p(next | previous, sentence) for any number of rows, without a network."""

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.logits = 1.5 * torch.randn(SENTENCES, V, V, generator=generator).double()
        self.logits[:, :, EOS] += 0.5

    def step(self, state: Any, previous: Any) -> Any:
        """Take a step of one row (a number), or of many."""
        logits = self.logits[state, previous].clone()
        attended = torch.as_tensor(previous) % 4
        attention = torch.nn.functional.one_hot(attended, 4).double()
        return logits, attention, state

    def start(self, sentence: int) -> int:
        return sentence

    def select(self, state: Tensor, rows: Tensor, sources: Tensor | None = None) -> Tensor:
        return state[rows]


@pytest.mark.parametrize("ended", ["kept", "extended"])
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize(("width", "max_length"), [(1, 8), (2, 12), (3, 8), (5, 3), (4, 1)])
def test_beam_search(ended: str, length_penalty: float, width: int, max_length: int) -> None:
    table = Table(width)
    options = {"width": width, "max_length": max_length, "length_penalty": length_penalty}
    found = subject.beam(
        table, torch.arange(SENTENCES), sentences=SENTENCES, ended=ended, **options
    )
    wanted = [
        plain.beam_search(table, sentence, ended=ended, **options) for sentence in range(SENTENCES)
    ]
    assert found == wanted


@pytest.mark.parametrize("ended", ["kept", "extended"])
@pytest.mark.parametrize("width", [2, 5])
def test_beam_search_with_a_length_bonus(ended: str, width: int) -> None:
    table, lengths = Table(width), []
    for length_bonus in (0.0, 0.7, 1.5):
        options = {"width": width, "max_length": 12, "length_penalty": 0.0, "ended": ended}
        options["length_bonus"] = length_bonus
        found = subject.beam(table, torch.arange(SENTENCES), sentences=SENTENCES, **options)
        assert found == [
            plain.beam_search(table, sentence, **options) for sentence in range(SENTENCES)
        ]
        lengths.append(sum(len(tokens) for tokens, _ in found))
    assert lengths == sorted(lengths)
    assert ended == "extended" or lengths[0] < lengths[-1]


def test_a_penalty_ranks_and_is_not_accumulated() -> None:
    """By hand: after <s> only 4; then 5 and 6; log p of the ends decide, over their lengths."""
    table = Table(0)
    table.logits[:] = -torch.inf

    def set_p(previous: int, **p: float) -> None:
        for word, value in p.items():
            table.logits[0, previous, EOS if word == "end" else int(word[1:])] = np.log(value)

    set_p(BOS, w4=0.6, end=0.4)
    set_p(4, w5=0.7, end=0.3)
    set_p(5, w6=0.8, end=0.2)
    set_p(6, end=1.0)
    # 4 5 6 </s>: ln(0.6 * 0.7 * 0.8) / 4 = -0.27; </s> alone: ln 0.4 = -0.92.
    options = {"width": 2, "max_length": 9, "sentences": 1}
    state = torch.zeros(1, dtype=torch.int64)
    ((tokens, _),) = subject.beam(table, state, length_penalty=1.0, **options)
    assert tokens == [4, 5, 6]
    # Without it, ln 0.336 = -1.09 loses against ln 0.4 = -0.92.
    ((tokens, _),) = subject.beam(table, state, length_penalty=0.0, **options)
    assert tokens == []


# ------------------------------------------------------------------------ of a trained model


@pytest.fixture(scope="module")
def made() -> Any:
    made = subject.model(16, 12, seed=3, bound=1.5, dropout=0.5)
    with torch.no_grad():
        made.output.bias[EOS] += 2.0
    made.train()
    return made


RNG = np.random.default_rng(0)
SOURCES = [RNG.integers(4, 16, n).tolist() for n in RNG.integers(1, 8, 15)]


@pytest.mark.parametrize(
    "keys",
    [
        {"beam": 1, "max_length": 9},
        {"beam": 1, "max_length": 4, "length_penalty": 1.0},
        {"beam": 3, "max_length": 9},
        {"beam": 3, "max_length": 9, "length_penalty": 1.0},
        {"beam": 5, "max_length": 4, "length_penalty": 0.4},
        {"beam": 4, "max_length": 9, "ended": "extended"},
    ],
)
def test_every_key_of_the_search(made: Any, keys: dict[str, Any]) -> None:
    found, _ = subject.search(made, SOURCES, subject.decoding(**keys))
    judge = plain.Plain(made.state_dict())
    if keys["beam"] == 1:
        wanted = [judge.greedy(source, keys["max_length"]) for source in SOURCES]
    else:
        options = {"length_penalty": 0.0, **keys}
        options["width"] = options.pop("beam")
        with torch.no_grad():
            wanted = [plain.beam_search(judge, source, **options) for source in SOURCES]
    assert found == wanted
    assert len({tuple(tokens) for tokens, _ in found}) > 3


@pytest.mark.parametrize(
    ("batch_size", "beam", "sentences"),
    [(8, 1, [8, 7]), (8, 2, [4, 4, 4, 3]), (8, 3, [2] * 7 + [1]), (1, 3, [1] * 15)],
)
def test_batch_size_counts_hypotheses(
    made: Any, batch_size: int, beam: int, sentences: list[int]
) -> None:
    config = subject.decoding(batch_size=batch_size, beam=beam, max_length=5)
    _, together = subject.search(made, SOURCES, config)
    assert together == sentences


DEFAULTS = {
    "beam": 10,
    "max_length": 180,
    "length_penalty": 0.0,
    "batch_size": 512,
    "replace_unknown": True,
    "ended": "kept",
}


@pytest.mark.parametrize("file", FILES)
def test_the_search_of_each_configuration(file: str) -> None:
    experiment = subject.configured(file)
    given = values_of(file).get("decoding", {})
    further = {key: given.pop(key) for key in ("length_bonus", "temperatures") if key in given}
    beam = DEFAULTS | given
    assert experiment.decoding.searches["beam"].model_dump() == beam
    greedy = beam | {"beam": 1, "length_penalty": 0.0}
    assert experiment.decoding.searches["greedy"].model_dump() == greedy
    tuned = experiment.decoding.searches.get("beam_tuned")
    assert (tuned is not None) == (further.get("length_bonus") == "tuned")
    assert tuned is None or tuned.model_dump() == beam | {"length_bonus": "tuned"}
    drawn = [
        search.model_dump()
        for name, search in experiment.decoding.searches.items()
        if name.startswith("sampled")
    ]
    assert drawn == [greedy | {"temperatures": (t,)} for t in further.get("temperatures", [])]


def test_greedy_search_keeps_what_is_not_of_the_beam() -> None:
    keys = {"beam": 7, "max_length": 33, "length_penalty": 0.7, "batch_size": 20}
    keys |= {"replace_unknown": False, "ended": "extended"}
    values = {"corpus": {"kind": "toy"}, "systems": {"ml": {"objective": "ml"}}, "decoding": keys}
    made = subject.experiment(values)
    assert made.decoding.searches["beam"].model_dump() == keys
    greedy = keys | {"beam": 1, "length_penalty": 0.0}
    assert made.decoding.searches["greedy"].model_dump() == greedy
