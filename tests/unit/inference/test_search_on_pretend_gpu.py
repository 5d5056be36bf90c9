"""Search on a device that pretends to be a GPU finds what it finds on the CPU, and rarely waits."""

import pytest
import torch
from pretend_gpu import CUDA, pretend_gpu

from alpha_dimt.config.models import AttentionRnnConfig, ModelConfig, TransformerConfig
from alpha_dimt.config.training import Decoding
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.inference import candidates, search
from alpha_dimt.inference.attention_examples import attention
from alpha_dimt.inference.decode import search_all
from alpha_dimt.models.base import TranslationModel
from alpha_dimt.models.build import build_model

CPU = torch.device("cpu")
MAX_LENGTH = 30


MODELS: dict[str, ModelConfig] = {
    "attention_rnn": AttentionRnnConfig(embedding=8, hidden=12),
    "transformer": TransformerConfig(kind="transformer", layers=2, units=12, heads=2, inner=16),
}


def build(
    device: torch.device, dtype: torch.dtype = torch.float64, kind: str = "attention_rnn"
) -> TranslationModel:
    model = build_model(MODELS[kind], source_vocab_size=14, target_vocab_size=300, device=device)
    model.initialise(torch.Generator().manual_seed(3))
    names = {name for name, _ in model.named_parameters()}
    with torch.no_grad():
        if kind == "attention_rnn":
            for parameter in model.parameters():
                parameter.mul_(12)  # so that translations differ, in length too
        [bias] = {"output.bias", "output_bias"} & names
        model.get_parameter(bias)[3] += 2.0
    return model.to(dtype).to(device).eval()


def sources() -> Ragged:
    random = torch.Generator().manual_seed(5)
    lengths = torch.randint(1, 9, (40,), generator=random)
    rows = [torch.randint(4, 14, (int(n),), generator=random).tolist() for n in lengths]
    return Ragged.from_rows(rows)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("ended", ["kept", "extended"])
@pytest.mark.parametrize(("beam", "penalty"), [(1, 0.0), (4, 0.0), (4, 0.6), (10, 0.0)])
def test_search_finds_what_it_finds_on_the_cpu(
    beam: int, penalty: float, ended: str, kind: str
) -> None:
    how = Decoding(
        beam=beam, max_length=MAX_LENGTH, batch_size=beam * 16, length_penalty=penalty, ended=ended
    )
    expected = search_all(build(CPU, kind=kind), sources(), how, CPU)
    with pretend_gpu():
        found = search_all(build(CUDA, kind=kind), sources(), how, CUDA)
    assert found == expected
    assert len({len(hypothesis.tokens) for hypothesis in expected}) > 1


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("beam", [1, 4])
def test_search_asks_the_device_once_in_many_steps(beam: int, kind: str) -> None:
    how = Decoding(beam=beam, max_length=MAX_LENGTH, batch_size=beam * 40)
    with pretend_gpu() as gpu:
        model = build(CUDA, kind=kind)
        gpu.clear()
        search_all(model, sources(), how, CUDA)
        asked = sum(gpu.waits.values())
    # A look every 8 steps, and the results: words, parents and attention.
    assert asked <= MAX_LENGTH // search.LOOK_EVERY + 3


def test_samples_are_of_the_model() -> None:
    """The frequencies of first tokens are their probabilities."""
    rows = 4000
    with pretend_gpu():
        model = build(CUDA)
        source = torch.tensor([[4, 5, 6]], device=CUDA)
        state = model.start(model.encode(source, torch.tensor([3])))
        state = model.select(state, torch.zeros(rows, dtype=torch.int64, device=CUDA))
        torch.manual_seed(1)
        drawn = candidates.sample(model, state, rows=rows, max_length=1, device=CUDA)
        begin = torch.full((rows,), 2, device=CUDA)
        expected = model.step(state, begin).logits[0].softmax(dim=0).cpu()
        frequencies = torch.bincount(drawn[:, 1].cpu(), minlength=300) / rows
    deviation = (expected * (1 - expected) / rows).sqrt()
    assert ((frequencies - expected).abs() < 5 * deviation + 1 / rows).all()
    assert expected.max() > 0.1


def test_bf16_is_near_fp32() -> None:
    ids, tokens = torch.tensor([4, 5, 6]), [7, 8, 9]
    expected = attention(build(CPU, torch.float32), ids, tokens)
    with pretend_gpu():
        model = build(CUDA, torch.float32)
        model.compute_dtype = torch.bfloat16
        found = attention(model, ids.to(CUDA), tokens).cpu()
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0.02)


def test_attention_of_the_examples() -> None:
    ids, tokens = torch.tensor([4, 5, 6]), [7, 8, 9]
    expected = attention(build(CPU), ids, tokens)
    with pretend_gpu():
        found = attention(build(CUDA), ids.to(CUDA), tokens).cpu()
    torch.testing.assert_close(found, expected)
