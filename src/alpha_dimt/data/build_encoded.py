"""Build vocabularies and Arrow files from tokenised text."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from alpha_dimt.config import DataConfig
from alpha_dimt.config.preparation import BpeConfig, PretrainedConfig, WordsConfig
from alpha_dimt.config.pretrained import TOKENISER, positions_in
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import atomic_path, sha256, write_json, write_lines
from alpha_dimt.core.vocabulary import SPECIALS, UNK, Vocab
from alpha_dimt.data.aligned import read_pairs
from alpha_dimt.data.manifest import check_stage, source_of
from alpha_dimt.data.segmentation import PretrainedSegmentation
from alpha_dimt.data.subword import count_words, learn_codes, segment
from alpha_dimt.data.word_list import WordList, read_word_list

if TYPE_CHECKING:
    from alpha_dimt.core.pretrained_tokeniser import PretrainedTokeniser

SPLITS = ("train", "valid", "test")
# Positions in a sentence, including its frame, are 16-bit integers in candidate files.
LONGEST = 2**15 - 3

# Ids exclude <s> and </s>; texts hold exactly the tokens behind the ids, unknown words included.
SCHEMA = pa.schema(
    {
        "source": pa.list_(pa.int32()),
        "target": pa.list_(pa.int32()),
        "source_text": pa.string(),
        "target_text": pa.string(),
    }
)


def encode_corpus(config: DataConfig, *, text: Path, out: Path) -> None:
    """Write vocab.{language}.txt, {split}.arrow, report.json, and codes or a tokeniser.

    Vocabularies and codes are learned from the training text only, or are the user's lists, or
    those of a pretrained tokeniser, which cuts the raw lines.

    Raises:
        UserError: a text is missing, the sides of a split are not aligned, a line is not a sequence
            of tokens, a list is not one word per line, or a vocabulary would have no word.
    """
    languages = config.corpus.source, config.corpus.target
    lists = _read_lists(config)
    raw = ".raw" if config.preparation.reads_raw else ""
    names = [f"{split}{raw}.{language}" for split in SPLITS for language in languages]
    made_from = {name: sha256(text / name) for name in names if (text / name).is_file()}
    check_stage(text, "tokenise", config, made_from)
    texts: dict[str, dict[str, list[str]]] = {}
    for split in SPLITS:
        paths = [text / f"{split}{raw}.{language}" for language in languages]
        both = read_pairs(*paths)
        if not raw:
            for path, lines in zip(paths, both, strict=True):
                _check_tokens(path, lines)
        texts[split] = dict(zip(languages, both, strict=True))

    vocabulary = config.preparation.vocabulary
    pretrained = _pretrained(config)
    if pretrained:
        texts = {
            split: dict(zip(languages, _cut(pretrained, sides.values(), text, split), strict=True))
            for split, sides in texts.items()
        }
    codes = _codes(texts["train"], vocabulary) if isinstance(vocabulary, BpeConfig) else {}
    if codes:
        texts = {
            split: {language: segment(lines, codes[language]) for language, lines in sides.items()}
            for split, sides in texts.items()
        }
    for split, sides in texts.items():
        for language, lines in sides.items():
            path = text / f"{split}{raw}.{language}"
            _check_lengths(path, lines)
            # The model reads all but the target of the test, which is for the metrics alone.
            if pretrained and (split, language) != ("test", languages[1]):
                _check_positions(path, lines, config)

    counts = {language: count_words(texts["train"][language]) for language in languages}
    vocabs = {
        language: Vocab(lists[language].words)
        if language in lists
        else pretrained.tokeniser.vocab
        if pretrained
        else _vocab(counts[language], vocabulary, source=language == languages[0])
        for language in languages
    }
    for language, vocab in vocabs.items():
        _check_words(text / f"train.{language}", vocab, counts[language])
    for language, lines in codes.items():
        write_lines(out / f"codes.{language}.txt", lines)
    report: dict[str, Any] = {
        "config": config.fingerprint(),
        "made_from": made_from,
        "vocabularies": {},
        "splits": {},
    }
    if pretrained:
        report["tokeniser"] = _keep_tokeniser(config, pretrained.tokeniser, out)
    for language, vocab in vocabs.items():
        path = out / f"vocab.{language}.txt"
        vocab.save(path)
        report["vocabularies"][language] = {"size": len(vocab), "sha256": sha256(path)}
        if language in lists:
            about = lists[language].about(counts[language])
            report["vocabularies"][language]["list"] = about
            print(
                f"{language}: {about['words']:,} words of {about['path']}, "
                f"{about['unused']:,} of them not in the training text"
            )
    for split, sides in texts.items():
        report["splits"][split] = _write_split(out / f"{split}.arrow", sides, vocabs)
    write_json(out / "report.json", report)


def _read_lists(config: DataConfig) -> dict[str, WordList]:
    """Return the user's lists by language; called first, so that errors come early."""
    vocabulary = config.preparation.vocabulary
    if not isinstance(vocabulary, WordsConfig):
        return {}
    return {
        language: read_word_list(path, config.preparation)
        for language, path in (
            (config.corpus.source, vocabulary.source_list),
            (config.corpus.target, vocabulary.target_list),
        )
        if path is not None
    }


