"""From raw text to tokenised, cleaned splits."""

import sys
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from alpha_dimt.config import DataConfig, Iwslt14Corpus
from alpha_dimt.data.clean import LONGEST_WORD, has_long_word, judge
from alpha_dimt.data.iwslt14 import differences
from alpha_dimt.data.parallel import read_pairs
from alpha_dimt.data.tokenise import tokenise
from alpha_dimt.errors import UserError
from alpha_dimt.files import sha256, write_json, write_lines

# Tokens of the longest validation or test sentence; those of training have their own limit.
LONGEST_SENTENCE = 1000


class Pair(NamedTuple):
    """One pair of sentences, tokenised and as it was."""

    source: str
    target: str
    raw_source: str
    raw_target: str


def tokenise_corpus(config: DataConfig, *, raw: Path, out: Path) -> None:
    """Write {train,valid,test}.{language}, the raw lines of valid and test, and report.json.

    Training pairs are cleaned (module `clean`). IWSLT'14 has no validation file: every
    `valid_every`-th kept training pair is validation data.

    Raises:
        UserError: the raw files are not aligned, a validation or test sentence is blank or
            absurdly long, or cleaning leaves no pair.
    """
    corpus = config.corpus
    given = ("train", "test") if isinstance(corpus, Iwslt14Corpus) else ("train", "valid", "test")
    texts = {split: _read(config, raw, split) for split in given}
    read = {split: len(lines) for split, lines in texts.items()}
    texts["train"] = [lines for lines in texts["train"] if not any(map(has_long_word, lines))]
    splits = {split: _tokenise(lines, config) for split, lines in texts.items()}
    splits["train"], dropped = _clean(splits["train"], config)
    if long_words := read["train"] - len(texts["train"]):
        dropped["long word"] = long_words
    if isinstance(corpus, Iwslt14Corpus):
        splits["train"], splits["valid"] = cut_validation(splits["train"], corpus.valid_every)
    for split in ("valid", "test"):
        _check_sentences(splits[split], raw, split, config)
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


def _read(config: DataConfig, raw: Path, split: str) -> list[tuple[str, str]]:
    """Return pairs of raw lines; but for training, a word that is none is an error."""
    paths = [
        raw / f"{split}.{language}" for language in (config.corpus.source, config.corpus.target)
    ]
    texts = read_pairs(*paths)
    if split != "train":
        for path, lines in zip(paths, texts, strict=True):
            for number, line in enumerate(lines, start=1):
                if has_long_word(line):
                    raise UserError(
                        f"{path}:{number}: a word has more than {LONGEST_WORD:,} characters; "
                        "mend the sentence or take the pair out"
                    )
    return list(zip(*texts, strict=True))


def _tokenise(lines: Sequence[tuple[str, str]], config: DataConfig) -> list[Pair]:
    sources, targets = [source for source, _ in lines], [target for _, target in lines]
    tokens = (
        tokenise(sources, config.corpus.source, config.preparation),
        tokenise(targets, config.corpus.target, config.preparation),
    )
    return [Pair(*fields) for fields in zip(*tokens, sources, targets, strict=True)]


def _clean(pairs: Sequence[Pair], config: DataConfig) -> tuple[list[Pair], dict[str, int]]:
    verdicts = [judge(pair.source, pair.target, config.preparation) for pair in pairs]
    kept = [pair for pair, verdict in zip(pairs, verdicts, strict=True) if verdict == "kept"]
    return kept, dict(Counter(verdict for verdict in verdicts if verdict != "kept"))


def _check_sentences(pairs: Sequence[Pair], raw: Path, split: str, config: DataConfig) -> None:
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
            if (tokens := len(text.split(" "))) > LONGEST_SENTENCE:
                raise UserError(
                    f"{raw / f'{split}.{language}'}:{number}: this sentence has {tokens:,} tokens; "
                    f"validation and test take at most {LONGEST_SENTENCE:,}: is it several?"
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
