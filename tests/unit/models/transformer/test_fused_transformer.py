"""The Transformer: its definition, and the faster form that must equal it."""

import math
from dataclasses import replace

import pytest
import torch

from alpha_dimt.config.models import TransformerConfig
from alpha_dimt.config.training import Decoding
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.inference.decode import search_all
from alpha_dimt.models.transformer.fused import FusedTransformer
from alpha_dimt.models.transformer.model import Transformer, sinusoids

K = 2
VOCABULARIES = {"source_vocab_size": 11, "target_vocab_size": 13}
OPTIONS = {"kind": "transformer", "layers": 2, "units": 8, "heads": 2, "inner": 12}


def build(dtype: torch.dtype, dropout: float = 0.0) -> FusedTransformer:
    options = TransformerConfig(**OPTIONS, dropout=dropout)
    model = FusedTransformer(options, **VOCABULARIES).to(dtype)
    model.initialise(torch.Generator().manual_seed(3))
    with torch.no_grad():  # so that biases and scales matter
        generator = torch.Generator().manual_seed(4)
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter += 0.3 * noise.to(dtype)
    return model


def plain(model: FusedTransformer) -> Transformer:
    """Return the definition with the same parameters."""
    options = TransformerConfig(**OPTIONS, dropout=model.dropout)
    made = Transformer(options, **VOCABULARIES).to(model.output_bias.dtype)
    made.load_state_dict(model.state_dict())
    return made.train(model.training)


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    target = [
        [2, 4, 5, 6, 3],
        [2, 4, 9, 6, 3],
        [2, 7, 3],
        [2, 8, 3],
        [2, 12, 12, 3],
        [2, 12, 11, 3],
    ]
    return {
        "source": torch.tensor([[4, 5, 6, 7, 8], [9, 10, 4, 0, 0], [5, 0, 0, 0, 0]]),
        "lengths": torch.tensor([5, 3, 1]),
        "target": torch.tensor([row + [0] * (5 - len(row)) for row in target]),
        "target_lengths": torch.tensor([len(row) - 1 for row in target]),
    }


