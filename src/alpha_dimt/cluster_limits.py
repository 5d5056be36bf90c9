"""What each stage asks of a cluster, from the configuration alone: minutes, memory, GPUs.

These are limits, not forecasts. A training that reaches its limit resumes from its checkpoint, so
its margin is small; stages that start from scratch have a wide one. The rates are rounded; with
their margins, they are below the slowest that were measured for the paper's model on one or two CPU
cores. A GPU is faster. docs/how-to/cluster.md has the resulting numbers.
"""

import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from alpha_dimt.config import Experiment, RunConfig
from alpha_dimt.config.corpora import Size
from alpha_dimt.config.preparation import BpeConfig, Preparation, PretrainedConfig
from alpha_dimt.config.training import LENGTH_BONUSES, Decoding
from alpha_dimt.core.errors import UserError

START_MINUTES = 10  # Python starts, data is read, the file system is slow
TRAIN_RATE = 3_000 / 1.5  # target tokens a second and margin; 2,065 in fp32 was the slowest
SEARCH_RATE = 200 / 4  # sentences a second, times the width of the beam, and margin; 127 to 245
PREPARE_RATE = 30_000 / 4  # tokens a second and margin; Multi30k: 40,000 in tokenising
SAMPLE_COST = 2  # drawing a candidate from the model and scoring it, in candidates that are read

LIBRARIES_MB = 4_000  # PyTorch and its CUDA context; 720 MB were measured without CUDA
LOGITS = 4  # arrays of batch x steps x vocabulary in float32 that live at once
STEPS = 50  # of the longest batch
PRETRAINED_WORDS = 65_000  # of a pretrained tokeniser; OPUS-MT's have up to so many
UNKNOWN_WORDS = 32_000  # of a vocabulary that the configuration does not bound

COLLECTION_MB, RUN_MB, RUN_SECONDS = 2_000, 1, 5  # tables and figures

BYTES_PER_WEIGHT = 4
KEPT = 3  # times that the weights of a run are on the disk until the workflow has succeeded
WORDS_GROW = 20  # different words in n tokens: about 20 sqrt(n) in Multi30k and IWSLT'14
SCRATCH = 10 * 10**6  # bytes for temporary files: Snakemake's, and a small model for MLflow
GB = 10**9


@dataclass(frozen=True)
class Request:
    """Limits of one job: minutes of wall time, megabytes of memory, GPUs."""

    minutes: int
    mem_mb: int
    gpus: int = 0


def preparation(experiment: Experiment, size: Size) -> Request:
    """Return the limits of tokenising, of encoding, and of drawing the candidates of one seed."""
    proposals = [experiment.proposal_of(system) for system in experiment.systems]
    draws = max(proposal.candidates * proposal.slices for proposal in proposals)
    # A draw took less than a tenth of the tokenisation, and 40 bytes a token hold it.
    tokens = size.train_tokens * (2 + draws / 10)
    return _request(tokens / PREPARE_RATE, LIBRARIES_MB + 40 * size.train_tokens * draws / 2**20)


def training(run: RunConfig, size: Size) -> Request:
    """Return the limits of one training; it asks for a GPU unless it is told to use the CPU."""
    sequences = _sequences(run)
    tokens = size.train_tokens * run.training.max_epochs * sequences
    rows = run.training.rows(STEPS) * sequences * STEPS
    return _request(
        tokens * run.model.cost() / TRAIN_RATE,
        _model_memory(rows, run.data.preparation),
        gpus=0 if run.training.device == "cpu" else 1,
    )


def decoding(experiment: Experiment, search: Decoding, size: Size) -> Request:
    """Return the limits of decoding one split: on a GPU only where the CPU is forbidden."""
    # Dev is taken to be as large as test.
    tried = len(LENGTH_BONUSES) if search.length_bonus == "tuned" else 0
    sentences = size.test_sentences * search.beam * (1 + tried)
    return _request(
        sentences * experiment.model.cost() / SEARCH_RATE,
        _model_memory(search.batch_size, experiment.preparation),
        gpus=1 if experiment.training.device == "cuda" else 0,
    )


