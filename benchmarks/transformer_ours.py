"""This package's Transformer as a contender of `benchmarks.transformers`."""

import itertools
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alpha_dimt.config import RunConfig, parse
from alpha_dimt.config.training import Decoding
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.data.batching import Batch
from alpha_dimt.inference.decode import search_all
from alpha_dimt.machine.device import choose_device, choose_dtype, use_threads
from alpha_dimt.models.build import build_model
from alpha_dimt.training.binding import bind
from alpha_dimt.training.candidate_learner import CandidateLearner
from alpha_dimt.training.learning_rate import DevDecay
from alpha_dimt.training.loop import Task, train_epoch
from alpha_dimt.training.optimisers import build_optimiser
from alpha_dimt.training.state import State
from benchmarks.serve import serve
from benchmarks.transformers import SEARCHES


def batches_of(path: Path) -> Iterator[Batch]:
    """Yield the batches that `benchmarks.transformers.write_epoch` wrote."""
    with np.load(path) as file:
        for i in itertools.count():
            if f"batch{i}_source" not in file:
                return
            names = ("source", "source_lengths", "target", "target_lengths")
            given = {name: file[f"batch{i}_{name}"] for name in names}
            zeros = np.zeros((len(given["source"]), 1))
            yield Batch(
                rows=np.arange(len(zeros)),
                **given,
                reward=zeros,
                log_q0=zeros,
                reference=np.ones(zeros.shape, dtype=bool),
            )


def main() -> None:
    """Serve rounds "epoch", "greedy" and "beam5"."""
    task = json.loads(sys.argv[1])
    run = parse(RunConfig, task["run"], "task")
    recipe, folder = run.training, Path(task["folder"])
    use_threads(recipe.threads)
    device = choose_device("cpu")
    model = build_model(
        run.model,
        source_vocab_size=task["source_words"],
        target_vocab_size=task["target_words"],
        implementation=recipe.implementation,
        device=device,
    )
    model.initialise(torch.Generator().manual_seed(1))
    model.compute_dtype = choose_dtype(recipe.precision, device)
    learner = CandidateLearner(
        model,
        bind(run.objective),
        rollout=None,
        optimiser=build_optimiser(recipe),
        device=device,
    )
    loaded: list[Batch] = []
    job = Task(lambda epoch: loaded, lambda network: {}, recipe, seed=1)
    state = State(DevDecay(recipe.learning_rate), started_ms=0)
    epochs = itertools.count(1)

    def epoch() -> float:
        loaded[:] = batches_of(folder / f"epoch{next(epochs)}.npz")
        metrics, updates, tokens = train_epoch(learner, job, state, device)
        metrics |= {"valid_bleu_greedy": 1.0, "valid_nll_per_token": 1.0}
        state.end_epoch(metrics, updates, {"epoch_seconds": 0.0}, recipe)
        print(metrics, flush=True)
        return tokens

    test = np.load(folder / "test.npz")
    rows_of: dict[str, Any] = {
        search: [test[name] for name in test if name.startswith(search) and "rows" in name]
        for search in SEARCHES
    }

    def decode(search: str, beam: int) -> float:
        rows = np.concatenate(rows_of[search])
        sources: list[list[int]] = [[] for _ in rows]
        for i, numbers in enumerate(rows_of[search]):
            padded, lengths = test[f"{search}{i}"], test[f"{search}{i}_lengths"]
            for number, one, length in zip(numbers, padded, lengths, strict=True):
                sources[number] = one[:length].tolist()
        config = Decoding(beam=beam, max_length=80, batch_size=SEARCHES[search] * beam)
        found = search_all(model, Ragged.from_rows(sources), config, device)
        out = folder / f"{task['name']}.{search}.json"
        out.write_text(json.dumps([list(one.tokens) for one in found]))
        return len(rows)

    serve(
        {
            "epoch": epoch,
            "greedy": partial(decode, "greedy", 1),
            "beam5": partial(decode, "beam5", 5),
        },
        parameters=str(sum(p.numel() for p in model.parameters())),
        dtype=str(model.compute_dtype).removeprefix("torch."),
    )


if __name__ == "__main__":
    main()
