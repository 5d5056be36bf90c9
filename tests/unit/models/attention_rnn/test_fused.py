from dataclasses import replace

import pytest
import torch

from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.config.training import Decoding
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.inference.decode import search_all
from alpha_dimt.kernels import Workspace
from alpha_dimt.models.attention_rnn.fused import FusedAttentionRnn, dropout_factors, packed_steps
from alpha_dimt.models.attention_rnn.model import AttentionRnn
from alpha_dimt.models.base import fill_uniformly

K = 2


def build(dtype: torch.dtype, dropout: float = 0.0) -> FusedAttentionRnn:
    sizes = AttentionRnnConfig(embedding=6, hidden=8, dropout=dropout)
    model = FusedAttentionRnn(sizes, source_vocab_size=11, target_vocab_size=13).to(dtype)
    fill_uniformly(model, 0.5, torch.Generator().manual_seed(3))
    return model


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    source = torch.tensor([[4, 5, 6, 7, 8], [9, 10, 4, 0, 0], [5, 0, 0, 0, 0]])
    target = torch.tensor(
        [
            [2, 4, 5, 6, 3],
            [2, 4, 9, 6, 3],
            [2, 7, 3, 0, 0],
            [2, 8, 3, 0, 0],
            [2, 12, 12, 3, 0],
            [2, 12, 11, 3, 0],
        ]
    )
    return {
        "source": source,
        "lengths": torch.tensor([5, 3, 1]),
        "target": target,
        "target_lengths": torch.tensor([4, 4, 2, 2, 3, 3]),
    }


