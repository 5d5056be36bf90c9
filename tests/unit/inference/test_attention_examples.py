"""The sentences that every system translates, and the attention behind them."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.config.training import Decoding
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.inference.attention_examples import attention, spread_rows
from alpha_dimt.inference.decode import search_all
from alpha_dimt.models.attention_rnn.fused import FusedAttentionRnn
from alpha_dimt.models.base import fill_uniformly


@given(st.integers(0, 10_000), st.integers(1, 20))
def test_rows_are_evenly_spread(count: int, wanted: int) -> None:
    rows = spread_rows(count, wanted)
    assert len(rows) == min(count, wanted)
    assert rows == sorted(set(rows))
    assert all(0 <= row < count for row in rows)
    if count > wanted:
        steps = {after - before for before, after in pairwise(rows)}
        assert max(steps, default=1) - min(steps, default=1) <= 1


@pytest.mark.parametrize("beam", [1, 4])
def test_attention_of_a_translation_is_what_the_search_saw(beam: int) -> None:
    config = AttentionRnnConfig(embedding=12, hidden=16, dropout=0.0, init=1.0)
    model = FusedAttentionRnn(config, source_vocab_size=20, target_vocab_size=20)
    fill_uniformly(model, 1.0, torch.Generator().manual_seed(3))
    model.eval()
    source = Ragged.from_rows([[5, 6, 7, 8, 9], [10, 11, 12]])
    decoding = Decoding(beam=beam, max_length=12)
    found = search_all(model, source, decoding, torch.device("cpu"))
    assert any(len(hypothesis.tokens) > 2 for hypothesis in found)
    for row, hypothesis in enumerate(found):
        weights = attention(model, torch.from_numpy(source.row(row)), hypothesis.tokens)
        assert weights.shape == (len(hypothesis.tokens), len(source.row(row)))
        assert weights.sum(1).tolist() == pytest.approx([1.0] * len(weights), abs=1e-5)
        assert weights.argmax(1).tolist() == hypothesis.attended
