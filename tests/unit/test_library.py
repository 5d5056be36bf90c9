"""The objectives in other people's training loops."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from alpha_dimt.config.proposals import (
    DistributionConfig,
    EditDistanceConfig,
    HammingPayoffConfig,
    NgramConfig,
    UniformEditConfig,
)
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.library import Drawn, SpecialIds, draw_candidates, log_probs
from alpha_dimt.objectives import Scored, maximum_likelihood
from alpha_dimt.proposals import Words, build

UNIFORM = UniformEditConfig(kind="uniform_edit", max_edit_fraction=0.9)
PROPOSALS: dict[str, DistributionConfig] = {
    "uniform_edit": UNIFORM,
    "unigram": UniformEditConfig(kind="uniform_edit", max_edit_fraction=0.9, substitutes="unigram"),
    "hamming_payoff": HammingPayoffConfig(kind="hamming_payoff"),
    "edit_distance": EditDistanceConfig(kind="edit_distance", insert=0.3, delete=0.3),
    "ngram": NgramConfig(kind="ngram"),
}
TOKENISERS = {
    "marian": SpecialIds(pad=11, eos=0, start=11, unk=1),
    "bart": SpecialIds(pad=1, eos=2, start=2, unk=3, others=(0, 11)),
    "t5": SpecialIds(pad=0, eos=1, start=0, unk=2, others=(10, 11)),
    "ours": SpecialIds(pad=0, unk=1, start=2, eos=3),
    "no unknown word": SpecialIds(pad=5, eos=7, start=3),
}
V = 12


def ordinary(special: SpecialIds) -> list[int]:
    named = {special.pad, special.eos, special.start, special.unk, *special.others}
    return [id for id in range(V) if id not in named]


def draw(
    references: Sequence[Sequence[int]], special: SpecialIds, *, k: int = 3, **options: Any
) -> Drawn:
    given: dict[str, Any] = {"proposal": UNIFORM, "rng": np.random.default_rng(1)} | options
    return draw_candidates(references, k=k, vocab_size=V, special=special, **given)


def candidates(drawn: Drawn) -> list[list[int]]:
    """Return what stands between start and end."""
    rows = zip(drawn.target.tolist(), drawn.lengths.tolist(), strict=True)
    return [row[1:length] for row, length in rows]


@pytest.mark.parametrize("tokeniser", TOKENISERS)
@pytest.mark.parametrize("name", PROPOSALS)
def test_every_ordinary_word_is_drawn_and_no_other(tokeniser: str, name: str) -> None:
    special = TOKENISERS[tokeniser]
    words = ordinary(special)
    drawn = draw([words] * 40, special, proposal=PROPOSALS[name], counts=np.arange(1, V + 1))
    assert {id for row in candidates(drawn) for id in row} == set(words)
    starts, ends = drawn.target[:, 0], drawn.target.gather(1, drawn.lengths[:, None])
    assert set(starts.tolist()) == {special.start}
    assert set(ends.flatten().tolist()) == {special.eos}
    after = torch.arange(drawn.target.shape[1]) > drawn.lengths[:, None]
    assert (drawn.target[after] == special.pad).all()
    new = [set(row) - set(words) for row in candidates(drawn)]
    assert not any(new)


@pytest.mark.parametrize("tokeniser", TOKENISERS)
def test_other_special_ids_of_a_reference_stay_what_they_are(tokeniser: str) -> None:
    special = TOKENISERS[tokeniser]
    kept = [id for id in (*special.others, special.unk) if id is not None]
    row = [*kept, *ordinary(special)[:2]]
    nothing = UniformEditConfig(kind="uniform_edit", max_edit_fraction=0.0)
    drawn = draw([row], special, proposal=nothing)
    assert candidates(drawn) == [row] * 3
    assert drawn.reference.all()
    assert drawn.log_q0.tolist() == [[0.0] * 3]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from(range(4, V)), max_size=6), min_size=1, max_size=4))
def test_with_our_ids_it_is_the_proposal_itself(rows: list[list[int]]) -> None:
    drawn = draw(rows, TOKENISERS["ours"], k=2)
    repeated = Ragged.from_rows([row for row in rows for _ in range(2)])
    edits = build(UNIFORM, Words(V)).draw(repeated, np.random.default_rng(1))
    framed = edits.apply(repeated)
    assert candidates(drawn) == [framed.row(i)[1:-1].tolist() for i in range(len(framed))]
    torch.testing.assert_close(drawn.log_q0.flatten().double(), torch.from_numpy(edits.log_q0),
                               rtol=1e-6, atol=1e-6)  # fmt: skip
    assert drawn.reward.flatten().tolist() == (-edits.counts).tolist()
    assert drawn.reference.flatten().tolist() == (edits.counts == 0).tolist()


def test_log_q0_does_not_depend_on_how_ids_are_numbered() -> None:
    ours, marian = TOKENISERS["ours"], TOKENISERS["marian"]
    to = dict(zip(ordinary(ours), ordinary(marian), strict=False))
    rows = [[4, 5, 6, 7], [8, 9, 10, 4, 5]]
    first = draw_candidates(
        rows, UNIFORM, k=4, rng=np.random.default_rng(1), vocab_size=12, special=ours
    )
    second = draw_candidates(
        [[to[id] for id in row] for row in rows],
        UNIFORM,
        k=4,
        rng=np.random.default_rng(1),
        vocab_size=11,  # as many ordinary words
        special=SpecialIds(pad=10, eos=0, start=10, unk=1),
    )
    torch.testing.assert_close(first.log_q0, second.log_q0)
    assert [[to[id] for id in row] for row in candidates(first)] == candidates(second)


def test_the_scorer_is_the_sum_over_real_tokens() -> None:
    logits = torch.randn(2, 3, V, dtype=torch.float64, requires_grad=True)
    target, lengths = torch.tensor([[2, 5, 3, 0], [2, 7, 8, 3]]), torch.tensor([2, 3])
    log_p = log_probs(logits, target, lengths)
    every = logits.log_softmax(dim=2)
    expected = torch.stack(
        [every[0, 0, 5] + every[0, 1, 3], every[1, 0, 7] + every[1, 1, 8] + every[1, 2, 3]]
    )
    torch.testing.assert_close(log_p, expected)
    (gradient,) = torch.autograd.grad(log_p.sum(), logits)
    assert gradient[0, 2].abs().max() == 0 < gradient[0, 1].abs().max()


def test_scored_candidates_go_into_an_objective() -> None:
    drawn = draw([[4, 5], [6, 7, 8]], TOKENISERS["ours"], k=2)
    logits = torch.randn(4, drawn.inputs.shape[1], V, requires_grad=True)
    scored = drawn.scored(logits)
    assert scored.log_p.shape == scored.lengths.shape == scored.reward.shape == (2, 2)
    assert scored.lengths.flatten().tolist() == drawn.lengths.tolist()
    assert not scored.distinct[:, 0].logical_not().any()
    loss = maximum_likelihood(scored)
    real = torch.arange(drawn.inputs.shape[1]) < drawn.lengths[:, None]
    wanted = drawn.target[:, 1:].masked_fill(~real, -100)
    expected = F.cross_entropy(logits.transpose(1, 2), wanted, reduction="sum") / 4
    torch.testing.assert_close(loss.value, expected)


def test_what_is_left_out_is_derived() -> None:
    target = torch.tensor([[2, 5, 3], [2, 6, 3], [2, 5, 3], [2, 5, 3]])
    log_p = torch.tensor([[-1.0, -2.0], [-3.0, -4.0]])
    scored = Scored.of(log_p, target=target, lengths=torch.tensor([2, 2, 2, 2]))
    assert scored.distinct.tolist() == [[True, True], [True, False]]
    assert scored.reward.tolist() == scored.log_q0.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert not scored.reference.any()


@pytest.mark.parametrize(
    ("special", "row", "problem"),
    [
        (SpecialIds(pad=0, eos=12, start=2), [5], "special id 12 is not in a vocabulary of 12"),
        (SpecialIds(pad=0, eos=0, start=2), [5], "same id, 0"),
        (SpecialIds(pad=0, eos=1, start=2, unk=1), [5], "the unknown word has the id"),
        (TOKENISERS["marian"], [5, 0], "reference 0 contains the id of eos, 0"),
        (TOKENISERS["marian"], [11], "reference 0 contains the id of pad, 11"),
        (TOKENISERS["ours"], [5, -100], "leave out what is ignored"),
    ],
)
def test_ids_that_cannot_be_right_are_refused(
    special: SpecialIds, row: list[int], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        draw([row], special)
