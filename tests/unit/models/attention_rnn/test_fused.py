import pytest
import torch
from plain_model import plain_log_probs

from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.kernels import Spare, vocabulary_softmax
from alpha_dimt.models.attention_rnn import fused
from alpha_dimt.models.attention_rnn.fused import Seq2Seq, dropout_factors, packed_steps

K = 2


def build(dtype: torch.dtype, dropout: float = 0.0) -> Seq2Seq:
    sizes = AttentionRnnConfig(embedding=6, hidden=8, dropout=dropout)
    model = Seq2Seq(sizes, source_words=11, target_words=13).to(dtype)
    model.initialise(0.5, torch.Generator().manual_seed(3))
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


def fast_log_probs(model: Seq2Seq, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    encoded = model.encode(batch["source"], batch["lengths"])
    return model.log_probs(encoded, batch["target"], batch["target_lengths"])


@pytest.mark.parametrize("group", [1, fused.GROUP])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_values_and_all_gradients_equal_the_plain_model(
    batch: dict[str, torch.Tensor],
    dtype: torch.dtype,
    tolerance: float,
    group: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fused, "GROUP", group)
    model = build(dtype)
    weights = torch.linspace(0.5, 2.0, 6, dtype=dtype)
    results = []
    for log_p in (fast_log_probs(model, batch), plain_log_probs(model, **batch)):
        model.zero_grad()
        (log_p * weights).sum().backward()
        results.append((log_p, {n: p.grad.to_dense() for n, p in model.named_parameters()}))
    (fast, fast_grads), (plain, plain_grads) = results
    torch.testing.assert_close(fast, plain, rtol=tolerance, atol=tolerance)
    for name, gradient in plain_grads.items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(
            fast_grads[name], gradient, rtol=tolerance, atol=tolerance, msg=name
        )


def test_bf16_products_stay_near_float32(batch: dict[str, torch.Tensor]) -> None:
    model = build(torch.float32)
    plain = fast_log_probs(model, batch)
    model.compute_dtype = torch.bfloat16
    torch.testing.assert_close(fast_log_probs(model, batch), plain, rtol=0.02, atol=0.02)


def test_bf16_gradients_stay_near_float32(batch: dict[str, torch.Tensor]) -> None:
    model = build(torch.float32)
    gradients = []
    for model.compute_dtype in (torch.float32, torch.bfloat16):
        model.zero_grad()
        fast_log_probs(model, batch).sum().backward()
        gradients.append([parameter.grad.to_dense() for parameter in model.parameters()])
    for wide, low in zip(*gradients, strict=True):
        assert (low - wide).norm() < 0.03 * wide.norm()


def test_what_memory_held_before_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """With AMX, products read beyond rows that are neither contiguous nor of a multiple of 32."""
    sizes = AttentionRnnConfig(embedding=50, hidden=50, dropout=0.0)
    model = Seq2Seq(sizes, source_words=100, target_words=100)
    model.initialise(0.5, torch.Generator().manual_seed(3))
    model.compute_dtype = torch.bfloat16
    lengths = torch.full((40,), 9)
    words = torch.randint(4, 100, (40, 10), generator=torch.Generator().manual_seed(4))
    results = []
    for filled in (False, True):
        monkeypatch.setattr(vocabulary_softmax, "_SPARE", Spare())
        torch.use_deterministic_algorithms(filled)  # which fills new arrays with NaN
        try:
            model.zero_grad()
            log_p = model.log_probs(model.encode(words[:, :9], lengths), words, lengths)
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


def test_the_encoder_of_a_gpu_is_that_of_the_processor(batch: dict[str, torch.Tensor]) -> None:
    model = build(torch.float64)
    results = []
    for encoder in (model._encode_scan, model._encode_packed):
        parts = encoder(batch["source"], batch["lengths"])
        real = torch.arange(5) < batch["lengths"][:, None]
        results.append((parts[0][real], *parts[1:]))
        loss = sum(part.square().sum() for part in results[-1])
        gradients = torch.autograd.grad(
            loss, [model.source_embedding.weight, *model.encoder.parameters()]
        )
        results[-1] += tuple(gradient.to_dense() for gradient in gradients)
    for scanned, packed in zip(*results, strict=True):
        torch.testing.assert_close(scanned, packed)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_computes_what_the_processor_computes(batch: dict[str, torch.Tensor]) -> None:
    results = []
    for device in ("cpu", "cuda"):
        model = build(torch.float64).to(device)
        moved = {k: v if "lengths" in k else v.to(device) for k, v in batch.items()}
        log_p = fast_log_probs(model, moved)
        log_p.sum().backward()
        results.append([log_p, *(parameter.grad.to_dense() for parameter in model.parameters())])
    for here, there in zip(*results, strict=True):
        torch.testing.assert_close(here, there.cpu())


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
    together = fast_log_probs(model, batch)
    for i in range(3):
        n, rows = int(batch["lengths"][i]), slice(K * i, K * i + K)
        t = int(batch["target_lengths"][rows].max())
        alone = fast_log_probs(
            model,
            {
                "source": batch["source"][i : i + 1, :n],
                "lengths": batch["lengths"][i : i + 1],
                "target": batch["target"][rows, : t + 1],
                "target_lengths": batch["target_lengths"][rows],
            },
        )
        torch.testing.assert_close(together[rows], alone)


def test_steps_are_packed_while_a_source_or_one_after_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fused, "GROUP", 1)
    counts, step, row = packed_steps(torch.tensor([1, 3, 2, 1, 1, 1]), 2)
    assert counts == [3, 2, 1]
    assert step.tolist() == [0] * 6 + [1] * 4 + [2] * 2
    assert row.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 0, 1]
    assert packed_steps(torch.tensor([1, 2, 3]), 1)[0] == [3, 3, 3]
    assert packed_steps(torch.tensor([3, 2, 1]), 1)[0] == [3, 2, 1]
    monkeypatch.setattr(fused, "GROUP", 2)
    assert packed_steps(torch.tensor([4, 3, 3, 1, 2]), 1)[0] == [5, 5, 4, 2]


def test_the_order_of_the_sources_changes_nothing(
    batch: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(torch.float64)
    log_p = fast_log_probs(model, batch)
    for group in (1, 2, 3):
        monkeypatch.setattr(fused, "GROUP", group)
        for order in ([0, 2, 1], [1, 2, 0]):  # longest targets first, and last
            rows = torch.tensor([K * i + k for i in order for k in range(K)])
            moved = {k: v[rows if "target" in k else order] for k, v in batch.items()}
            torch.testing.assert_close(fast_log_probs(model, moved), log_p[rows])


def test_output_weights_stand_in_memory_as_their_products_want_them(
    batch: dict[str, torch.Tensor],
) -> None:
    model = build(torch.float32)
    fast_log_probs(model, batch).sum().backward()
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
        return fast_log_probs(model, batch).sum()

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
        expected = model.log_probs(encoded, target, lengths)
    torch.testing.assert_close(total, expected)


def test_the_papers_sizes_have_the_authors_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Seq2Seq(AttentionRnnConfig(), source_words=32_013, target_words=22_826)
    assert sum(p.numel() for p in model.parameters()) == 21_285_418
