"""Train one run: read its configuration and data, write its folder."""

import importlib.metadata
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from alpha_dimt.config import AugmentConfig, RunConfig
from alpha_dimt.config.registry import paths_in
from alpha_dimt.config.training import CheckpointsConfig, Device
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import atomic_path, sha256, write_json
from alpha_dimt.core.imports import imported, versions
from alpha_dimt.core.progress import EpochBar
from alpha_dimt.core.vocabulary import Vocab
from alpha_dimt.data.batching import sorted_batches
from alpha_dimt.data.encoded import AugmentedCorpus, Pairs, read_pairs
from alpha_dimt.data.manifest import check_prepared, source_of
from alpha_dimt.data.segmentation import Segmentation, load_segmentation
from alpha_dimt.machine.device import choose_device, choose_dtype, machine, use_threads
from alpha_dimt.models.base import TranslationModel
from alpha_dimt.models.build import build_model
from alpha_dimt.models.weights import fill
from alpha_dimt.runs.paths import model_files, state_name
from alpha_dimt.training.averaging import EpochWeights
from alpha_dimt.training.batches import epoch_batches
from alpha_dimt.training.binding import bind
from alpha_dimt.training.checkpoints import METRICS, Checkpoints
from alpha_dimt.training.code_version import code_version
from alpha_dimt.training.learner import Learner, Setup
from alpha_dimt.training.learning_rate import DevDecay
from alpha_dimt.training.loop import Task, fit
from alpha_dimt.training.messages import epoch_of_run, print_average, print_epoch
from alpha_dimt.training.signals import StopSignal
from alpha_dimt.training.state import State
from alpha_dimt.training.validation import validate

LIBRARIES = ("torch", "numpy", "pyarrow", "sacrebleu", "sacremoses", "subword-nmt")


def train_run(
    config: RunConfig,
    *,
    encoded: Path,
    augmented: Path | None,
    start: Path | None,
    state: Path,
    out: Path,
    threads: int,
    device: Device = "auto",
    checkpoint_seconds: float = CheckpointsConfig().seconds,
    each_epoch: Callable[[str], None] = lambda line: None,
) -> None:
    """Train, and write metrics.jsonl, best.safetensors and run.json into the run's folder.

    Args:
        config: complete configuration of this run.
        encoded: folder of vocabularies and encoded splits.
        augmented: candidate file; None for objectives without a proposal.
        start: weights of the run that this one starts from; None for random ones.
        state: folder of checkpoints; this run uses a subfolder named by configuration and data. The
            last checkpoint stays there when the run is done.
        out: run folder.
        threads: number of CPU threads.
        device: device to train on.
        checkpoint_seconds: time between checkpoints.
        each_epoch: called after each epoch with a line about it that names the run.

    Raises:
        UserError: the data does not match the configuration, training diverged, the file system
            refuses a write, or another process is training this run.
        Stopped: SIGTERM or SIGUSR1 was received; the same call resumes.
    """
    if (augmented is None) != (config.proposal is None):
        needs = "needs" if augmented is None else "takes no"
        raise UserError(f"{out}: objective {config.objective.objective} {needs} --augmented")
    if (start is None) != (config.start is None):
        raise UserError(f"{out}: pass --start if, and only if, the system starts from another one")
    bound = bind(config.objective)
    version = code_version()  # now, since the checkout may change during training
    use_threads(threads)
    on = choose_device(device)
    inputs = read_inputs(config, encoded, augmented)
    words = len(inputs.vocab)
    model = build_model(
        config.model,
        source_vocab_size=inputs.source_vocab_size,
        target_vocab_size=words,
        implementation=config.training.implementation,
        device=on,
    )
    model.compute_dtype = choose_dtype(config.training.precision, on)
    precision = str(model.compute_dtype).removeprefix("torch.")
    arithmetic = f"{machine(on).get('gpu', on.type)}, {precision}, {threads} threads"
    print(f"{config.system} seed {config.seed}: {arithmetic}")

    files = [encoded / "train.arrow", encoded / "valid.arrow"]
    files += [path for path in (augmented, start) if path]
    first_weights = [source_of(path) for path in config.model.files] if start is None else []
    files += [Path(source["path"]) for source in first_weights]
    data = sums_by_name(files)
    check_prepared(encoded, config.data, {path.name: data[path.name] for path in files[:2]})
    parts = model_files(config, out)
    # A run folder can translate on its own, so it keeps copies of vocabularies and codes.
    kept = {path: (encoded / path.name).read_bytes() for path in (parts.source, parts.target)}
    if parts.codes:
        kept[parts.codes] = (encoded / parts.codes.name).read_bytes()
    checkpoints = Checkpoints(
        # Only the same configuration and data may resume this state.
        state / state_name(config.fingerprint(), data),
        run_key=config.fingerprint(),
        seconds=checkpoint_seconds,
    )
    epochs = EpochWeights(
        checkpoints.folder / "epochs", config.training.average, config.fingerprint()
    )
    setup = Setup(config, bound, model, inputs.train, words, on)
    learner: Learner = imported(config.objective.learner)(setup)
    with StopSignal().installed() as stop, checkpoints.held():
        progress = resume_or_start(learner, config, start, checkpoints, arithmetic)
        for network in learner.networks.values():
            network.to(on)
        task = Task(
            batches=partial(epoch_batches, config, bound.needs, inputs.train, inputs.candidates),
            validate=partial(
                validate,
                pairs=inputs.valid,
                vocab=inputs.vocab,
                segmentation=inputs.segmentation,
                config=config,
                device=on,
            ),
            recipe=config.training,
            seed=config.seed,
        )

        def after_epoch(state: State) -> None:
            print_epoch(state)
            each_epoch(epoch_of_run(config, state))

        lengths = (inputs.train.source.lengths, inputs.train.target.lengths)
        recipe = config.training
        in_order = sorted_batches(
            *lengths, batch_size=recipe.batch_size, batch_type=recipe.batch_type
        )
        reason = fit(
            learner,
            task,
            progress,
            device=on,
            checkpoints=checkpoints,
            stop=stop,
            bar=EpochBar(len(in_order), tokens_known=bound.needs.samples == 0),
            before_checkpoint=lambda state: epochs.keep(state.records, model),
            after_epoch=after_epoch,
        )
        if config.training.average and progress.average is None:
            averaged = epochs.average(progress.records, model)
            metrics = {name: x for name, x in task.validate(model).items() if math.isfinite(x)}
            progress.average = {"epochs": averaged, **metrics}
            print_average(progress.average)
            checkpoints.save(progress, learner, best=True)
        epochs.remove()
        checkpoints.publish(progress, out)
        for path, content in kept.items():
            with atomic_path(path) as temporary:
                temporary.write_bytes(content)
        about = {
            "run_key": config.fingerprint(),
            "files": {name: sha256(path) for name, path in parts.parts().items()},
            "metrics": sha256(out / METRICS),
            "system": config.system,
            "seed": config.seed,
            "corpus": config.data.corpus.name,
            "code_version": version,
            "data": data,
            **({"first_weights": first_weights} if first_weights else {}),
            "machine": machine(on),
            "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES}
            | versions(paths_in(config.model_dump(mode="json"))),
            "threads": threads,
            "precision": precision,
            "parameters": sum(p.numel() for p in model.parameters()),
            "stopped": reason,
        }
        write_json(out / "run.json", about | outcome(progress))
        checkpoints.finish(progress, out)


