"""Everything that these tests use of the package, under the names that they use.

If a module is moved or renamed, or a function is called differently, adapt this file; the
expectations of the tests stay.
"""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from torch import Tensor

from alpha_dimt import cluster_limits
from alpha_dimt.cli import cli
from alpha_dimt.config import Experiment, RunConfig, load, parse
from alpha_dimt.config.models import AttentionRnnConfig as ModelSizes
from alpha_dimt.config.proposals import Proposal
from alpha_dimt.config.schedules import Moment
from alpha_dimt.config.training import Decoding
from alpha_dimt.core.files import write_json, write_lines
from alpha_dimt.core.progress import EpochBar
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import Vocab
from alpha_dimt.data import draw_candidates as augment_module
from alpha_dimt.data.batching import Batch
from alpha_dimt.data.build_encoded import encode_corpus
from alpha_dimt.data.draw_candidates import augment_corpus
from alpha_dimt.data.encoded import Candidates, Pairs
from alpha_dimt.data.prepare import Pair, tokenise_corpus
from alpha_dimt.data.prepare import cut_validation as cut_off
from alpha_dimt.data.segmentation import BpeSegmentation, WordSegmentation
from alpha_dimt.evaluation import metrics
from alpha_dimt.inference.attention_examples import write_examples
from alpha_dimt.inference.decode import decode_split, search_all
from alpha_dimt.inference.search import beam_search
from alpha_dimt.inference.translate import open_translator
from alpha_dimt.models.attention_rnn.fused import FusedAttentionRnn
from alpha_dimt.models.base import fill_uniformly
from alpha_dimt.objectives import Loss, Scored
from alpha_dimt.proposals import Edits, Words, build
from alpha_dimt.tables.compare import print_comparison
from alpha_dimt.tables.significance import write_significance
from alpha_dimt.tables.table1 import write_table1
from alpha_dimt.tables.training import write_training_table
from alpha_dimt.training import loop, validation
from alpha_dimt.training.batches import epoch_batches
from alpha_dimt.training.binding import bind
from alpha_dimt.training.candidate_learner import CandidateLearner, score
from alpha_dimt.training.checkpoints import Checkpoints
from alpha_dimt.training.learning_rate import DevDecay
from alpha_dimt.training.optimisers import Sgd
from alpha_dimt.training.rollout import Rollout, choose_rollout
from alpha_dimt.training.rollout import gold_probability as gold_probability
from alpha_dimt.training.run import train_run
from alpha_dimt.training.signals import StopSignal
from alpha_dimt.training.state import State

CONFIG = Path(__file__).parents[2] / "config"
CPU = torch.device("cpu")


# ---------------------------------------------------------------------------- configuration


def experiment(values: dict[str, Any]) -> Experiment:
    """Return the experiment that plain values describe."""
    return parse(Experiment, values, "test")


def configured(file: str) -> Experiment:
    """Return the experiment in a file of config/."""
    return load(Experiment, CONFIG / file)


def objective_kinds() -> set[str]:
    """Return the names of all objectives that a configuration can choose."""
    (systems,) = Experiment.model_json_schema()["properties"]["systems"][
        "patternProperties"
    ].values()
    return set(systems["discriminator"]["mapping"])


# ------------------------------------------------------------------------------- objectives


def scored(figures: dict[str, np.ndarray]) -> Scored:
    """Return candidates in float64; `log_p` takes a gradient."""
    tensors = {name: torch.tensor(values) for name, values in figures.items()}
    tensors["log_p"].requires_grad_()
    return Scored(**tensors)


def bound_loss(
    options: Any, figures: dict[str, np.ndarray], *, epoch: int, decays: int
) -> tuple[float, np.ndarray]:
    """Return the loss that training computes for options, and its gradient by log p."""
    candidates = scored(figures)
    loss = bind(options).objective(Moment(epoch, decays))(candidates)
    (gradient,) = torch.autograd.grad(loss.value, candidates.log_p)
    return loss.value.item(), gradient.numpy()


