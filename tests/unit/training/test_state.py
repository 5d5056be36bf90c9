import json
import math

import torch
from torch import Tensor

from alpha_dimt.config.training import TrainingConfig
from alpha_dimt.training.learning_rate import DevDecay
from alpha_dimt.training.state import MetricSums, State

GOOD, BAD = torch.tensor(False), torch.tensor(True)


def figures(number: int) -> dict[str, Tensor]:
    random = torch.rand(2, generator=torch.Generator().manual_seed(number))
    return {"updates": torch.tensor(1.0), "loss": random[0] / 3, "norm": random[1] * 1e4}


def test_sums_are_the_same_however_often_they_are_read_and_restored() -> None:
    whole, pieces = MetricSums(), MetricSums()
    for number in range(100):
        whole.add(figures(number), unless=GOOD)
        pieces.add(figures(number), unless=GOOD)
        if number % 7 == 0:
            pieces = MetricSums(json.loads(json.dumps(pieces.read())))
    assert pieces.read() == whole.read()
    assert whole.read()["updates"] == 100


def test_sums_go_by_name() -> None:
    sums = MetricSums()
    sums.add({"a": torch.tensor(1.0), "b": torch.tensor(10.0)}, unless=GOOD)
    sums.add({"b": torch.tensor(10.0), "a": torch.tensor(1.0)}, unless=GOOD)
    assert sums.read() == {"a": 2, "b": 20}


def test_sums_leave_out_what_was_bad() -> None:
    sums = MetricSums()
    sums.add(figures(1), unless=GOOD)
    before = sums.read()
    sums.add({name: value * torch.nan for name, value in figures(2).items()}, unless=BAD)
    assert sums.read() == before


def test_nothing_was_summed() -> None:
    assert MetricSums().read() == {}
    assert State(DevDecay(1.0), 0).updates == 0


def test_round_trip_through_json() -> None:
    state = State(
        schedule=DevDecay(0.25, best=31.5, best_epoch=2, epoch=4),
        started_ms=123,
        arithmetic="cpu, float32, 1 threads",
        step=99,
        records=[{"epoch": 1, "metrics": {"train_loss": 0.1 + 0.2, "a": 1.0}}],
        seconds=1.5,
        sums=MetricSums({"updates": 3.0, "loss": 1 / 3}),
        epoch_seconds=0.1,
    )
    restored = State.from_plain(json.loads(json.dumps(state.plain())))
    assert restored.plain() == state.plain()
    assert restored.updates == 3
    # The order of the metrics is that of the file.
    assert json.dumps(restored.records) == json.dumps(state.records)
    odd = State(DevDecay(1.0), 0, sums=MetricSums({"updates": 1.0, "a": math.nan, "b": -math.inf}))
    text = json.dumps(odd.plain(), allow_nan=False)
    assert State.from_plain(json.loads(text)).plain() == odd.plain()
    fresh = State(DevDecay(1.0), 0)
    assert State.from_plain(json.loads(json.dumps(fresh.plain()))).plain() == fresh.plain()


def test_the_end_of_an_epoch() -> None:
    state = State(DevDecay(1.0), 0, step=5, seconds=2.0, sums=MetricSums({"updates": 3.0}))
    timing = {"epoch_seconds": 1.5}
    metrics = {"valid_bleu_greedy": 7.0, "valid_nll_per_token": math.nan, "ess": math.inf}
    state.end_epoch(metrics, 3, timing, TrainingConfig())
    assert (state.step, state.seconds, state.updates, state.epoch_seconds) == (8, 3.5, 0, 0.0)
    assert (state.schedule.epoch, state.schedule.best) == (1, 7.0)
    [record] = state.records
    assert (record["epoch"], record["step"], record["timing"]) == (1, 8, timing)
    assert record["metrics"] == {"valid_bleu_greedy": 7.0}, "JSON has no number for the others"