def _pretrained(config: DataConfig) -> PretrainedSegmentation | None:
    """Return the segmentation of a pretrained tokeniser, if the configuration names one."""
    vocabulary = config.preparation.vocabulary
    if not isinstance(vocabulary, PretrainedConfig):
        return None
    # Hugging Face's library takes seconds to import.
    from alpha_dimt.core.pretrained_tokeniser import load_tokeniser

    return PretrainedSegmentation(config, load_tokeniser(vocabulary.path))


def _cut(
    pretrained: PretrainedSegmentation, sides: Iterable[list[str]], text: Path, split: str
) -> Iterator[list[str]]:
    """Yield the pieces of both sides of a split; a blank side has none."""
    sources, targets = sides
    corpus = pretrained.data.corpus
    for language, pieces in (
        (corpus.source, pretrained.cut(sources)),
        (corpus.target, pretrained.tokeniser.cut(targets, source=False)),
    ):
        if "" in pieces:
            raise UserError(
                f"{text / f'{split}.raw.{language}'}:{pieces.index('') + 1}: the tokeniser makes "
                "nothing of this line; remove the pair"
            )
        yield pieces


def _keep_tokeniser(
    config: DataConfig, tokeniser: "PretrainedTokeniser", out: Path
) -> list[dict[str, Any]]:
    """Write the tokeniser for runs to keep, and return the records of its files."""
    vocabulary = config.preparation.vocabulary
    assert isinstance(vocabulary, PretrainedConfig)
    with atomic_path(out / TOKENISER) as temporary:
        temporary.write_bytes(tokeniser.archive())
    return [source_of(path) for path in vocabulary.files]


def _check_words(train: Path, vocab: Vocab, counts: Counter[str]) -> None:
    """Check that the vocabulary has a word of the training text.

    Raises:
        UserError: all words of the text would be unknown.
    """
    if counts.keys().isdisjoint(vocab.tokens[len(SPECIALS) :]):
        word, most = counts.most_common(1)[0]
        raise UserError(
            f"{train}: no word of this text would be in the vocabulary (the most frequent, "
            f"{word!r}, occurs {most:,} times); lower preparation.vocabulary.min_frequency, give "
            "more text or another list"
        )


def _check_tokens(path: Path, lines: Sequence[str]) -> None:
    for number, line in enumerate(lines, start=1):
        if "" in line.split(" "):
            raise UserError(
                f"{path}:{number}: a line must be one or more tokens with single spaces between "
                "them; `alpha-dimt tokenise` writes such text"
            )


def _check_lengths(path: Path, lines: Sequence[str]) -> None:
    for number, line in enumerate(lines, start=1):
        if (tokens := line.count(" ") + 1) > LONGEST:
            raise UserError(
                f"{path}:{number}: this sentence has {tokens:,} tokens, more than the limit of "
                f"{LONGEST:,}; remove the pair"
            )


def _check_positions(path: Path, lines: Sequence[str], config: DataConfig) -> None:
    """Check that the model beside a pretrained tokeniser can read all lines.

    Here rather than in training, which does not see the test. The configuration of the data does
    not say whether it is this model that is trained, so the error has a way out for others.
    """
    vocabulary = config.preparation.vocabulary
    assert isinstance(vocabulary, PretrainedConfig)
    longest = positions_in(vocabulary.path)
    for number, line in enumerate(lines, start=1):
        tokens = line.count(" ") + 1
        if longest is not None and tokens + 2 > longest:
            raise UserError(
                f"{path}:{number}: this sentence has {tokens:,} tokens, but the model in "
                f"{vocabulary.path} reads at most {longest - 2:,}; shorten it, remove the pair, or "
                "lower preparation.max_length if it is one of training; to train another model, "
                "take the tokeniser from a folder without config.json"
            )


def _codes(train: Mapping[str, list[str]], config: BpeConfig) -> dict[str, list[str]]:
    if config.joint:
        both = learn_codes([line for lines in train.values() for line in lines], config.operations)
        return dict.fromkeys(train, both)
    return {language: learn_codes(lines, config.operations) for language, lines in train.items()}


def _vocab(
    counts: Counter[str], config: WordsConfig | BpeConfig | PretrainedConfig, *, source: bool
) -> Vocab:
    if not isinstance(config, WordsConfig):
        return Vocab.from_counts(counts)
    size = config.source_size if source else config.target_size
    return Vocab.from_counts(counts, size=size, min_frequency=config.min_frequency)


def _write_split(
    path: Path, sides: Mapping[str, list[str]], vocabs: Mapping[str, Vocab]
) -> dict[str, Any]:
    ids = {
        language: [vocabs[language].encode(line.split(" ")) for line in lines]
        for language, lines in sides.items()
    }
    table = pa.Table.from_arrays(
        [
            *(pa.array(rows, pa.list_(pa.int32())) for rows in ids.values()),
            *(pa.array(lines, pa.string()) for lines in sides.values()),
        ],
        schema=SCHEMA,
    )
    # One uncompressed record batch, so that readers can memory-map it without a copy.
    with (
        atomic_path(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, SCHEMA) as writer,
    ):
        writer.write_table(table)
    tokens = {language: sum(map(len, rows)) for language, rows in ids.items()}
    unknown = {
        language: sum(row.count(UNK) for row in rows) / tokens[language]
        for language, rows in ids.items()
    }
    return {
        "pairs": table.num_rows,
        "tokens": tokens,
        "unknown_rate": unknown,
        "sha256": sha256(path),
    }
