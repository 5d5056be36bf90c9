from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.config.optimisers import InverseSquareRootConfig
from alpha_dimt.config.systems import Needs
from alpha_dimt.config.training import TrainingConfig
from alpha_dimt.data.batching import Batch
from alpha_dimt.models.attention_rnn.fused import FusedAttentionRnn
from alpha_dimt.models.base import fill_uniformly
from alpha_dimt.objectives import Loss, Objective, Scored, maximum_likelihood
from alpha_dimt.training import loop
from alpha_dimt.training.binding import Bound
from alpha_dimt.training.candidate_learner import CandidateLearner
from alpha_dimt.training.learning_rate import DevDecay
from alpha_dimt.training.loop import Diverged, Stopwatch, Task, seed_update, train_epoch
from alpha_dimt.training.optimisers import Optimiser, Sgd
from alpha_dimt.training.state import State

CPU = torch.device("cpu")
WORDS = 12


def batches(epoch: int) -> Iterator[Batch]:
    rng = np.random.default_rng(epoch)
    for _ in range(10):
        source = rng.integers(4, WORDS, (3, 5))
        target = np.concatenate((np.full((3, 1), 2), source, np.full((3, 1), 3)), axis=1)
        nothing = np.zeros((3, 1))
        lengths = np.full(3, 5)
        yield Batch(
            np.arange(3), source, lengths, target, lengths + 1, nothing, nothing, nothing == 0
        )


def model() -> FusedAttentionRnn:
    made = FusedAttentionRnn(
        AttentionRnnConfig(embedding=4, hidden=6), source_vocab_size=WORDS, target_vocab_size=WORDS
    )
    fill_uniformly(made, 0.1, torch.Generator().manual_seed(1))
    return made


TASK = Task(batches, lambda model: {}, TrainingConfig(learning_rate=1.0), seed=1)


def run_epoch(
    made: FusedAttentionRnn,
    state: State,
    *,
    objective: Objective = maximum_likelihood,
    optimiser: Optimiser = Sgd(clip_norm=5.0),  # noqa: B008
    task: Task = TASK,
    **options: Any,
) -> tuple[Any, int, int]:
    bound = Bound(lambda at: objective, Needs(reference=True))
    learner = CandidateLearner(made, bound, None, optimiser, CPU)
    return train_epoch(learner, task, state, CPU, **options)


def test_every_update_has_the_rate_of_its_schedule() -> None:
    rates: list[float] = []

    class Noting(Sgd):
        def step(self, parameters: Any, *, learning_rate: float, unless: Any) -> torch.Tensor:
            rates.append(learning_rate)
            return super().step(parameters, learning_rate=learning_rate, unless=unless)

    schedule = InverseSquareRootConfig(kind="inverse_square_root", warmup=16)
    task = replace(TASK, recipe=TrainingConfig(learning_rate=2.0, schedule=schedule))
    state = State(DevDecay(2.0), 0, step=12)
    run_epoch(model(), state, optimiser=Noting(5.0), task=task)
    assert rates == [2.0 * schedule.factor(step) for step in range(12, 22)]
    assert max(rates) == rates[3] == 2.0


def weights(made: FusedAttentionRnn) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in made.parameters()])


def bad_in(updates: set[int], value: float) -> Objective:
    """An objective whose loss is not finite in some updates."""
    count = 0

    def objective(scored: Scored) -> Loss:
        nonlocal count
        count += 1
        loss = maximum_likelihood(scored)
        return Loss(loss.value * (value if count in updates else 1.0), loss.diagnostics)

    return objective


def test_an_epoch_in_pieces_is_the_epoch() -> None:
    whole, pieces = model(), model()
    expected = run_epoch(whole, State(DevDecay(1.0), 0))
    state = State(DevDecay(1.0), 0)

    class Enough(Exception):
        pass

    def after_update(batch: Batch) -> None:
        if state.updates in (2, 3, 9):
            raise Enough

    for _ in range(3):
        with pytest.raises(Enough):
            run_epoch(pieces, state, after_update=after_update)
        state = State.from_plain(state.plain())
        torch.manual_seed(99)  # the random streams have moved on meanwhile
    assert run_epoch(pieces, state) == expected
    assert torch.equal(weights(pieces), weights(whole))
    assert expected[1:] == (10, 180)


@pytest.mark.parametrize("check_every", [1, 4, 100])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_bad_update_is_never_made(
    monkeypatch: pytest.MonkeyPatch, check_every: int, value: float
) -> None:
    """On a GPU, divergence is checked every 100 updates to avoid waiting."""
    good, state = model(), State(DevDecay(1.0), 0)

    def after_update(batch: Batch) -> None:
        if state.updates == 5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run_epoch(good, state, after_update=after_update)

    monkeypatch.setattr(loop, "CHECK_EVERY", {"cpu": check_every})
    diverging, diverged = model(), State(DevDecay(1.0), 0)
    with pytest.raises(Diverged, match="epoch 1, batch 6: the loss or its gradient is not finite"):
        run_epoch(diverging, diverged, objective=bad_in({6}, value))
    assert torch.equal(weights(diverging), weights(good))
    assert diverged.plain()["sums"] == state.plain()["sums"]


def test_every_update_has_random_streams_of_its_own() -> None:
    drawn = set()
    for stream in [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2), (1, 1, 3)]:
        seed_update(*stream)
        drawn.add(float(torch.rand(())))
        seed_update(*stream)
        assert float(torch.rand(())) in drawn
    assert len(drawn) == 5


def test_a_stopwatch_tells_laps(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 12.0, 12.5])
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(times))
    watch = Stopwatch()
    assert (watch.lap(), watch.lap()) == (2.0, 0.5)
