"""The cost of one update of the objectives with a critic, relative to maximum likelihood.

    python -m benchmarks.critics

Takes the paper's sizes, batches of 64, and sentences with the lengths of real text; the weights are
random. Such a model hardly ever ends a sentence, so samples are as long as they may be, three
tokens longer than their references: costs are upper bounds. All systems make one update each in a
round, on the same sentences; figures are medians over rounds.
"""

import argparse
import statistics
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from alpha_dimt.config import Experiment, parse
from alpha_dimt.config.schedules import Moment
from alpha_dimt.core.imports import imported
from alpha_dimt.data.batching import Batch, reference_batch
from alpha_dimt.data.encoded import Pairs
from alpha_dimt.machine.device import choose_device, choose_dtype, machine, use_threads
from alpha_dimt.models.build import build_model
from alpha_dimt.training.binding import bind
from alpha_dimt.training.learner import Learner, Setup
from benchmarks.corpus import sample_of_batches, sentence_pairs
from benchmarks.sizes import PAPER, Sizes

ALONE, JOINT = 1, 2
"""The epoch of an update."""
CASES: dict[str, tuple[dict[str, Any], int]] = {
    "ml": ({"objective": "ml"}, JOINT),
    "critic alone (RF-C)": ({"objective": "reinforce_critic"}, ALONE),
    "critic alone (AC)": ({"objective": "actor_critic"}, ALONE),
    "reinforce_critic": ({"objective": "reinforce_critic"}, JOINT),
    "actor_critic": ({"objective": "actor_critic"}, JOINT),
    "token_alpha": ({"objective": "token_alpha", "alpha": 0.5, "tau": 1.0}, JOINT),
}


def learner(options: dict[str, Any], sizes: Sizes, pairs: Pairs) -> Learner:
    """Return the learner of an objective, with random weights."""
    if options["objective"] != "ml":
        options = {"critic_epochs": 1, **options}
    values = {
        "corpus": {"kind": "toy"},
        "model": {"embedding": sizes.units, "hidden": sizes.units},
        "training": {"optimiser": {"kind": "adamw"}, "learning_rate": 1.0},
        "systems": {"a": options},
    }
    config = parse(Experiment, values, "benchmarks").run_config("a", 1)
    device = choose_device("auto")
    model = build_model(
        config.model,
        source_vocab_size=sizes.source_words,
        target_vocab_size=sizes.target_words,
        device=device,
    )
    model.compute_dtype = choose_dtype("auto", device)
    generator = torch.Generator().manual_seed(1)
    model.initialise(generator)
    bound = bind(config.objective)
    setup = Setup(config, bound, model, pairs, sizes.target_words, device)
    made: Learner = imported(config.objective.learner)(setup)
    made.begin(generator)
    for network in made.networks.values():
        network.to(device)
    return made


def seconds_of(made: Learner, batch: Batch, epoch: int) -> float:
    """Return how long one update takes."""
    started, fine = time.perf_counter(), torch.zeros((), dtype=torch.bool, device=made_on(made))
    torch.manual_seed(1)
    update = made.update(batch, Moment(epoch, 0), step=0, learning_rate=1e-6, diverged=fine)
    assert not update.diverged  # waits for the device
    return time.perf_counter() - started


def made_on(made: Learner) -> torch.device:
    """Return the device of a learner."""
    return next(made.networks["model"].parameters()).device


def measure(sizes: Sizes, rounds: int) -> dict[str, list[float]]:
    """Return seconds of the updates of each case, one a round and the first round left out."""
    pairs = sentence_pairs(sizes, sizes.pairs)
    batches = [reference_batch(pairs, rows) for rows in sample_of_batches(pairs, sizes)]
    learners = {name: learner(options, sizes, pairs) for name, (options, _) in CASES.items()}
    seconds: dict[str, list[float]] = {name: [] for name in CASES}
    for round_ in range(rounds + 1):
        for name, (_, epoch) in CASES.items():
            duration = seconds_of(learners[name], batches[round_ % len(batches)], epoch)
            if round_:
                seconds[name].append(duration)
    return seconds


def report(seconds: dict[str, list[float]]) -> str:
    """Return the table of the costs."""
    lines = ["| Update | ms | Times ml | Lowest to highest |", "| --- | ---: | ---: | ---: |"]
    for name, durations in seconds.items():
        ratios = np.array(durations) / np.array(seconds["ml"])
        lines.append(
            f"| {name} | {1000 * statistics.median(durations):.0f} | {np.median(ratios):.2f} "
            f"| {ratios.min():.2f} to {ratios.max():.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    sizes = replace(PAPER, batch=64, pairs=6_400)
    about = machine(choose_device("auto"))
    print(
        f"Batches of {sizes.batch}, {arguments.rounds} rounds, {arguments.threads} threads; "
        f"{about['processor']} ({about['cores']} cores, {about['device']}), PyTorch "
        f"{torch.__version__}. Medians over rounds.\n"
    )
    print(report(measure(sizes, arguments.rounds)))


if __name__ == "__main__":
    main()
