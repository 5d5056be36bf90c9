"""Translate encoded sentences with a trained model."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from alpha_dimt.config import Bpe, Decoding, Preparation, RunConfig, load
from alpha_dimt.data.batching import source_batches
from alpha_dimt.data.encoded import Pairs, read_pairs
from alpha_dimt.files import write_lines
from alpha_dimt.layout import ModelFiles, model_files
from alpha_dimt.model.seq2seq import Seq2Seq
from alpha_dimt.model.weights import fill
from alpha_dimt.progress import bar
from alpha_dimt.ragged import Ragged
from alpha_dimt.runtime import choose_device, choose_dtype, use_threads
from alpha_dimt.search import Hypothesis, beam_search, greedy_search
from alpha_dimt.vocab import PAD, UNK, Vocab


@dataclass(frozen=True)
class Trained:
    """A trained run, ready to search.

    Attributes:
        config: of the run.
        model: with its best weights, on `device`.
        device: where it searches.
        source: vocabulary.
        target: vocabulary.
    """

    config: RunConfig
    model: Seq2Seq
    device: torch.device
    source: Vocab
    target: Vocab


def load_trained(config: RunConfig, files: ModelFiles) -> Trained:
    """Load the model of a run.

    Raises:
        UserError: a file is missing, or they do not belong together.
    """
    source, target = Vocab.load(files.source), Vocab.load(files.target)
    device = choose_device(config.training.device)
    model = Seq2Seq(config.model, source_words=len(source), target_words=len(target))
    fill(model, files.weights, config.fingerprint())
    model.to(device)
    model.compute_dtype = choose_dtype(config.training.precision, device)
    return Trained(config, model, device, source, target)


def join_subwords(text: str, preparation: Preparation) -> str:
    """Undo the segmentation of BPE ("@@ " marks); word-level text stays as it is."""
    if isinstance(preparation.vocabulary, Bpe):
        return re.sub(r"@@( |$)", "", text)
    return text


def hypothesis_text(
    hypothesis: Hypothesis, source_words: list[str], vocab: Vocab, *, replace_unknown: bool
) -> str:
    """Return a hypothesis as tokens joined by spaces.

    An unknown word is replaced by the source word with the highest attention (Jean et al., 2015).
    """
    words = vocab.decode(hypothesis.tokens)
    if replace_unknown:
        words = [
            source_words[where] if token == UNK else word
            for word, token, where in zip(
                words, hypothesis.tokens, hypothesis.attended, strict=True
            )
        ]
    return " ".join(words)


@torch.inference_mode()
def search_all(
    model: Seq2Seq,
    source: Ragged,
    config: Decoding,
    device: torch.device,
    found_some: Callable[[int], object] = lambda sentences: None,
) -> list[Hypothesis]:
    """Return the best hypothesis of every source, in order; sources of similar lengths together.

    Args:
        model: a trained one, on `device`.
        source: ids of the sentences.
        config: of the search.
        device: where it searches.
        found_some: told after each batch how many sentences it had.
    """
    model.eval()
    results: dict[int, Hypothesis] = {}
    sentences = max(1, config.batch_size // config.beam)
    for rows in source_batches(source.lengths, batch_size=sentences):
        ids = torch.from_numpy(source.padded(rows, fill=PAD)).to(device)
        lengths = torch.from_numpy(source.lengths[rows])
        state = model.start(model.encode(ids, lengths))
        if config.beam == 1:
            found = greedy_search(
                model, state, sentences=len(rows), max_length=config.max_length, device=device
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
                ended=config.ended,
            )
        results.update(zip(rows.tolist(), found, strict=True))
        found_some(len(rows))
    return [results[i] for i in range(len(source))]


def translate_pairs(
    model: Seq2Seq,
    pairs: Pairs,
    vocab: Vocab,
    *,
    preparation: Preparation,
    decoding: Decoding,
    device: torch.device,
    found_some: Callable[[int], object] = lambda sentences: None,
) -> list[str]:
    """Return tokenised translations of the sources of a split, subwords joined."""
    found = search_all(model, pairs.source, decoding, device, found_some)
    return [
        join_subwords(
            hypothesis_text(
                hypothesis, text.split(" "), vocab, replace_unknown=decoding.replace_unknown
            ),
            preparation,
        )
        for hypothesis, text in zip(found, pairs.source_text, strict=True)
    ]


def decode_split(
    config: Decoding, *, run: Path, encoded: Path, split: str, out: Path, threads: int
) -> None:
    """Translate a split with the best weights of a run and write one hypothesis a line."""
    use_threads(threads)
    run_config = load(RunConfig, run / "config.json")
    trained = load_trained(run_config, model_files(run_config, run=run, encoded=encoded))
    pairs = read_pairs(encoded, split)
    pairs.check_vocabularies(
        encoded / f"{split}.arrow", source=trained.source, target=trained.target
    )
    with bar(len(pairs), f"decoding {split}", "sentences") as shown:
        lines = translate_pairs(
            trained.model,
            pairs,
            trained.target,
            preparation=run_config.data.preparation,
            decoding=config,
            device=trained.device,
            found_some=shown.update,
        )
    write_lines(out, lines)