def log_probs(model: AttentionRnn, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    encoded = model.encode(batch["source"], batch["lengths"])
    return model.token_log_probs(encoded, batch["target"], batch["target_lengths"]).per_row()


def plain(model: FusedAttentionRnn) -> AttentionRnn:
    """Return the definition with the same parameters."""
    options = AttentionRnnConfig(embedding=6, hidden=8, dropout=model.dropout)
    made = AttentionRnn(options, source_vocab_size=11, target_vocab_size=13)
    made = made.to(model.output.weight.dtype)
    made.load_state_dict(model.state_dict())
    return made.train(model.training)


@pytest.mark.parametrize("inputs", [False, True])
@pytest.mark.parametrize("together", [1, FusedAttentionRnn.sources_together])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_values_and_all_gradients_equal_the_plain_model(
    batch: dict[str, torch.Tensor],
    dtype: torch.dtype,
    tolerance: float,
    together: int,
    inputs: bool,
) -> None:
    model = build(dtype)
    model.sources_together = together
    read = torch.tensor([[2, 5, 5, 5]]).expand(6, -1).contiguous() if inputs else None
    upstream = torch.linspace(-1.0, 2.0, 18, dtype=dtype)
    results = []
    for one in (model, plain(model)):
        encoded = one.encode(batch["source"], batch["lengths"])
        tokens = one.token_log_probs(encoded, batch["target"], batch["target_lengths"], inputs=read)
        log_p, real = tokens.padded()
        assert tokens.mean is not None
        mean, _ = replace(tokens, log_p=tokens.mean()).padded()
        ((log_p + 0.3 * mean)[real] * upstream).sum().backward()
        gradients = {name: p.grad.to_dense() for name, p in one.named_parameters()}
        results.append((log_p, mean, real, tokens.per_row(), tokens.per_chunk(3), gradients))
    (*fast, fast_gradients), (*expected, gradients) = results
    for ours, theirs in zip(fast, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
    for name, gradient in gradients.items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(
            fast_gradients[name], gradient, rtol=tolerance, atol=tolerance, msg=name
        )


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


def test_the_plain_model_drops_the_attentional_output_alone(batch: dict[str, torch.Tensor]) -> None:
    model = plain(build(torch.float64, dropout=0.5)).train()
    torch.manual_seed(1)
    values = torch.stack([log_probs(model, batch).exp() for _ in range(400)])
    assert values.std(dim=0).min() > 0
    assert torch.equal(log_probs(model.eval(), batch), log_probs(model, batch))


def test_bf16_of_the_plain_model_stays_near_float32(batch: dict[str, torch.Tensor]) -> None:
    model = plain(build(torch.float32))
    wide = log_probs(model, batch)
    model.compute_dtype = torch.bfloat16
    low = log_probs(model, batch)
    assert low.dtype == torch.float32
    assert not torch.equal(low, wide)
    torch.testing.assert_close(low, wide, rtol=0.02, atol=0.02)


def test_bf16_products_stay_near_float32(batch: dict[str, torch.Tensor]) -> None:
    model = build(torch.float32)
    wide = log_probs(model, batch)
    model.compute_dtype = torch.bfloat16
    torch.testing.assert_close(log_probs(model, batch), wide, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("lengths", [[5, 3, 1], [5, 5, 5]])
def test_bf16_gradients_stay_near_float32(
    batch: dict[str, torch.Tensor], lengths: list[int], fast: bool
) -> None:
    # Where all lengths are the same, PyTorch uses another LSTM, which some processors do not have.
    batch["lengths"] = torch.tensor(lengths)
    model = build(torch.float32) if fast else plain(build(torch.float32))
    gradients = []
    for model.compute_dtype in (torch.float32, torch.bfloat16):
        model.zero_grad()
        log_probs(model, batch).sum().backward()
        gradients.append([parameter.grad.to_dense() for parameter in model.parameters()])
    for wide, low in zip(*gradients, strict=True):
        assert (low - wide).norm() < 0.03 * wide.norm()


def test_what_memory_held_before_changes_nothing() -> None:
    """With AMX, products read beyond rows that are neither contiguous nor of a multiple of 32."""
    sizes = AttentionRnnConfig(embedding=50, hidden=50, dropout=0.0)
    model = FusedAttentionRnn(sizes, source_vocab_size=100, target_vocab_size=100)
    fill_uniformly(model, 0.5, torch.Generator().manual_seed(3))
    model.compute_dtype = torch.bfloat16
    lengths = torch.full((40,), 9)
    words = torch.randint(4, 100, (40, 10), generator=torch.Generator().manual_seed(4))
    results = []
    for filled in (False, True):
        model._workspace = Workspace()
        torch.use_deterministic_algorithms(filled)  # which fills new arrays with NaN
        try:
            model.zero_grad()
            encoded = model.encode(words[:, :9], lengths)
            log_p = model.token_log_probs(encoded, words, lengths).per_row()
            log_p.sum().backward()
            gradients = [parameter.grad.to_dense() for parameter in model.parameters()]
            state = model.start(model.encode(words[:, :9], lengths))
            for _ in range(2):
                logits, attention, state = model.step(state, words[:, 0])
            results.append([log_p.detach(), *gradients, logits, attention])
        finally:
            torch.use_deterministic_algorithms(False)
    for before, after in zip(*results, strict=True):
        assert before.isfinite().all()
        assert torch.equal(before, after)


@pytest.mark.parametrize("rate", [0.3, 0.5])
def test_dropout_factors_keep_the_mean(rate: float) -> None:
    torch.manual_seed(0)
    factors = dropout_factors((7, 11, 1301), rate, torch.zeros((), dtype=torch.float64))
    assert set(factors.unique().tolist()) == {0.0, 1 / (1 - rate)}
    deviation = (rate * (1 - rate) / factors.numel()) ** 0.5
    assert (factors == 0).double().mean().item() == pytest.approx(rate, abs=4 * deviation)
    neighbours = factors.flatten()[:-1] * factors.flatten()[1:]
    assert neighbours.mean().item() == pytest.approx(1.0, abs=0.02)


def test_padding_changes_nothing(batch: dict[str, torch.Tensor]) -> None:
    model = build(torch.float64)
    together = log_probs(model, batch)
    for i in range(3):
        n, rows = int(batch["lengths"][i]), slice(K * i, K * i + K)
        t = int(batch["target_lengths"][rows].max())
        alone = log_probs(
            model,
            {
                "source": batch["source"][i : i + 1, :n],
                "lengths": batch["lengths"][i : i + 1],
                "target": batch["target"][rows, : t + 1],
                "target_lengths": batch["target_lengths"][rows],
            },
        )
        torch.testing.assert_close(together[rows], alone)


def test_steps_cover_every_source_up_to_the_last_unfinished_one() -> None:
    counts, step, row = packed_steps(torch.tensor([1, 3, 2, 1, 1, 1]), 2, 1)
    assert counts == [3, 2, 1]
    assert step.tolist() == [0] * 6 + [1] * 4 + [2] * 2
    assert row.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 0, 1]
    assert packed_steps(torch.tensor([1, 2, 3]), 1, 1)[0] == [3, 3, 3]
    assert packed_steps(torch.tensor([3, 2, 1]), 1, 1)[0] == [3, 2, 1]
    assert packed_steps(torch.tensor([4, 3, 3, 1, 2]), 1, 2)[0] == [5, 5, 4, 2]


def test_the_order_of_the_sources_changes_nothing(batch: dict[str, torch.Tensor]) -> None:
    model = build(torch.float64)
    log_p = log_probs(model, batch)
    for model.sources_together in (1, 2, 3):
        for order in ([0, 2, 1], [1, 2, 0]):  # longest targets first, and last
            rows = torch.tensor([K * i + k for i in order for k in range(K)])
            moved = {k: v[rows if "target" in k else order] for k, v in batch.items()}
            torch.testing.assert_close(log_probs(model, moved), log_p[rows])


def test_output_weights_stand_in_memory_as_their_products_want_them(
    batch: dict[str, torch.Tensor],
) -> None:
    model = build(torch.float32)
    log_probs(model, batch).sum().backward()
    assert model.output.weight.shape == (13, 8)
    assert model.output.weight.stride() == model.output.weight.grad.stride() == (1, 13)


def test_initial_values_are_drawn_row_by_row() -> None:
    generator = torch.Generator().manual_seed(3)
    for parameter in build(torch.float32).parameters():
        drawn = torch.empty(parameter.shape).uniform_(-0.5, 0.5, generator=generator)
        assert torch.equal(parameter, drawn)


def test_dropout_is_one_mask_for_value_and_gradient(batch: dict[str, torch.Tensor]) -> None:
    model = build(torch.float64, dropout=0.5).train()
    weight = model.combine.weight

    def loss() -> torch.Tensor:
        torch.manual_seed(1)
        return log_probs(model, batch).sum()

    (gradient,) = torch.autograd.grad(loss(), weight)
    with torch.no_grad():
        weight[0, 0] += 1e-6
        up = loss()
        weight[0, 0] -= 2e-6
        down = loss()
    assert gradient[0, 0].item() == pytest.approx(((up - down) / 2e-6).item(), rel=1e-5)


def test_steps_follow_the_same_distribution(batch: dict[str, torch.Tensor]) -> None:
    model = build(torch.float64).eval()
    encoded = model.encode(batch["source"], batch["lengths"])
    state = model.start(encoded)
    target, lengths = batch["target"][::K], batch["target_lengths"][::K]
    total = torch.zeros(3, dtype=torch.float64)
    with torch.no_grad():
        for t in range(target.shape[1] - 1):
            logits, attention, state = model.step(state, target[:, t])
            log_p = logits.log_softmax(dim=1).gather(1, target[:, t + 1, None])[:, 0]
            total += torch.where(t < lengths, log_p, 0)
            torch.testing.assert_close(attention.sum(dim=1), torch.ones(3, dtype=torch.float64))
        expected = model.token_log_probs(encoded, target, lengths).per_row()
    torch.testing.assert_close(total, expected)


def test_the_papers_sizes_have_the_authors_number_of_parameters() -> None:
    with torch.device("meta"):
        model = FusedAttentionRnn(
            AttentionRnnConfig(), source_vocab_size=32_013, target_vocab_size=22_826
        )
    assert sum(p.numel() for p in model.parameters()) == 21_285_418