def sums_by_name(files: Iterable[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file by its name without folder.

    Raises:
        UserError: two files have one name.
    """
    by_name: dict[str, Path] = {}
    for path in files:
        other = by_name.setdefault(path.name, path)
        if other != path:
            raise UserError(
                f"{path}: {other} has the same name, by which run.json tells the files of a "
                "training apart; rename one"
            )
    return {name: sha256(path) for name, path in by_name.items()}


@dataclass(frozen=True)
class Inputs:
    """The data of a training.

    Attributes:
        train: training pairs.
        valid: validation pairs.
        source_vocab_size: source vocabulary size.
        vocab: target vocabulary.
        segmentation: the tokens of the corpus.
        candidates: candidates of the proposal; None for objectives without one.
    """

    train: Pairs
    valid: Pairs
    source_vocab_size: int
    vocab: Vocab
    segmentation: Segmentation
    candidates: AugmentedCorpus | None


def read_inputs(config: RunConfig, encoded: Path, augmented: Path | None) -> Inputs:
    """Read the data of a run.

    Raises:
        UserError: a file is missing, or the files do not belong together.
    """
    corpus = config.data.corpus
    vocab = Vocab.load(encoded / f"vocab.{corpus.target}.txt")
    source = Vocab.load(encoded / f"vocab.{corpus.source}.txt")
    train, valid = read_pairs(encoded, "train"), read_pairs(encoded, "valid")
    for split, pairs in (("train", train), ("valid", valid)):
        pairs.check_vocabularies(encoded / f"{split}.arrow", source=source, target=vocab)
    candidates = None
    if augmented and config.proposal:
        candidates = AugmentedCorpus(
            augmented,
            targets=train.target,
            words=len(vocab),
            config=AugmentConfig(data=config.data, proposal=config.proposal, seed=config.seed),
        )
    segmentation = load_segmentation(config.data, model_files(config, encoded).codes)
    return Inputs(train, valid, len(source), vocab, segmentation, candidates)


def resume_or_start(
    learner: Learner,
    config: RunConfig,
    start: Path | None,
    checkpoints: Checkpoints,
    arithmetic: str,
) -> State:
    """Restore the last checkpoint into the learner, or initialise it; return the state."""
    progress = checkpoints.restore(learner)
    if progress is None:
        model, generator = learner.networks["model"], torch.Generator().manual_seed(config.seed)
        assert isinstance(model, TranslationModel)
        if start is None or config.start is None:
            model.initialise(generator)
        else:
            fill(model, start, config.start.fingerprint())
        learner.begin(generator)
        return State(DevDecay(config.training.learning_rate), _now_ms(), arithmetic)
    print(f"resuming after epoch {progress.schedule.epoch}, batch {progress.updates}")
    if progress.arithmetic != arithmetic:
        print(
            f"warning: the run was computed with {progress.arithmetic} so far; its result will "
            "differ in the last digits from that of an uninterrupted run"
        )
    return progress


def outcome(progress: State) -> dict[str, Any]:
    """Return the entries of run.json about a finished training."""
    schedule = progress.schedule
    return {
        "best": {
            "epoch": schedule.best_epoch,
            "valid_bleu_greedy": schedule.best,
            "chosen_by": "likelihood" if schedule.by_likelihood else "bleu",
        },
        **({"average": progress.average} if progress.average else {}),
        "epochs": schedule.epoch,
        "started_ms": progress.started_ms,
        "ended_ms": _now_ms(),
        "wall_seconds": progress.seconds,
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
