"""Raw text of every kind of corpus: one sentence a line, {split}.{language}."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from alpha_dimt.config import (
    Corpus,
    FilesCorpus,
    Iwslt14Corpus,
    Multi30kCorpus,
    OneTable,
    ToyCorpus,
    TwoFiles,
)
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import decode_lines, sha256, write_json, write_lines
from alpha_dimt.data import iwslt14
from alpha_dimt.data.aligned import check_aligned, own_lines, read_pairs
from alpha_dimt.data.archive import read_members
from alpha_dimt.data.download import Checks, fetch
from alpha_dimt.data.manifest import source_of
from alpha_dimt.data.table import read_table
from alpha_dimt.data.toy.corpus import draw_corpus

# Source lines and target lines.
Sides = tuple[Sequence[str], Sequence[str]]

_MULTI30K_NAMES = {"train": "train", "valid": "val", "test": "test_2016_flickr"}


def write_raw(corpus: Corpus, *, mirrors: Sequence[str], cache: Path, out: Path) -> None:
    """Write the raw text of a corpus and report.json; IWSLT'14 has no validation text of its own.

    Args:
        corpus: what to write; its own `mirrors` do not count.
        mirrors: where downloaded corpora come from, tried in order.
        cache: folder that keeps downloads; verified files in it are used without the network.
        out: folder for {split}.{language}. Nothing is written unless every split can be read.

    Raises:
        UserError: a file cannot be fetched or read, or the two sides of a split are not aligned.
    """
    match corpus:
        case ToyCorpus():
            splits = _toy(corpus)
        case Multi30kCorpus():
            splits = _multi30k(corpus, mirrors, cache / corpus.kind)
        case Iwslt14Corpus():
            splits = _iwslt14(corpus, mirrors, cache / corpus.kind)
        case FilesCorpus():
            splits = _files(corpus)
    files = {}
    for split, sides in splits.items():
        for language, lines in zip((corpus.source, corpus.target), sides, strict=True):
            path = out / f"{split}.{language}"
            write_lines(path, lines)
            files[path.name] = sha256(path)
    sources = [source_of(path) for path in corpus.files]
    report = {"config": corpus.fingerprint(), "files": files, "sources": sources}
    write_json(out / "report.json", report)


def _toy(corpus: ToyCorpus) -> Mapping[str, Sides]:
    return {
        split: ([source for source, _ in pairs], [target for _, target in pairs])
        for split, pairs in draw_corpus(corpus).items()
    }


def _multi30k(corpus: Multi30kCorpus, mirrors: Sequence[str], cache: Path) -> Mapping[str, Sides]:
    splits = {}
    for split, upstream in _MULTI30K_NAMES.items():
        paths = []
        for language in (corpus.source, corpus.target):
            name = f"{upstream}.{language}.gz"
            if name not in corpus.sha256:
                raise UserError(f"{name}: corpus.sha256 has no checksum for it; add one")
            checks = Checks(sha256=corpus.sha256[name])
            paths.append(fetch(name, mirrors=mirrors, cache=cache, checks=checks))
        splits[split] = read_pairs(*paths)
    return splits


def _iwslt14(corpus: Iwslt14Corpus, mirrors: Sequence[str], cache: Path) -> Mapping[str, Sides]:
    checks = Checks(size=corpus.size, md5=corpus.md5)
    path = fetch(corpus.archive, mirrors=mirrors, cache=cache, checks=checks)
    pair = corpus.source, corpus.target
    train_names = [iwslt14.training_member(*pair, language) for language in pair]
    test_names = [iwslt14.test_members(*pair, language) for language in pair]
    contents = read_members(path, [*train_names, *test_names[0], *test_names[1]])
    texts = {name: decode_lines(content, f"{path}/{name}") for name, content in contents.items()}

    train = [iwslt14.training_segments(texts[name]) for name in train_names]
    check_aligned(train[0], train[1], *(f"{path}/{name}" for name in train_names))
    test: tuple[list[str], list[str]] = ([], [])
    for names in zip(*test_names, strict=True):
        segments = [iwslt14.test_segments(texts[name], f"{path}/{name}") for name in names]
        check_aligned(segments[0], segments[1], *(f"{path}/{name}" for name in names))
        for lines, more in zip(test, segments, strict=True):
            lines.extend(more)
    return {"train": (train[0], train[1]), "test": test}


def _files(corpus: FilesCorpus) -> Mapping[str, Sides]:
    splits = {}
    for split, files in (("train", corpus.train), ("valid", corpus.valid), ("test", corpus.test)):
        if isinstance(files, TwoFiles):
            sides: Sides = _two_files(files)
        else:
            sides = read_table(files, source=corpus.source, target=corpus.target)
        if split != "train":
            _check_not_blank(files, sides)
        splits[split] = sides
    return splits


def _two_files(files: TwoFiles) -> Sides:
    source, target = own_lines(files.source), own_lines(files.target)
    check_aligned(source, target, files.source, files.target)
    return source, target


def _check_not_blank(files: TwoFiles | OneTable, sides: Sides) -> None:
    names = (files.source, files.target) if isinstance(files, TwoFiles) else (files.tsv,) * 2
    first = 2 if isinstance(files, OneTable) and files.header else 1
    for name, lines in zip(names, sides, strict=True):
        for number, line in enumerate(lines, start=first):
            if not line.strip():
                raise UserError(
                    f"{name}:{number}: this sentence is blank; "
                    "validation and test need a sentence on both sides of every line"
                )