def sources(options: Any) -> dict[str, Any]:
    """Return where training takes the candidates of options from."""
    needs = bind(options).needs
    return {
        name: getattr(needs, name)
        for name in (
            "reference",
            "proposal",
            "samples",
            "epsilon",
            "reward",
            "gold_decay",
            "chunk",
            "mean_log_p",
        )
    }


def scaled(scored: Scored, *, scale: float, power: float) -> Loss:
    """A user's objective."""
    weight = scale * (power - scored.log_p.detach())
    return Loss((weight * scored.log_p).mean(), {"mean_reward": scored.reward.mean()})


# ---------------------------------------------------------------------------------- batches


@dataclass(frozen=True)
class Candidate:
    """A candidate of a batch: its framed tokens and its properties."""

    tokens: tuple[int, ...]
    reward: float
    log_q0: float
    reference: bool


@dataclass(frozen=True)
class Source:
    """A source of a batch with its candidates."""

    row: int
    tokens: tuple[int, ...]
    candidates: tuple[Candidate, ...]


def pairs(source: Sequence[Sequence[int]], target: Sequence[Sequence[int]]) -> Pairs:
    """Return a split whose text are the ids."""
    return Pairs(
        source=Ragged.from_rows([list(row) for row in source]),
        target=Ragged.from_rows([list(row) for row in target]),
        source_text=[" ".join(map(str, row)) for row in source],
        target_text=[" ".join(map(str, row)) for row in target],
    )


Drawn = tuple[dict[int, int], float, float]
"""Replacements (from 1) of a candidate, its reward and its log q0."""


def candidates(drawn: Sequence[Drawn]) -> Candidates:
    """Return a slice: K candidates of each source, source by source."""
    positions = Ragged.from_rows([list(edits) for edits, _, _ in drawn])
    tokens = np.array([token for edits, _, _ in drawn for token in edits.values()])
    log_q0 = np.array([log_q0 for _, _, log_q0 in drawn])
    reward = np.array([reward for _, reward, _ in drawn], dtype=np.float32)
    return Candidates(Edits.replacing(positions, tokens, log_q0), reward)


def batches(
    run: RunConfig, data: Pairs, slices: list[Candidates] | None, epoch: int
) -> list[Batch]:
    """Return the batches of an epoch of a run."""
    return list(epoch_batches(run, bind(run.objective).needs, data, slices, epoch))


def opened(batch: Batch) -> list[Source]:
    """Return a batch as plain values."""
    k = batch.reward.shape[1]
    found = []
    for i, row in enumerate(batch.rows.tolist()):
        of_row = [
            Candidate(
                tuple(batch.target[i * k + j, : batch.target_lengths[i * k + j] + 1].tolist()),
                float(batch.reward[i, j]),
                float(batch.log_q0[i, j]),
                bool(batch.reference[i, j]),
            )
            for j in range(k)
        ]
        tokens = batch.source[i, : batch.source_lengths[i]].tolist()
        found.append(Source(row, tuple(tokens), tuple(of_row)))
    return found


# ---------------------------------------------------------------------------------- scoring


def model(
    source_words: int, target_words: int, *, seed: int = 1, bound: float = 0.5, **sizes: Any
) -> FusedAttentionRnn:
    """Return a small model in float64."""
    made = FusedAttentionRnn(
        ModelSizes(**{"embedding": 6, "hidden": 8, "dropout": 0.0} | sizes),
        source_vocab_size=source_words,
        target_vocab_size=target_words,
    ).double()
    fill_uniformly(made, bound, torch.Generator().manual_seed(seed))
    return made


