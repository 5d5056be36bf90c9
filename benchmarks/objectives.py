"""The cost of one update of each objective, relative to maximum likelihood.

    python -m benchmarks.objectives --config config/objectives.yaml

needs the finished results of that configuration (`snakemake --configfile ...`): its encoded text,
its candidates and the weights of `ml`. Every system is timed on the same sentences with the same
weights, since the length of samples depends on what the model has learned; the learning rate is 0,
so the weights stay the same. Systems take turns: in each round every system makes a few updates, so
that other load on the machine affects all of them alike.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from alpha_dimt.config import Experiment, load_all
from alpha_dimt.core.imports import imported
from alpha_dimt.data.encoded import AugmentedCorpus, read_pairs
from alpha_dimt.inference.decode import load_trained
from alpha_dimt.machine.device import choose_device, machine, use_threads
from alpha_dimt.runs.paths import model_files
from alpha_dimt.training.batches import epoch_batches
from alpha_dimt.training.binding import bind
from alpha_dimt.training.learner import Learner, Setup
from alpha_dimt.training.learning_rate import DevDecay
from alpha_dimt.training.loop import Task, train_epoch
from alpha_dimt.training.optimisers import Sgd
from alpha_dimt.training.state import State

START = "ml"


def updates(experiment: Experiment, system: str, results: Path) -> Callable[[int, int], float]:
    """Return a function that makes n updates of a system and returns seconds per update."""
    config = experiment.run_config(system, experiment.seeds[0])
    start = experiment.run_config(START, config.seed)
    encoded = results / "data/encoded"
    run = results / f"runs/{START}/seed{config.seed}"
    trained = load_trained(start, model_files(start, run))
    model, device, words = trained.model, trained.device, len(trained.target)
    pairs, candidates = read_pairs(encoded, "train"), None
    if config.proposal:
        folder = results / "augmented" / config.proposal.fingerprint()
        candidates = AugmentedCorpus(
            folder / f"seed{config.seed}.arrow",
            targets=pairs.target,
            words=words,
            config=experiment.augment_config(system, config.seed),
        )
    bound = bind(config.objective)
    built: Any = imported(config.objective.learner)(
        Setup(config, bound, model, pairs, words, device)
    )
    built.begin(torch.Generator().manual_seed(1))
    sgd = Sgd(config.training.clip_norm)
    critic = {"critic_optimiser": sgd} if "critic" in built.networks else {}
    learner: Learner = replace(built, optimiser=sgd, **critic)

    def make(round_: int, number: int) -> float:
        batches = list(
            itertools.islice(epoch_batches(config, bound.needs, pairs, candidates, round_), number)
        )
        task = Task(lambda _: batches, lambda _: {}, config.training, round_)
        started = time.perf_counter()
        # Late, when a critic is no longer trained alone.
        state = State(DevDecay(learning_rate=0.0, epoch=100), started_ms=0)
        train_epoch(learner, task, state, device)
        return (time.perf_counter() - started) / number

    return make


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("config/objectives.yaml"))
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE over the file")
    parser.add_argument("--results", type=Path, help="results/{corpus} unless given")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--updates", type=int, default=8, help="of each system in a round")
    arguments = parser.parse_args()
    experiment = load_all(Experiment, [arguments.config], arguments.set)
    results = arguments.results or Path("results") / experiment.corpus.name
    use_threads(experiment.training.threads)
    systems = {name: updates(experiment, name, results) for name in experiment.systems}
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    # The first round is a warm-up and is not counted.
    for round_ in range(arguments.rounds + 1):
        for name, make in systems.items():
            duration = make(round_ + 1, arguments.updates)
            if round_:
                seconds[name].append(duration)
    about = machine(choose_device(experiment.training.device))
    print(
        f"{experiment.corpus.name}, batches of {experiment.training.batch_size}, "
        f"{arguments.rounds} rounds of {arguments.updates} updates of each system in turn; "
        f"{about['processor']} ({about['cores']} cores, {about['device']}), PyTorch "
        f"{torch.__version__}, {experiment.training.threads} threads. Medians over rounds.\n"
    )
    print("| System | ms an update | Times ml | Lowest to highest |")
    print("| --- | ---: | ---: | ---: |")
    for name, durations in seconds.items():
        ratios = [a / b for a, b in zip(durations, seconds[START], strict=True)]
        print(
            f"| {name} | {1000 * statistics.median(durations):.1f} "
            f"| {statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} |"
        )


if __name__ == "__main__":
    main()
