"""States and logits of tokens, against log p of the same tokens, for every network of ours."""

from typing import Any, Literal

import pytest
import torch
from token_states import check_token_states

from alpha_dimt.config.models import AttentionRnnConfig, TransformerConfig
from alpha_dimt.models.build import build_model

WORDS = 13
MODELS: dict[str, Any] = {
    "attention_rnn": AttentionRnnConfig(embedding=6, hidden=8, init=0.5),
    "transformer": TransformerConfig(kind="transformer", layers=2, units=8, heads=2, inner=12),
}
SOURCE = torch.tensor([[4, 5, 6], [7, 8, 0]])
TARGET = torch.tensor([[2, 4, 5, 6, 3], [2, 3, 0, 0, 0], [2, 8, 3, 0, 0], [2, 9, 10, 3, 0]])


@pytest.mark.parametrize("implementation", ["plain", "auto"])
@pytest.mark.parametrize("name", MODELS)
def test_states_give_the_same_log_p(name: str, implementation: Literal["plain", "auto"]) -> None:
    model = build_model(
        MODELS[name],
        source_vocab_size=WORDS,
        target_vocab_size=WORDS,
        implementation=implementation,
    )
    model.initialise(torch.Generator().manual_seed(1))
    model = model.double().eval()
    encoded = model.encode(SOURCE, torch.tensor([3, 2]))
    check_token_states(model, encoded, TARGET, torch.tensor([4, 1, 2, 3]))