class Scripted(FusedAttentionRnn):
    """A model with scripted samples, independent of its computation.

    Attributes:
        script: tokens of each sampled row.
        modes: whether the model was in training mode, for each step.
    """

    script: Sequence[Sequence[int]]
    modes: list[bool]

    def start(self, encoded: Any) -> Any:
        self._step = 0
        return super().start(encoded)

    def step(self, state: Any, previous: Tensor) -> Any:
        step = super().step(state, previous)
        self.modes.append(self.training)
        # Rows may stand for sources, equally many each, or for the sources themselves.
        tokens = [row[min(self._step, len(row) - 1)] for row in self.script]
        forced = torch.full_like(step.logits, -60.0)
        forced[torch.arange(len(tokens)), torch.tensor(tokens)] = 60.0
        self._step += 1
        return step._replace(logits=forced)


def scripted(script: Sequence[Sequence[int]], like: FusedAttentionRnn) -> Scripted:
    """Return a model with the weights of another one and scripted samples."""
    like.__class__ = Scripted
    like.script, like.modes = script, []
    return like


def sampler(run: RunConfig, data: Pairs, words: int) -> Rollout | None:
    """Return the rollout of a run."""
    return choose_rollout(run, bind(run.objective).needs, data, words)


def scores(
    made: FusedAttentionRnn,
    batch: Batch,
    *,
    draws: Rollout | None = None,
    gold: float | None = None,
    chunk: int | None = None,
    with_mean: bool = False,
) -> list[dict[str, np.ndarray]]:
    """Return the scored candidates of a batch: fields [B, K], one entry per chunk."""
    parts = score(made, batch, CPU, rollout=draws, gold=gold, chunk=chunk, with_mean=with_mean)
    return [
        {name: value.detach().numpy() for name, value in vars(part).items() if value is not None}
        for part in parts
    ]


@contextmanager
def decoder_inputs(made: FusedAttentionRnn) -> Iterator[list[Tensor]]:
    """Collect the decoder inputs that replace the candidates' own tokens, one entry per scoring."""
    seen: list[Tensor] = []
    original = made.token_log_probs

    def token_log_probs(*args: Any, inputs: Tensor | None = None) -> Any:
        if inputs is not None:
            seen.append(inputs.clone())
        return original(*args, inputs=inputs)

    made.token_log_probs = token_log_probs  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        del made.token_log_probs


# --------------------------------------------------------------------------------- training


