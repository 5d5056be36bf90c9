"""A run with random weights that translates."""

from pathlib import Path

import torch
from prepared import note_trained

from alpha_dimt.config import Experiment, parse
from alpha_dimt.config.preparation import BpeConfig
from alpha_dimt.core.files import write_json, write_lines
from alpha_dimt.core.vocabulary import Vocab
from alpha_dimt.data.subword import learn_codes, segment
from alpha_dimt.models.attention_rnn.fused import FusedAttentionRnn
from alpha_dimt.models.base import fill_uniformly
from alpha_dimt.models.weights import write_weights

SOURCE = ["der", "die", "hund", "katze", "schläft", "läuft", ".", "ein"]
TARGET = ["the", "dog", "cat", "sleeps", "runs", ".", "a", "&apos;s"]


def make_run(root: Path, *, bpe: bool = False, tokenised: bool = False) -> Path:
    """Write a run with random weights, as the workflow lays it out."""
    preparation: dict[str, object] = {"lowercase": "after", "tokenised": tokenised}
    table = {"tsv": "own.tsv"}
    own = {"kind": "files", "name": "toy", "train": table, "valid": table, "test": table}
    if bpe:
        preparation["vocabulary"] = BpeConfig(kind="bpe", operations=5).model_dump()
    experiment = parse(
        Experiment,
        {
            "corpus": own if tokenised else {"kind": "toy"},
            "preparation": preparation,
            "model": {"embedding": 8, "hidden": 8},
            "systems": {"ml": {"objective": "ml"}},
        },
        "test",
    )
    config = experiment.run_config("ml", 1)
    results = root / "toy"
    run = results / "runs" / "ml" / "seed1"
    vocabs = {"de": Vocab(SOURCE), "en": Vocab(TARGET)}
    if bpe:
        codes = learn_codes(SOURCE * 3, 5)
        pieces = " ".join(segment(SOURCE, codes)).split()
        vocabs["de"] = Vocab(dict.fromkeys(pieces))
        vocabs["en"] = Vocab([*TARGET, "ca@@", "t@@"])
        write_lines(run / "codes.de.txt", codes)
    for language, vocab in vocabs.items():
        vocab.save(run / f"vocab.{language}.txt")
    write_json(run / "config.json", config.model_dump(mode="json"))
    model = FusedAttentionRnn(
        config.model, source_vocab_size=len(vocabs["de"]), target_vocab_size=len(vocabs["en"])
    )
    fill_uniformly(model, 1.0, torch.Generator().manual_seed(5))
    write_weights(model, run / "best.safetensors", config.fingerprint())
    note_trained(run, config)
    decoding = experiment.decoding.model_copy(update={"beam": 2, "max_length": 12})
    write_json(results / "decoding" / "beam.json", decoding.model_dump(mode="json"))
    return run
