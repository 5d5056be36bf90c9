import os

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.data.batching import reference_batch
from alpha_dimt.data.encoded import Pairs
from alpha_dimt.models.attention_rnn.fused import FusedAttentionRnn
from alpha_dimt.models.attention_rnn.model import AttentionRnn
from alpha_dimt.models.base import fill_uniformly
from alpha_dimt.objectives import maximum_likelihood
from alpha_dimt.training.candidate_learner import score
from benchmarks.corpus import fitted_lengths, real_lengths, sample_of_batches, sentence_pairs
from benchmarks.flops import training_flop
from benchmarks.plain import loss_of
from benchmarks.sizes import QUICK, Sizes


def both_models(sizes: Sizes) -> tuple[FusedAttentionRnn, AttentionRnn]:
    options = AttentionRnnConfig(embedding=sizes.units, hidden=sizes.units)
    fast, plain = (
        kind(
            options, source_vocab_size=sizes.source_words, target_vocab_size=sizes.target_words
        ).double()
        for kind in (FusedAttentionRnn, AttentionRnn)
    )
    fill_uniformly(fast, 0.3, torch.Generator().manual_seed(3))
    plain.load_state_dict(fast.state_dict())
    return fast.eval(), plain.eval()


def test_the_baseline_has_the_loss_and_the_gradient_of_the_fast_model():
    fast, plain = both_models(QUICK)
    pairs = sentence_pairs(QUICK, QUICK.pairs)
    batch = reference_batch(pairs, sample_of_batches(pairs, QUICK)[0])

    ours = maximum_likelihood(score(fast, batch, torch.device("cpu"))[0]).value
    theirs = loss_of(
        plain, *map(torch.from_numpy, (batch.source, batch.source_lengths, batch.target))
    )

    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    ours.backward()
    theirs.backward()
    expected = dict(plain.named_parameters())
    for name, parameter in fast.named_parameters():
        gradient = parameter.grad.to_dense()
        torch.testing.assert_close(gradient, expected[name].grad, rtol=1e-9, atol=1e-12)


def test_arithmetic_is_what_a_counter_counts():
    rows = Ragged.of_lengths(np.full(30, 4), np.full(6, 5))  # equal lengths: no padding
    pairs = Pairs(source=rows, target=rows, source_text=[], target_text=[])
    batch = reference_batch(pairs, np.arange(6))
    _, plain = both_models(QUICK)

    with FlopCounterMode(display=False) as counter:
        loss_of(plain, *map(torch.from_numpy, (batch.source, batch.source_lengths, batch.target)))

    # The baseline multiplies queries by the attention matrix, the formula keys, as training does.
    units = QUICK.units
    keys, queries = 2 * units**2 * 6 * 5, 2 * units**2 * 6 * 6
    forward = training_flop(pairs, [np.arange(6)], QUICK, candidates=1) / 3
    assert counter.get_total_flops() == forward - keys + queries


def test_fitted_lengths_are_like_real_ones():
    real = real_lengths()
    if real is None:
        pytest.skip("ALPHA_DIMT_TEST_DATA names no folder with iwslt14-prepared")
    fitted = fitted_lengths(100_000, np.random.default_rng(1))

    for ours, theirs in zip(fitted, real, strict=True):
        percentiles = [5, 25, 50, 75, 95]
        gap = np.percentile(ours, percentiles) - np.percentile(theirs, percentiles)
        assert np.abs(gap).max() <= 1
        assert ours.mean() == pytest.approx(theirs.mean(), rel=0.03)
    assert np.corrcoef(fitted)[0, 1] == pytest.approx(np.corrcoef(real)[0, 1], abs=0.03)


def test_lengths_are_fitted_without_real_text(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ALPHA_DIMT_TEST_DATA", raising=False)
    assert "ALPHA_DIMT_TEST_DATA" not in os.environ

    pairs = sentence_pairs(QUICK, 500)

    assert real_lengths() is None
    assert pairs.source.lengths.min() >= 1
    assert pairs.target.values.max() < QUICK.target_words
