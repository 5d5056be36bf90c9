"""From raw text to tokenised, cleaned splits."""

import sys
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from alpha_dimt.config import DataConfig, Iwslt14Corpus
from alpha_dimt.data.clean import judge
from alpha_dimt.data.iwslt14 import differences
from alpha_dimt.data.parallel import read_pairs
from alpha_dimt.data.tokenise import tokenise
from alpha_dimt.errors import UserError
from alpha_dimt.files import sha256, write_json, write_lines


class Pair(NamedTuple):
    """One pair of sentences, tokenised and as it was."""

    source: str
    target: str
    raw_source: str
    raw_target: str


def tokenise_corpus(config: DataConfig, *, raw: Path, out: Path) -> None:
    """Write {train,valid,test}.{language}, the raw lines of valid and test, and report.json.

    Training pairs are cleaned (`clean.judge`). IWSLT'14 has no validation file: every
    `valid_every`-th kept training pair is validation data.

    Raises:
        UserError: the raw files are not aligned, a validation or test sentence is blank, or
            cleaning leaves no pair.
    """
    corpus = config.corpus
    splits = {"train": _read(config, raw, "train"), "test": _read(config, raw, "test")}
    read = {split: len(pairs) for split, pairs in splits.items()}
    splits["train"], dropped = _clean(splits["train"], config)
    if isinstance(corpus, Iwslt14Corpus):
        splits["train"], splits["valid"] = cut_validation(splits["train"], corpus.valid_every)
    else:
        splits["valid"] = _read(config, raw, "valid")
        read["valid"] = len(splits["valid"])
    for split in ("valid", "test"):
        _check_not_blank(splits[split], raw, split, config)
    for split, pairs in splits.items():
        if not pairs:
            raise UserError(
                f"{raw}: no pair of sentences is left for {split}; "
                "loosen preparation.max_length or preparation.max_ratio, or give more text"
            )

    report: dict[str, Any] = {
        "tokeniser": f"sacremoses {version('sacremoses')}",
        "read": read,
        "dropped": dropped,
        "splits": {split: _write(pairs, config, out, split) for split, pairs in splits.items()},
    }
    if isinstance(corpus, Iwslt14Corpus):
        report["differences"] = differences(report["splits"], out)
        for difference in report["differences"]:
            print(f"warning: {difference}", file=sys.stderr)
    write_json(out / "report.json", report)


def cut_validation(pairs: Sequence[Pair], every: int) -> tuple[list[Pair], list[Pair]]:
    """Return training and validation pairs: the latter are every `every`-th, counted from 1."""
    valid = list(pairs[every - 1 :: every])
    train = [pair for number, pair in enumerate(pairs, start=1) if number % every]
    return train, valid


def _read(config: DataConfig, raw: Path, split: str) -> list[Pair]:
    languages = config.corpus.source, config.corpus.target
    texts = read_pairs(*(raw / f"{split}.{language}" for language in languages))
    tokens = (
        tokenise(text, language, config.preparation)
        for text, language in zip(texts, languages, strict=True)
    )
    return [Pair(*fields) for fields in zip(*tokens, *texts, strict=True)]


def _clean(pairs: Sequence[Pair], config: DataConfig) -> tuple[list[Pair], dict[str, int]]:
    verdicts = [judge(pair.source, pair.target, config.preparation) for pair in pairs]
    kept = [pair for pair, verdict in zip(pairs, verdicts, strict=True) if verdict == "kept"]
    return kept, dict(Counter(verdict for verdict in verdicts if verdict != "kept"))


def _check_not_blank(pairs: Sequence[Pair], raw: Path, split: str, config: DataConfig) -> None:
    for number, pair in enumerate(pairs, start=1):
        for language, text in (
            (config.corpus.source, pair.source),
            (config.corpus.target, pair.target),
        ):
            if not text:
                raise UserError(
                    f"{raw / f'{split}.{language}'}:{number}: this sentence is blank; "
                    "validation and test need a sentence on both sides of every line"
                )


def _write(pairs: Sequence[Pair], config: DataConfig, out: Path, split: str) -> dict[str, Any]:
    report: dict[str, Any] = {"pairs": len(pairs), "tokens": {}, "sha256": {}}
    sides = (
        (config.corpus.source, [(pair.source, pair.raw_source) for pair in pairs]),
        (config.corpus.target, [(pair.target, pair.raw_target) for pair in pairs]),
    )
    for language, lines in sides:
        path = out / f"{split}.{language}"
        write_lines(path, (text for text, _ in lines))
        if split != "train":
            write_lines(out / f"{split}.raw.{language}", (text for _, text in lines))
        report["tokens"][language] = sum(len(text.split()) for text, _ in lines)
        report["sha256"][language] = sha256(path)
    return report
