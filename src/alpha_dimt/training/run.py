"""Train one run: from its configuration and data to its folder."""

import importlib.metadata
import json
import shutil
import subprocess
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alpha_dimt import __version__, objectives
from alpha_dimt.config import Alpha, Decoding, Ml, RunConfig
from alpha_dimt.config import Objective as ObjectiveConfig
from alpha_dimt.data.batching import (
    Batch,
    candidate_batch,
    deal,
    in_order_of_length,
    reference_batch,
    source_batches,
)
from alpha_dimt.data.encoded import AugmentedCorpus, Pairs, read_pairs
from alpha_dimt.decoding import join_subwords, translate_pairs
from alpha_dimt.errors import UserError
from alpha_dimt.evaluation.bleu import multi_bleu
from alpha_dimt.files import sha256, write_json, write_text
from alpha_dimt.model.seq2seq import Seq2Seq
from alpha_dimt.model.weights import save_weights
from alpha_dimt.runtime import choose_device, choose_dtype, machine, use_threads
from alpha_dimt.training.loop import Metrics, Objective, Task, fit, score
from alpha_dimt.training.schedule import DevDecay
from alpha_dimt.training.state import State
from alpha_dimt.vocab import Vocab

LIBRARIES = ("torch", "numpy", "pyarrow", "sacrebleu", "sacremoses", "subword-nmt")


def choose_objective(config: ObjectiveConfig) -> Objective:
    """Return the pure function that a configured objective stands for."""
    if isinstance(config, Ml):
        return objectives.maximum_likelihood
    return partial(
        objectives.alpha_divergence,
        alpha=config.alpha if isinstance(config, Alpha) else 0.0,
        tau=config.tau,
        normaliser=config.normalise,
        log_p=config.log_p,
        log_q0=config.log_q0,
    )


def epoch_batches(
    config: RunConfig, pairs: Pairs, augmented: AugmentedCorpus | None, epoch: int
) -> Iterable[Batch]:
    """Yield the batches of an epoch: the same sentences in the same order for every objective."""
    lengths = pairs.source.lengths, pairs.target.lengths
    size = config.training.batch_size
    if epoch == 1 and config.training.sorted_first_epoch:
        dealt = in_order_of_length(*lengths, batch_size=size)
    else:
        rng = np.random.Generator(np.random.Philox(key=[config.seed, epoch]))
        dealt = deal(*lengths, batch_size=size, rng=rng)
    if augmented is None:
        return (reference_batch(pairs, rows) for rows in dealt)
    candidates = augmented[(epoch - 1) % len(augmented)]
    return (candidate_batch(pairs, candidates, rows) for rows in dealt)


def validate(
    model: Seq2Seq, *, pairs: Pairs, vocab: Vocab, config: RunConfig, device: torch.device
) -> Metrics:
    """Return greedy BLEU and the negative log-likelihood of the references."""
    preparation = config.data.preparation
    lines = translate_pairs(
        model, pairs, vocab, preparation=preparation, decoding=Decoding(beam=1), device=device
    )
    bleu = multi_bleu(lines, [join_subwords(text, preparation) for text in pairs.target_text])
    nll = tokens = 0.0
    with torch.inference_mode():
        for rows in source_batches(pairs.source.lengths, batch_size=config.training.batch_size):
            batch = reference_batch(pairs, rows)
            nll -= float(score(model, batch, device).log_p.sum())
            tokens += float(batch.target_lengths.sum())
    return {
        "valid_bleu_greedy": bleu.value,
        "valid_brevity_penalty": bleu.brevity_penalty,
        "valid_length_ratio": bleu.ratio,
        "valid_nll_per_token": nll / tokens,
    }