def train_epoch(
    made: FusedAttentionRnn,
    run: RunConfig,
    data: Pairs,
    words: int,
    *,
    slices: list[Candidates] | None = None,
    done: int = 0,
    decays: int = 0,
    step: int = 0,
    learning_rate: float = 1.0,
    each_update: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Train the epoch after `done` epochs; return its metrics, updates and tokens."""
    learner = CandidateLearner(
        made,
        bind(run.objective),
        rollout=sampler(run, data, words),
        optimiser=Sgd(run.training.clip_norm),
        device=CPU,
    )
    task = loop.Task(
        batches=lambda epoch: batches(run, data, slices, epoch),
        validate=lambda model: {},
        recipe=run.training,
        seed=run.seed,
    )
    schedule = DevDecay(learning_rate, best=1.0, best_epoch=1, epoch=done, decays=decays)
    state = State(schedule, 0, step=step)
    metrics, updates, tokens = loop.train_epoch(
        learner, task, state, CPU, after_update=lambda batch: each_update()
    )
    return {**metrics, "updates": updates, "tokens": tokens}


@dataclass(frozen=True)
class Fitted:
    """The course of a whole training.

    Attributes:
        reason: stop reason.
        moments: epoch and decays passed to the objective, epoch by epoch.
        rates: recorded learning rates.
        weights: weights after each epoch.
        published: published weights of the run.
        best: epoch and BLEU recorded as the best.
        records: one record per epoch.
    """

    reason: str
    moments: list[tuple[int, int]]
    rates: list[float]
    weights: list[dict[str, Tensor]]
    published: dict[str, Tensor]
    best: tuple[int, float]
    records: list[dict[str, Any]]


def fit(
    folder: Path, made: FusedAttentionRnn, run: RunConfig, data: Pairs, bleus: list[float]
) -> Fitted:
    """Train until the stop rule, with scripted validation results."""
    bound, moments, weights, told = bind(run.objective), [], [], iter(bleus)

    def objective(at: Moment) -> Any:
        if (at.epoch, at.decays) not in moments:
            moments.append((at.epoch, at.decays))
        return bound.objective(at)

    def validated(model: FusedAttentionRnn) -> dict[str, float]:
        weights.append({name: value.clone() for name, value in model.state_dict().items()})
        return {"valid_bleu_greedy": next(told), "valid_nll_per_token": 1.0}

    learner = CandidateLearner(
        made,
        replace(bound, objective=objective),
        rollout=None,
        optimiser=Sgd(run.training.clip_norm),
        device=CPU,
    )
    task = loop.Task(
        batches=lambda epoch: batches(run, data, None, epoch),
        validate=validated,
        recipe=run.training,
        seed=run.seed,
    )
    checkpoints = Checkpoints(folder / "state", run_key="key", seconds=1e9)
    state = State(DevDecay(run.training.learning_rate), 0)
    with checkpoints.held():
        checkpoints.restore(learner)
        reason = loop.fit(
            learner,
            task,
            state,
            device=CPU,
            checkpoints=checkpoints,
            stop=StopSignal(),
            bar=EpochBar(1, tokens_known=True),
            after_epoch=lambda state: None,
        )
        (folder / "run").mkdir()
        checkpoints.publish(state, folder / "run")
    return Fitted(
        reason,
        moments,
        [record["metrics"]["learning_rate"] for record in state.records],
        weights,
        load_file(folder / "run" / "best.safetensors"),
        (state.schedule.best_epoch, state.schedule.best),
        state.records,
    )


def validate(
    made: FusedAttentionRnn, data: Pairs, words: Sequence[str], run: RunConfig
) -> dict[str, float]:
    """Return the validation metrics of a model; `words` is the target vocabulary sans specials."""
    bpe = run.data.preparation.vocabulary.kind == "bpe"
    segmentation = BpeSegmentation(run.data, []) if bpe else WordSegmentation(run.data)
    return validation.validate(
        made,
        pairs=data,
        vocab=Vocab(words),
        segmentation=segmentation,
        config=run,
        device=CPU,
    )


def train(
    run: RunConfig, encoded: Path, out: Path, *, augmented: Path | None, start: Path | None
) -> None:
    """Train a run from its files to its folder."""
    train_run(
        run,
        encoded=encoded,
        augmented=augmented,
        start=start,
        state=out.parent / "state",
        out=out,
        threads=1,
    )


def weights(run: Path) -> dict[str, Tensor]:
    """Return the weights of a finished run."""
    found: dict[str, Tensor] = load_file(run / "best.safetensors")
    return found


# ------------------------------------------------------------------------------------- data


def encode(values: dict[str, Any], text: Path, out: Path) -> dict[str, Any]:
    """Encode text; return what the files hold, by language or split."""
    encode_corpus(experiment(values).data_config(), text=text, out=out)
    found: dict[str, Any] = {
        path.name: path.read_text(encoding="utf-8").split("\n")[:-1] for path in out.glob("*.txt")
    }
    for path in out.glob("*.arrow"):
        found[path.name] = pa.ipc.open_file(str(path)).read_all().to_pydict()
    return found


def augment(run: Any, encoded: Path, out: Path) -> list[dict[str, list[Any]]]:
    """Draw the candidates of an augmentation; return its slices."""
    augment_corpus(run, encoded=encoded, out=out)
    reader = pa.ipc.open_file(str(out))
    return [reader.get_batch(i).to_pydict() for i in range(reader.num_record_batches)]


def draw_slice(values: dict[str, Any], targets: list[list[int]], words: int, **at: int) -> Any:
    """Draw one slice of candidates of a proposal; return its columns."""
    batch = augment_module.draw_slice(
        Ragged.from_rows(targets), Proposal.model_validate(values), vocab_size=words, **at
    )
    return batch.to_pydict()


def prepare(values: dict[str, Any], raw: Path, out: Path) -> dict[str, list[str]]:
    """Tokenise and clean raw text; return the lines of every file."""
    tokenise_corpus(experiment(values).data_config(), raw=raw, out=out)
    return {
        path.name: path.read_text(encoding="utf-8").split("\n")[:-1]
        for path in out.iterdir()
        if path.suffix != ".json"
    }


def cut_validation(count: int, every: int) -> tuple[list[int], list[int]]:
    """Return which of so many training pairs are kept, and which are validation data."""
    rows = [Pair(str(i), "", "", "") for i in range(count)]
    train, valid = cut_off(rows, every)
    return [int(pair.source) for pair in train], [int(pair.source) for pair in valid]


def log_q0(
    section: dict[str, Any], targets: list[list[int]], framed: list[list[int]], words: int
) -> list[float]:
    """Return log q0 of framed candidates under a configured distribution."""
    distribution = Proposal.model_validate({"distribution": section}).distribution
    references = Ragged.from_rows(targets)
    counts = np.bincount(references.values, minlength=words)
    built = build(distribution, Words(vocab_size=words, counts=counts))
    found: list[float] = built.log_prob(references, Ragged.from_rows(framed)).tolist()
    return found


# ------------------------------------------------------------------------------- translation


def decoding(**keys: Any) -> Decoding:
    """Return the configuration of a search."""
    return Decoding(**keys)


def search(
    made: FusedAttentionRnn, sources: list[list[int]], config: Decoding
) -> tuple[list[tuple[list[int], list[int]]], list[int]]:
    """Return words and positions of each hypothesis, and the batch sizes."""
    together: list[int] = []
    found = search_all(made, Ragged.from_rows(sources), config, CPU, together.append)
    return [(one.tokens, one.attended) for one in found], together


def beam(
    stepper: Any, state: Any, *, sentences: int, **options: Any
) -> list[tuple[list[int], list[int]]]:
    """Return the results of beam search with any stepping model."""
    found = beam_search(stepper, state, sentences=sentences, device=CPU, **options)
    return [(one.tokens, one.attended) for one in found]


def write_run_config(run: RunConfig, folder: Path) -> None:
    """Write the files that workflow rules write before a run is trained."""
    write_json(folder / "config.json", run.model_dump(mode="json"))


def decode(config: Decoding, *, run: Path, encoded: Path, split: str, out: Path) -> list[str]:
    """Translate a split with a finished run; return the lines."""
    decode_split(config, run=run, encoded=encoded, split=split, out=out, threads=1)
    return out.read_text(encoding="utf-8").split("\n")[:-1]


def translator(run: Path, width: int | None) -> Any:
    """Open a finished run to translate raw text."""
    return open_translator(run, beam=width, threads=1)


def searching(translator: Any, **keys: Any) -> Any:
    """Return a translator with other keys of its search."""
    return replace(translator, decoding=translator.decoding.model_copy(update=keys))


def examples(runs: list[Path], decoding: Path, encoded: Path, out: Path) -> list[dict[str, Any]]:
    """Translate some sentences of the test set with each run; return the written document."""
    write_examples(runs, decoding=decoding, encoded=encoded, threads=1, out=out)
    found: list[dict[str, Any]] = json.loads(out.read_text(encoding="utf-8"))["examples"]
    return found


# --------------------------------------------------------------------------------- resources


def limits(experiment: Experiment) -> dict[str, tuple[int, int, int]]:
    """Return minutes, megabytes and GPUs of each kind of job of an experiment."""
    size = experiment.corpus.text_size()
    runs = len(experiment.systems) * len(experiment.seeds)
    found = {
        "preparation": cluster_limits.preparation(experiment, size),
        "collection": cluster_limits.collection(runs),
    }
    for search in ("greedy", "beam"):
        config = experiment.decoding.searches[search]
        found[f"decode {search}"] = cluster_limits.decoding(experiment, config, size)
    for system in experiment.systems:
        run = experiment.run_config(system, experiment.seeds[0])
        found[f"train {system}"] = cluster_limits.training(run, size)
    return {name: (one.minutes, one.mem_mb, one.gpus) for name, one in found.items()}


# --------------------------------------------------------------------------------- evaluation

SCORED = ("valid.greedy", "test.greedy", "test.beam")
DATA = {"train.arrow": "ab", "valid.arrow": "cd"}
"""Checksums of the training data of a finished run."""


def evaluate(
    hypotheses: Path, *, tokenised: Path, raw: Path, out: Path, language: str, lowercase: bool
) -> dict[str, Any]:
    """Score a file by the command line, as the workflow does; return the written document."""
    arguments = ["evaluate", "--hypotheses", hypotheses, "--tokenised", tokenised, "--raw", raw]
    arguments += ["--language", language, "--lowercase" if lowercase else "--cased", "--out", out]
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def finished_run(
    results: Path, run: RunConfig, texts: dict[str, list[str]], references: dict[str, list[str]]
) -> Path:
    """Write a finished run with translations, and score them.

    Args:
        results: folder of the corpus.
        run: its configuration.
        texts: translations by split and search.
        references: by split.
    """
    folder = results / "runs" / run.system / f"seed{run.seed}"
    write_run_config(run, folder)
    about = {"run_key": run.fingerprint(), "data": DATA, "best": {"epoch": 1}}
    write_json(folder / "run.json", about)
    record = {"epoch": 1, "metrics": {"valid_nll_per_token": 2.0 + run.seed / 8}}
    write_lines(folder / "metrics.jsonl", [json.dumps(record)])
    for name in SCORED:
        split = name.split(".")[0]
        paths = {
            folder / "hypotheses" / f"{name}.txt": texts[name],
            results / "data" / "text" / f"{split}.en": references[split],
            results / "data" / "text" / f"{split}.raw.en": references[split],
        }
        for path, lines in paths.items():
            write_lines(path, lines)
        hypotheses, tokenised, raw = paths
        evaluate(
            hypotheses,
            tokenised=tokenised,
            raw=raw,
            out=folder / "scores" / f"{name}.json",
            language="en",
            lowercase=True,
        )
    return folder


def _table(out: Path) -> list[dict[str, str]]:
    with out.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table1(runs: list[Path], out: Path) -> tuple[list[dict[str, str]], str]:
    """Write Table 1; return our rows for a program, and the text for a person."""
    write_table1(runs, out=out)
    ours = [row for row in _table(out) if row["source"] == "this run"]
    return ours, out.with_suffix(".md").read_text(encoding="utf-8")


def significance(runs: list[Path], reference: Path, out: Path) -> tuple[list[dict[str, str]], str]:
    """Compare all pairs; return the rows for a program, and the text for a person."""
    write_significance(runs, reference=reference, out=out)
    return _table(out), out.with_suffix(".md").read_text(encoding="utf-8")


def training_table(runs: list[Path], out: Path) -> list[dict[str, str]]:
    """Write the table of training; return the rows for a program."""
    write_training_table(runs, out=out)
    return _table(out)


def write_training(
    folder: Path, run: RunConfig, about: dict[str, Any], records: list[dict[str, Any]]
) -> None:
    """Write the records of a training."""
    write_json(folder / "run.json", {"run_key": run.fingerprint(), "data": DATA, **about})
    write_lines(folder / "metrics.jsonl", [json.dumps(record) for record in records])


def write_beam_config(experiment: Experiment, results: Path) -> Path:
    """Write the configuration of beam search beside the runs."""
    path = results / "decoding" / "beam.json"
    write_json(path, experiment.decoding.searches["beam"].model_dump(mode="json"))
    return path


def multi_bleu(hypotheses: list[str], references: list[str]) -> float:
    """Return the score of tokenised text."""
    return metrics.multi_bleu(hypotheses, references).value


def compared(first: Path, second: Path, search: str, capsys: Any) -> dict[str, Any]:
    """Compare two runs or systems by the command's function; return its JSON."""
    print_comparison(first, second, reference=None, search=search, as_json=True)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found