def collection(runs: int) -> Request:
    """Return the limits of what reads so many finished runs: scores, tables, figures."""
    return _request(RUN_SECONDS * runs, COLLECTION_MB + RUN_MB * runs)


def _request(seconds: float, mem_mb: float, *, gpus: int = 0) -> Request:
    return Request(START_MINUTES + ceil(seconds / 60), 500 * ceil(mem_mb / 500), gpus)


def _sequences(run: RunConfig) -> int:
    """Return how many target sentences each source is trained on, samples by what they cost."""
    needs = run.objective.needs()
    stored = run.proposal.candidates if run.proposal else 0
    return max(1, needs.reference + stored + SAMPLE_COST * needs.samples)


def _model_memory(rows: int, prepared: Preparation) -> float:
    vocabulary = prepared.vocabulary
    if isinstance(vocabulary, BpeConfig):
        words = 2 * vocabulary.operations
    elif isinstance(vocabulary, PretrainedConfig):
        words = PRETRAINED_WORDS
    else:
        words = vocabulary.target_size or UNKNOWN_WORDS
    return LIBRARIES_MB + LOGITS * 4 * rows * words / 2**20


@dataclass(frozen=True)
class Room:
    """Bytes on the disk that the weights of some runs take: at the very least, and probably."""

    least: int
    likely: int


def room(experiment: Experiment, size: Size, runs: int) -> Room:
    """Return what the weights of so many runs take, those that a run keeps until all are done.

    That is the published file, a checkpoint beside it, what goes to MLflow, and the epochs that are
    averaged.
    """
    vocabulary = experiment.preparation.vocabulary
    if isinstance(vocabulary, BpeConfig):
        source = target = 2 * vocabulary.operations
    elif isinstance(vocabulary, PretrainedConfig):
        source = target = PRETRAINED_WORDS
    else:
        words = min(UNKNOWN_WORDS, ceil(WORDS_GROW * size.train_tokens**0.5))
        source = min(words, vocabulary.source_size or words)
        target = min(words, vocabulary.target_size or words)
    average = experiment.training.average
    kept = KEPT + (average.epochs + 1 if average else 0)
    return Room(
        runs * BYTES_PER_WEIGHT * experiment.model.parameters(0, 0),
        runs * kept * BYTES_PER_WEIGHT * experiment.model.parameters(source, target),
    )


def check_room(experiment: Experiment, size: Size, runs: int, folder: Path) -> None:
    """Foresee a full disk: print a warning where it is probable.

    Args:
        experiment: what is to be run.
        size: of its corpus.
        runs: how many are not trained yet.
        folder: of the results; need not be there.

    Raises:
        UserError: the disk cannot hold the weights.
    """
    needed = room(experiment, size, runs)
    place = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    free = shutil.disk_usage(place).free
    message = (
        f"{folder.absolute()}: {free / GB:.1f} GB are free, but the weights of {runs:,} runs take"
    )
    way_out = "make room, or train fewer or smaller models"
    if needed.least > free:
        raise UserError(f"{message} at least {needed.least / GB:.1f} GB; {way_out}")
    if needed.likely > free:
        print(
            f"warning: {message} about {needed.likely / GB:.1f} GB; {way_out}",
            file=sys.stderr,
        )


def check_scratch(environment: Mapping[str, str]) -> None:
    """Check the folder for temporary files, without which Snakemake cannot choose a job.

    Raises:
        UserError: it is not there, or full.
    """
    # `tempfile` goes on to another folder; the solver that Snakemake calls does not.
    folder = Path(environment.get("TMPDIR") or tempfile.gettempdir())
    if not folder.is_dir():
        raise UserError(f"TMPDIR={folder}: there is no such folder; make it, or unset TMPDIR")
    if (free := shutil.disk_usage(folder).free) < SCRATCH:
        raise UserError(
            f"{folder}: the folder for temporary files has {free / 10**6:.1f} MB left; make room, "
            "or name another one (export TMPDIR=/a/folder)"
        )