def train_run(
    config: RunConfig,
    *,
    encoded: Path,
    augmented: Path | None,
    state: Path,
    out: Path,
    threads: int,
) -> None:
    """Train, and write metrics.jsonl, best.safetensors and run.json into the run's folder.

    Args:
        config: the complete slice of this run.
        encoded: folder of vocabularies and encoded splits.
        augmented: file of candidates; None for maximum likelihood.
        state: folder of checkpoints; this run uses the subfolder named by its fingerprint.
        out: the run's folder.
        threads: CPU threads.

    Raises:
        UserError: the data does not fit the configuration, or training diverged.
    """
    if (augmented is None) != (config.proposal is None):
        needs = "needs" if augmented is None else "takes no"
        raise UserError(f"{out}: objective {config.objective.objective} {needs} --augmented")
    use_threads(threads)
    device = choose_device(config.training.device)
    corpus = config.data.corpus
    vocab = Vocab.load(encoded / f"vocab.{corpus.target}.txt")
    source_words = len(Vocab.load(encoded / f"vocab.{corpus.source}.txt"))
    train, valid = read_pairs(encoded, "train"), read_pairs(encoded, "valid")
    candidates = AugmentedCorpus(augmented) if augmented else None

    model = Seq2Seq(config.model, source_words=source_words, target_words=len(vocab))
    model.initialise(config.model.init, torch.Generator().manual_seed(config.seed))
    model.to(device).compute_dtype = choose_dtype(config.training.precision, device)
    precision = str(model.compute_dtype).removeprefix("torch.")
    print(f"{config.system} seed {config.seed}: {device.type}, {precision}, {threads} threads")

    folder = state / config.fingerprint()
    resumed = State.restore(folder, model)
    if resumed:
        print(f"resuming after epoch {resumed.schedule.epoch}")
    progress = resumed or State(DevDecay(config.training.learning_rate), _now_ms())

    def after_epoch(progress: State) -> None:
        progress.save(folder, model)
        record = progress.records[-1]
        print(_line(record), flush=True)

    reason = fit(
        model,
        Task(
            objective=choose_objective(config.objective),
            batches=partial(epoch_batches, config, train, candidates),
            validate=partial(validate, pairs=valid, vocab=vocab, config=config, device=device),
            recipe=config.training,
            seed=config.seed,
        ),
        progress,
        device=device,
        after_epoch=after_epoch,
    )
    files = [encoded / "train.arrow", encoded / "valid.arrow", *([augmented] if augmented else [])]
    best = {name: value.cpu() for name, value in progress.best.items()}
    save_weights(best, out / "best.safetensors", config)
    write_text(out / "metrics.jsonl", "".join(json.dumps(r) + "\n" for r in progress.records))
    write_json(
        out / "run.json",
        {
            "run_key": config.fingerprint(),
            "system": config.system,
            "seed": config.seed,
            "corpus": corpus.name,
            "code_version": code_version(),
            "data": {path.name: sha256(path) for path in files},
            "machine": machine(device),
            "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
            "threads": threads,
            "precision": precision,
            "parameters": sum(p.numel() for p in model.parameters()),
            "best": {
                "epoch": progress.schedule.best_epoch,
                "valid_bleu_greedy": progress.schedule.best,
            },
            "epochs": progress.schedule.epoch,
            "stopped": reason,
            "started_ms": progress.started_ms,
            "ended_ms": _now_ms(),
            "wall_seconds": progress.seconds,
        },
    )
    shutil.rmtree(folder)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _line(record: dict[str, Any]) -> str:
    metrics, timing = record["metrics"], record["timing"]
    return (
        f"epoch {record['epoch']}: valid BLEU {metrics['valid_bleu_greedy']:.2f}, "
        f"train nll/token {metrics['train_nll_per_token']:.3f}, "
        f"valid nll/token {metrics['valid_nll_per_token']:.3f}, "
        f"learning rate {metrics['learning_rate']:g}, "
        f"{timing['target_tokens_per_second']:,.0f} tokens/s, {timing['epoch_seconds']:.1f} s"
    )


def code_version() -> str:
    """Return the package version, with the commit (and "dirty") when run from a checkout."""
    here = Path(__file__).parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return f"{__version__}+g{described.stdout.strip()}"