def log_probs(model: Transformer, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    encoded = model.encode(batch["source"], batch["lengths"])
    return model.token_log_probs(encoded, batch["target"], batch["target_lengths"]).per_row()


@pytest.mark.parametrize("inputs", [False, True])
def test_values_and_all_gradients_equal_the_plain_model(
    batch: dict[str, torch.Tensor], inputs: bool
) -> None:
    model = build(torch.float64)
    read = torch.tensor([[2, 5, 5, 5]]).expand(6, -1).contiguous() if inputs else None
    upstream = torch.linspace(-1.0, 2.0, 18, dtype=torch.float64)
    results = []
    for one in (model, plain(model)):
        encoded = one.encode(batch["source"], batch["lengths"])
        tokens = one.token_log_probs(encoded, batch["target"], batch["target_lengths"], inputs=read)
        log_p, real = tokens.padded()
        assert tokens.mean is not None
        mean, _ = replace(tokens, log_p=tokens.mean()).padded()
        ((log_p + 0.3 * mean)[real] * upstream).sum().backward()
        gradients = {name: p.grad for name, p in one.named_parameters()}
        results.append((log_p, mean, real, tokens.per_row(), tokens.per_chunk(3), gradients))
    (*fast, fast_gradients), (*expected, gradients) = results
    for ours, theirs in zip(fast, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    for name, gradient in gradients.items():
        torch.testing.assert_close(fast_gradients[name], gradient, rtol=1e-10, atol=1e-10, msg=name)
        # The softmax does not change when all keys move, so their bias alone gets no gradient.
        part = gradient[:8] if name.endswith("key_value.bias") else gradient
        assert (part.abs().max() > 1e-9) != name.endswith("key_value.bias"), name


@pytest.mark.parametrize("beam", [1, 3])
def test_search_finds_what_it_finds_with_the_plain_model(beam: int) -> None:
    model = build(torch.float64)
    source = Ragged.from_rows([[4, 5, 6, 7, 8], [9, 10, 4], [5], [6, 6, 6, 9]])
    config = Decoding(beam=beam, max_length=9)
    found, expected = (
        search_all(one, source, config, torch.device("cpu")) for one in (model, plain(model))
    )
    assert found == expected
    assert any(hypothesis.tokens for hypothesis in found)


@pytest.mark.parametrize("fast", [True, False])
def test_steps_follow_the_same_distribution(batch: dict[str, torch.Tensor], fast: bool) -> None:
    model = build(torch.float64) if fast else plain(build(torch.float64))
    state = model.start(model.encode(batch["source"], batch["lengths"]))
    target, lengths = batch["target"][::K], batch["target_lengths"][::K]
    total = torch.zeros(3, dtype=torch.float64)
    for t in range(4):
        logits, attention, state = model.step(state, target[:, t])
        chosen = logits.log_softmax(dim=1).gather(1, target[:, t + 1 : t + 2])[:, 0]
        total += torch.where(t < lengths, chosen, 0)
        assert attention is not None
        torch.testing.assert_close(attention.sum(dim=1), torch.ones_like(total))
        assert attention[1, 3:].abs().max() == attention[2, 1:].abs().max() == 0
    torch.testing.assert_close(total, log_probs(model, batch)[::K])


def test_padding_changes_nothing(batch: dict[str, torch.Tensor]) -> None:
    model = build(torch.float64)
    together = log_probs(model, batch)
    for i in range(3):
        n, rows = int(batch["lengths"][i]), slice(K * i, K * i + K)
        t = int(batch["target_lengths"][rows].max())
        alone = {
            "source": batch["source"][i : i + 1, :n],
            "lengths": batch["lengths"][i : i + 1],
            "target": batch["target"][rows, : t + 1],
            "target_lengths": batch["target_lengths"][rows],
        }
        torch.testing.assert_close(together[rows], log_probs(model, alone))


@pytest.mark.parametrize("fast", [True, False])
def test_bf16_stays_near_float32(batch: dict[str, torch.Tensor], fast: bool) -> None:
    model = build(torch.float32) if fast else plain(build(torch.float32))
    found = []
    for model.compute_dtype in (torch.float32, torch.bfloat16):
        model.zero_grad()
        log_p = log_probs(model, batch)
        log_p.sum().backward()
        gradient = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
        found.append((log_p, gradient))
    for wide, low in zip(*found, strict=True):
        assert low.dtype == torch.float32
        assert 0 < (low - wide).norm() < 0.05 * wide.norm()


@pytest.mark.parametrize("fast", [True, False])
def test_dropout_keeps_the_mean_of_what_a_sublayer_adds(fast: bool) -> None:
    model = build(torch.float64, dropout=0.5)
    model = (model if fast else plain(model)).train()
    torch.manual_seed(1)
    dropped = model._drop(torch.ones(2000, dtype=torch.float64))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert dropped.mean().item() == pytest.approx(1, abs=0.1)
    assert torch.equal(model.eval()._drop(torch.ones(5)), torch.ones(5, dtype=torch.float64))


def test_initial_values_depend_on_the_generator_alone() -> None:
    models = [Transformer(TransformerConfig(**OPTIONS), **VOCABULARIES) for _ in range(3)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        torch.manual_seed(seed + 7)
        model.initialise(torch.Generator().manual_seed(seed))
    same, again, other = (
        torch.cat([p.flatten() for p in model.parameters()]).detach() for model in models
    )
    assert same.isfinite().all()
    assert torch.equal(same, again)
    assert not torch.equal(same, other)


def test_positions_are_those_of_the_paper() -> None:
    positions = sinusoids(5, 6, torch.zeros((), dtype=torch.float64))
    angles = [3 / 10_000 ** (2 * i / 6) for i in range(3)]
    expected = [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
    assert positions[3].tolist() == pytest.approx(expected)
    assert torch.equal(sinusoids(2, 6, positions, first=3), positions[3:])


@pytest.mark.parametrize("size", ["tiny", "iwslt"])
def test_the_options_know_the_number_of_parameters(size: str) -> None:
    options = TransformerConfig(kind="transformer", size=size)
    model = Transformer(options, source_vocab_size=50, target_vocab_size=70)
    assert sum(p.numel() for p in model.parameters()) == options.parameters(50, 70)
