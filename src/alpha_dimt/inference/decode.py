"""Translate encoded sentences with a trained model."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from alpha_dimt.config import RunConfig, load
from alpha_dimt.config.training import LENGTH_BONUSES, Decoding, Device
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json, sha256, write_json, write_lines
from alpha_dimt.core.progress import bar
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import PAD, UNK, Vocab
from alpha_dimt.data.batching import source_batches
from alpha_dimt.data.encoded import Pairs, read_pairs
from alpha_dimt.data.manifest import check_splits, check_vocabularies, read_report
from alpha_dimt.data.segmentation import Segmentation, load_segmentation
from alpha_dimt.evaluation.metrics import multi_bleu
from alpha_dimt.inference.search import Hypothesis, beam_search, greedy_search
from alpha_dimt.kernels import send
from alpha_dimt.machine.device import choose_device, choose_dtype, use_threads
from alpha_dimt.models.base import TranslationModel
from alpha_dimt.models.build import build_model
from alpha_dimt.models.weights import fill
from alpha_dimt.runs.paths import ModelFiles, model_files, record_of


@dataclass(frozen=True)
class Trained:
    """A trained run, ready to search.

    Attributes:
        config: configuration of the run.
        model: model with the run's best weights, on `device`.
        device: device to search on.
        source: source vocabulary.
        target: target vocabulary.
        segmentation: the tokens of the corpus.
        sums: SHA-256 of the run's weights, vocabularies and codes, see `ModelFiles.parts`.
    """

    config: RunConfig
    model: TranslationModel
    device: torch.device
    source: Vocab
    target: Vocab
    segmentation: Segmentation
    sums: dict[str, str]


def load_trained(config: RunConfig, files: ModelFiles, device: Device = "auto") -> Trained:
    """Load the model of a run.

    Args:
        config: configuration of the run.
        files: files of the run.
        device: device to search on.

    Raises:
        UserError: a file is missing, or is not the one that the run was trained with.
    """
    sums = check_parts(files)
    source, target = Vocab.load(files.source), Vocab.load(files.target)
    on = choose_device(device)
    model = build_model(
        config.model,
        source_vocab_size=len(source),
        target_vocab_size=len(target),
        implementation=config.training.implementation,
        device=on,
    )
    fill(model, files.weights, config.fingerprint())
    model.to(on)
    model.compute_dtype = choose_dtype(config.training.precision, on)
    segmentation = load_segmentation(config.data, files.codes)
    return Trained(config, model, on, source, target, segmentation, sums)


def check_parts(files: ModelFiles) -> dict[str, str]:
    """Return the SHA-256 of weights, vocabularies and codes after checking that they match the run.

    Raises:
        UserError: a file is missing or has been replaced.
    """
    about = read_json(files.about)
    noted = about.get("files") if isinstance(about, dict) else None
    if not isinstance(noted, dict):
        raise UserError(f"{files.about}: the key `files` is missing; train the run again")
    sums = {}
    for name, path in files.parts().items():
        if not path.is_file():
            raise UserError(f"{path}: there is no such file; `alpha-dimt train` makes it")
        sums[name] = sha256(path)
        if sums[name] != noted.get(name):
            raise UserError(
                f"{path}: this is not the file that the run was trained with ({files.about} has "
                "another checksum); restore it or train the run again"
            )
    return sums


def hypothesis_text(
    hypothesis: Hypothesis, source_words: list[str], vocab: Vocab, *, replace_unknown: bool
) -> str:
    """Return a hypothesis as tokens joined by spaces.

    With `replace_unknown`, an unknown word is replaced by the source word with the highest
    attention (Jean et al., 2015); without attention in the model it stays.
    """
    words = vocab.decode(hypothesis.tokens)
    if replace_unknown:
        words = [
            source_words[where] if token == UNK and where >= 0 else word
            for word, token, where in zip(
                words, hypothesis.tokens, hypothesis.attended, strict=True
            )
        ]
    return " ".join(words)


@torch.inference_mode()
def search_all(
    model: TranslationModel,
    source: Ragged,
    config: Decoding,
    device: torch.device,
    found_some: Callable[[int], object] = lambda sentences: None,
) -> list[Hypothesis]:
    """Return the best hypothesis of every source, in order; batch sources of similar lengths.

    Args:
        model: trained model, on `device`.
        source: ids of the sentences.
        config: configuration of the search; its length bonus is a number.
        device: device to search on.
        found_some: called after each batch with its number of sentences.
    """
    model.eval()
    results: dict[int, Hypothesis] = {}
    sentences = max(1, config.batch_size // config.beam)
    for rows in source_batches(source.lengths, batch_size=sentences):
        (ids,) = send([torch.from_numpy(source.padded(rows, fill=PAD))], device)
        lengths = torch.from_numpy(source.lengths[rows])
        state = model.start(model.encode(ids, lengths))
        if config.beam == 1:
            found = greedy_search(
                model,
                state,
                sentences=len(rows),
                max_length=config.max_length,
                device=device,
                temperature=config.temperatures[0] if config.temperatures else None,
            )
        else:
            found = beam_search(
                model,
                state,
                sentences=len(rows),
                width=config.beam,
                max_length=config.max_length,
                length_penalty=config.length_penalty,
                device=device,
                length_bonus=float(config.length_bonus),
                ended=config.ended,
            )
        results.update(zip(rows.tolist(), found, strict=True))
        found_some(len(rows))
    return [results[i] for i in range(len(source))]


def translate_pairs(
    model: TranslationModel,
    pairs: Pairs,
    vocab: Vocab,
    *,
    segmentation: Segmentation,
    decoding: Decoding,
    device: torch.device,
    found_some: Callable[[int], object] = lambda sentences: None,
) -> list[str]:
    """Return tokenised translations of the sources of a split, subwords joined."""
    found = search_all(model, pairs.source, decoding, device, found_some)
    return segmentation.join(
        [
            hypothesis_text(
                hypothesis, text.split(" "), vocab, replace_unknown=decoding.replace_unknown
            )
            for hypothesis, text in zip(found, pairs.source_text, strict=True)
        ]
    )


def read_split(encoded: Path, split: str, trained: Trained, run: Path) -> tuple[Pairs, str]:
    """Return a split that a run can translate, and the SHA-256 of its file.

    Args:
        encoded: folder of the corpus.
        split: name of the split.
        trained: trained run.
        run: folder of the run, for errors.

    Raises:
        UserError: the split is damaged, or was not encoded with the run's vocabularies.
    """
    path, corpus = encoded / f"{split}.arrow", trained.config.data.corpus
    report = read_report(encoded, "encode")
    pairs, found = read_pairs(encoded, split), sha256(path)
    check_splits(encoded, report, {path.name: found})
    sums = {corpus.source: trained.sums["source"], corpus.target: trained.sums["target"]}
    check_vocabularies(encoded, report, sums, run)
    pairs.check_vocabularies(path, source=trained.source, target=trained.target)
    return pairs, found


def decode_split(
    config: Decoding,
    *,
    run: Path,
    encoded: Path,
    split: str,
    out: Path,
    threads: int,
    device: Device = "auto",
) -> None:
    """Translate a split with the best weights of a run; one hypothesis per line.

    A record of the run, weights, search and split is written beside {out}; with a tuned length
    bonus, also dev BLEU with each bonus that was tried.

    Raises:
        UserError: a file is missing, the files do not belong together, or `out` is the file for
            its own record.
    """
    if out.suffix == ".json":  # see `record_of`
        raise UserError(
            f"{out}: the record of the translations would take this name; name another file, such "
            f"as {out.with_suffix('.txt')}"
        )
    use_threads(threads)
    run_config = load(RunConfig, run / "config.json")
    trained = load_trained(run_config, model_files(run_config, run), device)
    torch.manual_seed(run_config.seed)  # for samples
    search, tuning = config, {}
    if config.length_bonus == "tuned":
        tuning = tune_length_bonus(trained, read_split(encoded, "valid", trained, run)[0], config)
        search = config.model_copy(update={"length_bonus": tuning["length_bonus"]})
    pairs, split_sum = read_split(encoded, split, trained, run)
    lines = _translated(trained, pairs, search, f"decoding {split}")
    write_lines(out, lines)
    write_json(
        record_of(out),
        {
            "run_key": run_config.fingerprint(),
            "weights": trained.sums["weights"],
            "decoding": config.model_dump(mode="json"),
            "split": split_sum,
            "hypotheses": sha256(out),
            **tuning,
        },
    )


def tune_length_bonus(trained: Trained, dev: Pairs, config: Decoding) -> dict[str, Any]:
    """Return the length bonus with the best BLEU on dev, and BLEU with each bonus; ties: lowest."""
    references = trained.segmentation.join(dev.target_text)
    scores = {}
    for bonus in LENGTH_BONUSES:
        search = config.model_copy(update={"length_bonus": bonus})
        lines = _translated(trained, dev, search, f"decoding valid, length bonus {bonus:g}")
        scores[bonus] = multi_bleu(lines, references).value
    best = max(LENGTH_BONUSES, key=lambda bonus: scores[bonus])
    return {
        "length_bonus": best,
        "dev_bleu_by_bonus": {f"{bonus:g}": score for bonus, score in scores.items()},
    }


def _translated(trained: Trained, pairs: Pairs, search: Decoding, what: str) -> list[str]:
    with bar(len(pairs), what, "sentences") as shown:
        return translate_pairs(
            trained.model,
            pairs,
            trained.target,
            segmentation=trained.segmentation,
            decoding=search,
            device=trained.device,
            found_some=shown.update,
        )
