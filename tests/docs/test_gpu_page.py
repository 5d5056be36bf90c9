"""The table of kernel launches in docs/explanation/gpu.md, measured on a pretend GPU."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from every_objective import SYSTEMS, every_objective
from pretend_gpu import CUDA, PretendGpu, pretend_gpu

from alpha_dimt.config import RunConfig
from alpha_dimt.config.schedules import Moment
from alpha_dimt.core.imports import imported
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.data.batching import Batch
from alpha_dimt.data.encoded import Pairs
from alpha_dimt.models.build import build_model
from alpha_dimt.training.binding import bind
from alpha_dimt.training.learner import Setup

STEPS, VOCAB_SIZE, SENTENCES = 26, 40, 8


def batch(candidates: int) -> Batch:
    """Return sentences of 26 words with candidates of 26."""
    random = np.random.default_rng(1)
    words = random.integers(4, VOCAB_SIZE, (SENTENCES * candidates, STEPS))
    target = np.concatenate([np.full((len(words), 1), 2), words], axis=1)
    target[:, -1] = 3
    shape = (SENTENCES, candidates)
    return Batch(
        rows=np.arange(SENTENCES),
        source=words[:SENTENCES],
        source_lengths=np.full(SENTENCES, STEPS),
        target=target,
        target_lengths=np.full(len(words), STEPS),
        reward=np.zeros(shape),
        log_q0=np.zeros(shape),
        reference=np.zeros(shape, dtype=bool),
    )


def launches(gpu: PretendGpu, config: RunConfig) -> tuple[int, int, int]:
    """Return kernels of an update, launches with graphs, and waits with graphs."""
    bound = bind(config.objective)
    model = build_model(
        config.model, source_vocab_size=VOCAB_SIZE, target_vocab_size=VOCAB_SIZE, device=CUDA
    )
    model.initialise(torch.Generator().manual_seed(1))
    model.compute_dtype = torch.bfloat16
    references = Ragged.from_rows([[4] * (STEPS - 1)] * SENTENCES)
    text = [" ".join(["a"] * (STEPS - 1))] * SENTENCES
    pairs = Pairs(source=references, target=references, source_text=text, target_text=text)
    learner = imported(config.objective.learner)(
        Setup(config, bound, model, pairs, VOCAB_SIZE, CUDA)
    )
    learner.begin(torch.Generator().manual_seed(1))
    for network in learner.networks.values():
        network.to(CUDA).train()
    given = batch(config.proposal.candidates if config.proposal else 1)
    diverged = torch.zeros((), dtype=torch.bool, device=CUDA)
    counts = []
    for number in range(3):
        gpu.clear()
        update = learner.update(
            given, Moment(1, 0), step=number, learning_rate=0.1, diverged=diverged
        )
        diverged = update.diverged
        counts.append((sum(gpu.launches.values()), sum(gpu.waits.values())))
    return counts[0][0], *counts[2]


@pytest.fixture(scope="module")
def table(repository: Path) -> dict[str, tuple[int, ...]]:
    lines = (repository / "docs/explanation/gpu.md").read_text(encoding="utf-8").splitlines()
    rows = [line.strip("|").split("|") for line in lines if line.startswith("| `")]
    return {
        row[0].strip().strip("`"): tuple(int(cell.replace(",", "")) for cell in row[-3:])
        for row in rows
    }


@pytest.fixture
def gpu() -> Iterator[PretendGpu]:
    with pretend_gpu() as device:
        yield device


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_table_is_what_an_update_launches(
    gpu: PretendGpu, system: str, table: dict[str, tuple[int, ...]]
) -> None:
    config = every_objective(dropout=0.3).run_config(system, 1)
    assert table[system] == launches(gpu, config), "write these numbers into the page"
