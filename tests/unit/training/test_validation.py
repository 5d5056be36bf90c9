"""What is logged of the validation data after an epoch."""

from typing import Any

import pytest
import torch

from alpha_dimt.config import Experiment, RunConfig, parse
from alpha_dimt.config.training import Decoding
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import Vocab
from alpha_dimt.data.encoded import Pairs
from alpha_dimt.data.segmentation import WordSegmentation
from alpha_dimt.evaluation.metrics import multi_bleu
from alpha_dimt.inference.decode import translate_pairs
from alpha_dimt.models.base import TranslationModel
from alpha_dimt.models.build import build_model
from alpha_dimt.training.validation import validate

CPU = torch.device("cpu")
WORDS = [f"w{number}" for number in range(4)]
ROWS = [[4, 5, 6, 7, 4, 5], [7, 6, 5, 4], [4, 4, 4, 4, 4]] * 20
TEXT = [" ".join(WORDS[word - 4] for word in row) for row in ROWS]
PAIRS = Pairs(Ragged.from_rows(ROWS), Ragged.from_rows(ROWS), TEXT, TEXT)
VOCAB = Vocab(WORDS)


def run(system: dict[str, Any]) -> RunConfig:
    values = {
        "corpus": {"kind": "toy"},
        "model": {"embedding": 4, "hidden": 6, "init": 0.01},
        "systems": {"a": system},
    }
    return parse(Experiment, values, "test").run_config("a", 7)


def metrics(config: RunConfig, model: TranslationModel) -> dict[str, float]:
    return validate(
        model,
        pairs=PAIRS,
        vocab=VOCAB,
        segmentation=WordSegmentation(run({"objective": "ml"}).data),
        config=config,
        device=CPU,
    )


@pytest.fixture
def model() -> TranslationModel:
    """A model that repeats the likeliest word, and draws others with it."""
    size = len(VOCAB)
    made = build_model(
        run({"objective": "ml"}).model, source_vocab_size=size, target_vocab_size=size
    )
    made.initialise(torch.Generator().manual_seed(1))
    with torch.no_grad():
        made.output.bias[4] += 2.0
    return made


@pytest.mark.parametrize(
    "system",
    [
        {"objective": "policy_gradient"},
        {"objective": "actor_critic"},
        {"objective": "interpolated", "ml_weight": 0.5, "other": {"objective": "mrt"}},
    ],
)
def test_samples_are_scored_where_the_objective_draws_them(
    model: TranslationModel, system: dict[str, Any]
) -> None:
    found = metrics(run(system), model)
    torch.manual_seed(7)
    lines = translate_pairs(
        model,
        PAIRS,
        VOCAB,
        segmentation=WordSegmentation(run({"objective": "ml"}).data),
        decoding=Decoding(beam=1, temperatures=(1.0,)),
        device=CPU,
    )
    assert found["valid_bleu_sampled"] == multi_bleu(lines, TEXT).value
    assert found["valid_bleu_sampled"] != found["valid_bleu_greedy"]
    assert metrics(run(system), model) == found


def test_others_are_not_sampled(model: TranslationModel) -> None:
    assert "valid_bleu_sampled" not in metrics(run({"objective": "ml"}), model)
