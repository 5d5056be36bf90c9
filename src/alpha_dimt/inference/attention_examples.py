"""A few test sentences translated by every system, with the attention behind each word."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from alpha_dimt.config import RunConfig, load
from alpha_dimt.config.training import Decoding, Device
from alpha_dimt.core.files import write_json
from alpha_dimt.core.vocabulary import BOS
from alpha_dimt.data.encoded import Pairs, read_pairs
from alpha_dimt.inference.decode import (
    Trained,
    hypothesis_text,
    load_trained,
    read_split,
    search_all,
)
from alpha_dimt.machine.device import use_threads
from alpha_dimt.models.base import TranslationModel
from alpha_dimt.runs.paths import model_files
from alpha_dimt.runs.translations import Example, Translation

SENTENCES = 8


def spread_rows(count: int, wanted: int = SENTENCES) -> list[int]:
    """Return `wanted` rows evenly spread over `count`, or all: no cherry-picking."""
    if count <= wanted:
        return list(range(count))
    return [(2 * i + 1) * count // (2 * wanted) for i in range(wanted)]


def write_examples(
    runs: Sequence[Path],
    *,
    decoding: Path,
    encoded: Path,
    threads: int,
    out: Path,
    device: Device = "auto",
) -> None:
    """Translate a few sentences of the test set with each run, and write JSON.

    Args:
        runs: folders of trained runs on one corpus, one per system.
        decoding: configuration of the search.
        encoded: folder of vocabularies and encoded splits.
        threads: number of CPU threads.
        out: JSON file.
        device: device to search on.

    Raises:
        UserError: a file is missing, or does not belong to this corpus.
    """
    use_threads(threads)
    search = load(Decoding, decoding)
    pairs = read_pairs(encoded, "test")
    rows = spread_rows(len(pairs))
    few = Pairs(
        source=pairs.source.take(np.array(rows)),
        target=pairs.target.take(np.array(rows)),
        source_text=[pairs.source_text[row] for row in rows],
        target_text=[pairs.target_text[row] for row in rows],
    )
    by_run, made_from, segmentation = [], [], None
    for run in runs:
        config = load(RunConfig, run / "config.json")
        trained = load_trained(config, model_files(config, run), device)
        read_split(encoded, "test", trained, run)
        by_run.append(translate_few(trained, few, search))
        made_from.append((f"{config.system}/seed{config.seed}", trained.sums["weights"]))
        segmentation = trained.segmentation
    assert segmentation is not None  # there is a run
    joined = map(segmentation.join, (few.source_text, few.target_text))
    examples = [
        Example(
            line=row + 1,
            source=source.split(" "),
            source_text=source_text,
            reference=reference,
            translations=list(translations),
        )
        for row, source, source_text, reference, *translations in zip(
            rows, few.source_text, *joined, *by_run, strict=True
        )
    ]
    document = {
        "decoding": search.model_dump(mode="json"),
        "made_from": made_from,
        "examples": [asdict(example) for example in examples],
    }
    write_json(out, document)


def translate_few(trained: Trained, pairs: Pairs, search: Decoding) -> list[Translation]:
    """Translate the sentences with one run, and record the attention of each step."""
    config, vocab = trained.config, trained.target
    found = search_all(trained.model, pairs.source, search, trained.device)
    translations = []
    for row, hypothesis in enumerate(found):
        words = pairs.source_text[row].split(" ")
        pieces = hypothesis_text(hypothesis, words, vocab, replace_unknown=search.replace_unknown)
        [text] = trained.segmentation.join([pieces])
        ids = torch.from_numpy(pairs.source.row(row).astype(np.int64)).to(trained.device)
        weights = attention(trained.model, ids, hypothesis.tokens)
        translations.append(
            Translation(
                system=config.system,
                seed=config.seed,
                text=text,
                tokens=vocab.decode(hypothesis.tokens),
                attention=[[round(weight, 2) for weight in step] for step in weights.tolist()],
            )
        )
    return translations


@torch.inference_mode()
def attention(model: TranslationModel, source: torch.Tensor, tokens: Sequence[int]) -> torch.Tensor:
    """Return [T, S], the attention over the source when each of T tokens is predicted.

    Args:
        model: model in evaluation mode.
        source: [S] source ids.
        tokens: T target ids, excluding <s> and </s>.
    """
    state = model.start(model.encode(source[None], torch.tensor([len(source)])))
    steps = []
    for previous in (BOS, *tokens)[: len(tokens)]:
        step = model.step(state, torch.tensor([previous], device=source.device))
        state = step.state
        steps.append(source.new_zeros(0) if step.attention is None else step.attention[0])
    return torch.stack(steps) if steps else torch.zeros(0, len(source))
