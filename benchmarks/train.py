"""This project's training, as `alpha-dimt train` does it: rounds of `train_epoch`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from alpha_dimt.config import AugmentConfig, DataConfig
from alpha_dimt.config.corpora import ToyCorpus
from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.config.objectives import AlphaConfig, MlConfig, Objective, RamlConfig
from alpha_dimt.config.preparation import Preparation
from alpha_dimt.config.proposals import Proposal
from alpha_dimt.config.training import TrainingConfig
from alpha_dimt.data.batching import Batch, candidate_batch, reference_batch
from alpha_dimt.data.draw_candidates import draw_slice, write_slices
from alpha_dimt.data.encoded import AugmentedCorpus, Candidates, Pairs
from alpha_dimt.machine.device import choose_device, choose_dtype, machine, use_threads
from alpha_dimt.models.attention_rnn.fused import FusedAttentionRnn
from alpha_dimt.training.binding import bind
from alpha_dimt.training.candidate_learner import CandidateLearner, score
from alpha_dimt.training.learning_rate import DevDecay
from alpha_dimt.training.loop import Task, train_epoch
from alpha_dimt.training.optimisers import Sgd
from alpha_dimt.training.state import State
from benchmarks.corpus import sample_of_batches, sentence_pairs
from benchmarks.serve import serve
from benchmarks.sizes import Sizes

OBJECTIVES: dict[str, Objective] = {
    "ml": MlConfig(objective="ml"),
    "raml": RamlConfig(objective="raml"),
    "alpha": AlphaConfig(objective="alpha", alpha=0.5),
}

INSTRUCTIONS = {"AVX512-bf16": "avx512_bf16", "AMX-bf16": "amx_bf16"}
"""Processor features that make bf16 fast, by PyTorch's names."""


def build_model(sizes: Sizes) -> FusedAttentionRnn:
    """Return a model with random weights and the matrix-product dtype that training chooses."""
    use_threads(sizes.threads)
    model = FusedAttentionRnn(
        AttentionRnnConfig(embedding=sizes.units, hidden=sizes.units),
        source_vocab_size=sizes.source_words,
        target_vocab_size=sizes.target_words,
    )
    model.initialise(torch.Generator().manual_seed(1))
    model.compute_dtype = choose_dtype("auto", choose_device("cpu"))
    return model


def main() -> None:
    """Serve rounds of training ("train") and of scoring validation data ("score")."""
    wanted = json.loads(sys.argv[1])
    sizes, objective = Sizes(**wanted["sizes"]), OBJECTIVES[wanted["objective"]]
    device = choose_device("cpu")
    model = build_model(sizes)
    pairs = sentence_pairs(sizes, sizes.pairs)
    chosen = sample_of_batches(pairs, sizes)
    candidates = None
    if wanted["objective"] != "ml":
        path = Path(wanted["folder"]) / f"{wanted['objective']}-k{wanted['candidates']}.arrow"
        candidates = draw_candidates(pairs, sizes, wanted["candidates"], path)

    def batches(epoch: int) -> Iterator[Batch]:
        for rows in chosen:
            if candidates is None:
                yield reference_batch(pairs, rows)
            else:
                yield candidate_batch(pairs, candidates, rows)

    recipe = TrainingConfig(batch_size=sizes.batch, threads=sizes.threads)
    task = Task(batches, lambda model: {}, recipe, seed=1)
    learner = CandidateLearner(
        model, bind(objective), rollout=None, optimiser=Sgd(recipe.clip_norm), device=device
    )

    def train() -> float:
        state = State(DevDecay(recipe.learning_rate), started_ms=0)
        return train_epoch(learner, task, state, device)[2]

    def score_references() -> float:
        model.eval()
        with torch.inference_mode():
            parts = [score(model, reference_batch(pairs, rows), device)[0] for rows in chosen]
        return float(sum(part.lengths.sum() for part in parts))

    able = torch.cpu.get_capabilities()
    has = {name: bool(able.get(flag)) for name, flag in INSTRUCTIONS.items()}
    serve(
        {"train": train, "score": score_references},
        instructions=", ".join(
            f"{name}: {'yes' if there else 'no'}" for name, there in has.items()
        ),
        dtype=str(model.compute_dtype).removeprefix("torch."),
        processor=machine(device)["processor"],
        cores=str(machine(device)["cores"]),
        torch=torch.__version__,
    )


def draw_candidates(pairs: Pairs, sizes: Sizes, k: int, path: Path) -> Candidates:
    """Draw K candidates of each reference from the paper's proposal, and read them from a file."""
    proposal = Proposal(candidates=k, slices=1)
    data = DataConfig(corpus=ToyCorpus(kind="toy"), preparation=Preparation())
    config = AugmentConfig(data=data, proposal=proposal, seed=1)
    drawn = draw_slice(pairs.target, proposal, vocab_size=sizes.target_words, seed=1, index=0)
    write_slices(path, pairs.target, config, [drawn])
    return AugmentedCorpus(path, targets=pairs.target, words=sizes.target_words, config=config)[0]


if __name__ == "__main__":
    main()
