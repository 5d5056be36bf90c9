"""Turn raw text into tokenised, cleaned splits."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from operator import ne
from pathlib import Path
from typing import Any, NamedTuple

from alpha_dimt.config import DataConfig
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import sha256, write_json, write_lines
from alpha_dimt.core.imports import imported
from alpha_dimt.data.aligned import read_pairs
from alpha_dimt.data.clean import LONGEST_WORD, LOOSENED_BY, has_long_word, judge
from alpha_dimt.data.detokenise import detokenise
from alpha_dimt.data.manifest import check_stage
from alpha_dimt.data.tokenise import tokenise
from alpha_dimt.data.unicode import compose
from alpha_dimt.data.unspaced import is_unspaced

# Limit on the tokens of validation and test sentences; training sentences have their own limit.
LONGEST_SENTENCE = 1000


class Pair(NamedTuple):
    """One sentence pair, tokenised and raw."""

    source: str
    target: str
    raw_source: str
    raw_target: str


def tokenise_corpus(config: DataConfig, *, raw: Path, out: Path) -> None:
    """Write {train,valid,test}.{language}, the raw lines of valid and test, and report.json.

    For a pretrained tokeniser, which cuts text as published, also the raw lines of train.

    Training pairs are cleaned (module `clean`). IWSLT'14 has no validation file: every
    `valid_every`-th kept training pair becomes validation data. Raw lines are composed (NFC) like
    the tokens; for a corpus that only has tokens, they are its detokenised lines.

    Raises:
        UserError: the raw files are not aligned, a validation or test sentence is blank or
            absurdly long, or cleaning leaves no pair.
    """
    corpus = config.corpus
    given = corpus.raw_splits
    languages = corpus.source, corpus.target
    names = [f"{split}.{language}" for split in given for language in languages]
    made_from = {name: sha256(raw / name) for name in names if (raw / name).is_file()}
    check_stage(raw, "fetch", corpus, made_from)
    texts, composed = {}, {}
    for split in given:
        texts[split], composed[split] = _read(config, raw, split)
    read = {split: len(lines) for split, lines in texts.items()}
    texts["train"] = [lines for lines in texts["train"] if not any(_long_words(lines, config))]
    splits = {split: _tokenise(lines, config) for split, lines in texts.items()}
    splits["train"], dropped = _clean(splits["train"], config)
    if long_words := read["train"] - len(texts["train"]):
        dropped["long word"] = long_words
    if every := corpus.validation_every():
        splits["train"], splits["valid"] = cut_validation(splits["train"], every)
    for split in ("valid", "test"):
        _check_sentences(splits[split], raw, split, config)
    for split, pairs in splits.items():
        if not pairs:
            raise UserError(
                f"{raw}: no sentence pair is left for {split}; "
                + (_most_dropped(dropped) if dropped else "give more text")
            )

    report: dict[str, Any] = {
        "config": config.fingerprint(),
        "made_from": made_from,
        "tokeniser": "none: the text is tokenised already"
        if config.preparation.tokenised
        else f"sacremoses {version('sacremoses')}",
        "read": read,
        "composed": composed,
        "dropped": dropped,
        "splits": {split: _write(pairs, config, out, split) for split, pairs in splits.items()},
    }
    report["files"] = {
        path.name: sha256(path)
        for split in splits
        for path in sorted(out.glob(f"{split}.*"))
        if path.suffix.removeprefix(".") in languages
    }
    if corpus.check:
        report["differences"] = imported(corpus.check)(report["splits"], out)
        for difference in report["differences"]:
            print(f"warning: {difference}", file=sys.stderr)
    if sum(dropped.values()) > read["train"] / 2:
        print(
            f"warning: {sum(dropped.values()):,} of {read['train']:,} training pairs are dropped, "
            f"{_most_dropped(dropped)}",
            file=sys.stderr,
        )
    write_json(out / "report.json", report)
    for split, pairs in splits.items():
        print(_counts(split, len(pairs), report))


def _most_dropped(dropped: Mapping[str, int]) -> str:
    """Return the rule that drops most pairs, and how to loosen it."""
    rule = max(dropped, key=dropped.__getitem__)
    return f'most of them ({dropped[rule]:,}) as "{rule}"; to keep more, {LOOSENED_BY[rule]}'


def _counts(split: str, pairs: int, report: Mapping[str, Any]) -> str:
    """Return a one-line summary of a split."""
    parts = [f"{split}: {pairs:,} pairs"]
    if split == "train":
        parts[0] += f" of {report['read'][split]:,} read"
        parts += [f'{number:,} dropped as "{rule}"' for rule, number in report["dropped"].items()]
    parts += [
        f"{number:,} {language} lines composed (preparation.unicode: nfc)"
        for language, number in report["composed"].get(split, {}).items()
        if number
    ]
    return ", ".join(parts)


def cut_validation(pairs: Sequence[Pair], every: int) -> tuple[list[Pair], list[Pair]]:
    """Split off validation pairs: every `every`-th pair, counted from 1."""
    valid = list(pairs[every - 1 :: every])
    train = [pair for number, pair in enumerate(pairs, start=1) if number % every]
    return train, valid


def _read(
    config: DataConfig, raw: Path, split: str
) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """Return pairs of raw lines, composed, and the number of lines that this changed by language.

    An overlong word is an error, except in training data.
    """
    languages = config.corpus.source, config.corpus.target
    paths = [raw / f"{split}.{language}" for language in languages]
    as_given = read_pairs(*paths)
    texts = [compose(lines, config.preparation.unicode) for lines in as_given]
    pairs = list(zip(*texts, strict=True))
    if split != "train":
        for number, lines in enumerate(pairs, start=1):
            for path, long in zip(paths, _long_words(lines, config), strict=True):
                if long:
                    raise UserError(
                        f"{path}:{number}: a word has more than {LONGEST_WORD:,} characters; "
                        "correct the sentence or remove the pair"
                    )
    changed = {
        language: sum(map(ne, before, after))
        for language, before, after in zip(languages, as_given, texts, strict=True)
    }
    return pairs, changed


def _long_words(lines: tuple[str, str], config: DataConfig) -> list[bool]:
    """Return whether each side has an overlong word."""
    languages = config.corpus.source, config.corpus.target
    return [
        has_long_word(line, unspaced=is_unspaced(language) and not config.preparation.tokenised)
        for line, language in zip(lines, languages, strict=True)
    ]


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
                    f"validation and test take at most {LONGEST_SENTENCE:,}; split it if it is "
                    "several sentences"
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
        if split != "train" or config.preparation.reads_raw:
            raw = [text for _, text in lines]
            if config.preparation.tokenised:
                raw = detokenise(raw, language)
            write_lines(out / f"{split}.raw.{language}", raw)
        report["tokens"][language] = sum(len(text.split()) for text, _ in lines)
        report["sha256"][language] = sha256(path)
    return report
