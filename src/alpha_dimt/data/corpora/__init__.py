"""Raw text of every kind of corpus: one sentence per line, {split}.{language}."""

from collections.abc import Sequence
from pathlib import Path

from alpha_dimt.config.corpora import CorpusConfig
from alpha_dimt.core.files import sha256, write_json, write_lines
from alpha_dimt.core.imports import imported
from alpha_dimt.data.manifest import source_of

# Source lines and target lines.
Sides = tuple[Sequence[str], Sequence[str]]


def write_raw(corpus: CorpusConfig, *, mirrors: Sequence[str], cache: Path, out: Path) -> None:
    """Write the raw text of a corpus and report.json.

    Args:
        corpus: what to write; its own `mirrors` do not count.
        mirrors: where downloaded corpora come from, tried in order.
        cache: folder that keeps downloads; verified files in it are used without the network.
        out: folder for {split}.{language}. Nothing is written unless every split can be read.

    Raises:
        UserError: a file cannot be fetched or read, or the two sides of a split are not aligned.
    """
    downloads = cache / corpus.kind.replace(":", ".")
    splits: dict[str, Sides] = imported(corpus.reader)(corpus, mirrors=mirrors, cache=downloads)
    files = {}
    for split, sides in splits.items():
        for language, lines in zip((corpus.source, corpus.target), sides, strict=True):
            path = out / f"{split}.{language}"
            write_lines(path, lines)
            files[path.name] = sha256(path)
    sources = [source_of(path) for path in corpus.files]
    report = {"config": corpus.fingerprint(), "files": files, "sources": sources}
    write_json(out / "report.json", report)
