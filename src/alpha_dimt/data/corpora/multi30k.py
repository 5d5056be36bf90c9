"""Multi30k task 1: raw captions, one gzip file per split and language."""

from collections.abc import Sequence
from pathlib import Path

from alpha_dimt.config.corpora import Multi30kCorpus
from alpha_dimt.core.errors import UserError
from alpha_dimt.data.aligned import read_pairs
from alpha_dimt.data.corpora import Sides
from alpha_dimt.data.download import Checks, fetch

NAMES = {"train": "train", "valid": "val", "test": "test_2016_flickr"}


def read(corpus: Multi30kCorpus, *, mirrors: Sequence[str], cache: Path) -> dict[str, Sides]:
    """Download the files; return the two sides of each split.

    Raises:
        UserError: a file has no checksum, cannot be downloaded, or is not aligned with the other.
    """
    splits: dict[str, Sides] = {}
    for split, upstream in NAMES.items():
        paths = []
        for language in (corpus.source, corpus.target):
            name = f"{upstream}.{language}.gz"
            if name not in corpus.sha256:
                raise UserError(f"{name}: corpus.sha256 has no checksum for it; add one")
            checks = Checks(sha256=corpus.sha256[name])
            paths.append(fetch(name, mirrors=mirrors, cache=cache, checks=checks))
        splits[split] = read_pairs(*paths)
    return splits
