"""The model for CUDA devices on a device that pretends to be one."""

import itertools

import pytest
import torch
from pretend_gpu import CUDA, DEVICES, NO_GPU, device, pretend_gpu

from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.machine.arithmetic import use_exact_arithmetic
from alpha_dimt.models.attention_rnn import cuda, model
from alpha_dimt.models.attention_rnn.cuda import CudaAttentionRnn
from alpha_dimt.models.attention_rnn.model import AttentionRnn
from alpha_dimt.models.base import TranslationModel
from alpha_dimt.training.optimisers import Sgd

SOURCE_LENGTHS = torch.tensor([9, 4, 7, 1])
TARGET_LENGTHS = torch.tensor([8, 11, 3, 3, 1, 9, 2, 2])
SIZES = {"source_vocab_size": 14, "target_vocab_size": 300}


def build(network: type[AttentionRnn], dropout: float = 0.0) -> AttentionRnn:
    made = network(AttentionRnnConfig(embedding=8, hidden=12, dropout=dropout), **SIZES).double()
    made.initialise(torch.Generator().manual_seed(3))
    return made


def batch(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return sources [4, 9] and framed candidates [8, 12]."""
    random = torch.Generator().manual_seed(seed)
    source = torch.randint(4, 14, (4, 9), generator=random)
    source[torch.arange(9) >= SOURCE_LENGTHS[:, None]] = 0
    target = torch.randint(4, 300, (8, 12), generator=random)
    target[:, 0] = 2
    target[torch.arange(12) > TARGET_LENGTHS[:, None]] = 0
    return source, target


@pytest.fixture
def same_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let dropout keep the same outputs, in whatever order a model draws."""
    kept = torch.rand((16, 8, 12), generator=torch.Generator().manual_seed(4)) < 0.5
    factors = 2 * kept.double()
    calls = itertools.count()

    def dropout(output: torch.Tensor, rate: float, training: bool) -> torch.Tensor:
        return output * factors[next(calls) % 11] if training and rate else output

    def dropout_factors(shape: tuple[int, ...], rate: float, like: torch.Tensor) -> torch.Tensor:
        return factors[: shape[0]].to(like.device)

    monkeypatch.setattr(model.F, "dropout", dropout)
    monkeypatch.setattr(cuda, "dropout_factors", dropout_factors)


def pass_through(network: TranslationModel, seed: int) -> list[torch.Tensor]:
    """Return log p of every candidate, in two forms, and the gradients of all parameters."""
    device = network.device
    source, target = (part.to(device) for part in batch(seed))
    encoded = network.encode(source, SOURCE_LENGTHS)
    tokens = network.token_log_probs(encoded, target, TARGET_LENGTHS)
    rows, chunks = tokens.per_row(), tokens.per_chunk(4)
    weights = torch.arange(1.0, 9.0, dtype=torch.float64).to(device)
    ((rows * weights).sum() + (chunks**2).sum()).backward()
    found = [rows.detach().cpu(), chunks.detach().cpu()]
    for parameter in network.parameters():
        found.append(parameter.grad.to_dense().cpu())
        parameter.grad = None
    return found


@pytest.mark.parametrize("kind", DEVICES)
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_model_for_cuda_is_the_plain_model(
    kind: str, dropout: float, same_dropout: None
) -> None:
    with device(kind) as gpu:
        plain, fast = build(AttentionRnn, dropout), build(CudaAttentionRnn, dropout).to(CUDA)
        for seed in range(4):  # the second pass captures graphs, the others replay them
            expected, found = pass_through(plain, seed), pass_through(fast, seed)
            for here, there in zip(expected, found, strict=True):
                torch.testing.assert_close(there, here, rtol=1e-10, atol=1e-10)
        if kind == "pretend":
            assert gpu.captured == 4  # forward and backward of encoder and decoder


@pytest.mark.parametrize("kind", DEVICES)
def test_updates_are_those_of_the_plain_model(kind: str) -> None:
    with device(kind):
        plain, fast = build(AttentionRnn), build(CudaAttentionRnn).to(CUDA)
        for seed in range(5):
            norms = []
            for network in (plain, fast):
                source, target = (part.to(network.device) for part in batch(seed))
                encoded = network.encode(source, SOURCE_LENGTHS)
                log_p = network.token_log_probs(encoded, target, TARGET_LENGTHS).per_row()
                (-log_p.mean()).backward()
                never = torch.zeros((), dtype=torch.bool, device=network.device)
                norm = Sgd(clip_norm=0.5).step(
                    network.parameters(), learning_rate=1.0, unless=never
                )
                norms += [norm.cpu(), log_p.detach().cpu()]
            torch.testing.assert_close(norms[:2], norms[2:], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", DEVICES)
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_small_gradients_survive_bf16(kind: str, scale: float) -> None:
    """Policy gradient and minimum risk have gradients of a hundredth of maximum likelihood's.

    In float16, the encoder's relative error would be 0.09 at a thousandth.
    """
    with device(kind):
        use_exact_arithmetic()
        found = []
        for dtype in (torch.float32, torch.bfloat16):
            network = build(CudaAttentionRnn).float().to(CUDA)
            network.compute_dtype = dtype
            source, target = (part.to(CUDA) for part in batch(0))
            tokens = network.token_log_probs(
                network.encode(source, SOURCE_LENGTHS), target, TARGET_LENGTHS
            )
            (-scale * tokens.per_row().mean()).backward()
            parts = [*network.encoder.parameters(), network.source_embedding.weight]
            found.append(torch.cat([part.grad.to_dense().flatten().cpu() for part in parts]))
        exact, low = found
        assert (low - exact).norm() / exact.norm() < 0.02


def test_a_second_pass_before_the_first_backward_is_right_too() -> None:
    """A graph has one set of results, so the second pass is computed without it."""
    with pretend_gpu():
        plain, fast = build(AttentionRnn), build(CudaAttentionRnn).to(CUDA)
        for seed in range(3):
            pass_through(fast, seed)
        found = []
        for network in (plain, fast):
            log_ps = []
            for seed in (3, 4):
                source, target = (part.to(network.device) for part in batch(seed))
                tokens = network.token_log_probs(
                    network.encode(source, SOURCE_LENGTHS), target, TARGET_LENGTHS
                )
                log_ps.append(tokens.per_row())
            (log_ps[0] * log_ps[1]).sum().backward()
            found.append([p.grad.to_dense().cpu() for p in network.parameters()])
        for here, there in zip(*found, strict=True):
            torch.testing.assert_close(there, here, rtol=1e-10, atol=1e-10)


@pytest.mark.gpu
@NO_GPU
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_gpu_repeats_bit_for_bit(dtype: torch.dtype) -> None:
    use_exact_arithmetic()
    found = []
    for _ in range(2):
        network = build(CudaAttentionRnn).float().to(CUDA)
        network.compute_dtype = dtype
        found.append([part for seed in range(4) for part in pass_through(network, seed)])
    assert all(torch.equal(here, there) for here, there in zip(*found, strict=True))


def test_no_lstm_of_the_plain_model_runs_under_autocast() -> None:
    """On a GPU, autocast computes `nn.LSTM` in float16, whatever type it is asked for."""
    asked: dict[str, set[bool]] = {"encoder": set(), "combine": set()}
    with pretend_gpu():
        network = build(AttentionRnn).float().to(CUDA)
        network.compute_dtype = torch.bfloat16
        for name, found in asked.items():
            network.get_submodule(name).register_forward_pre_hook(
                lambda *_, found=found: found.add(torch.is_autocast_enabled("cuda"))
            )
        source, target = (part.to(CUDA) for part in batch(1))
        network.token_log_probs(network.encode(source, SOURCE_LENGTHS), target, TARGET_LENGTHS)
    assert asked == {"encoder": {False}, "combine": {True}}


def test_the_plain_model_scores_the_same_on_a_gpu() -> None:
    found = []
    with pretend_gpu(), torch.no_grad():
        for network in (build(AttentionRnn), build(AttentionRnn).to(CUDA)):
            source, target = (part.to(network.device) for part in batch(2))
            encoded = network.encode(source, SOURCE_LENGTHS)
            found.append(network.token_log_probs(encoded, target, TARGET_LENGTHS).per_row().cpu())
    torch.testing.assert_close(found[1], found[0], rtol=1e-10, atol=1e-12)
