import gzip
import json
from pathlib import Path

from alpha_dimt.core.files import sha256

UPSTREAM = {"train": "train", "valid": "val", "test": "test_2016_flickr"}


def write_mirror(folder: Path) -> dict[str, str]:
    """Write a tiny corpus under Multi30k's file names; return checksums by name."""
    folder.mkdir()
    for name in UPSTREAM.values():
        for language, sentence in (("de", "Ein Hund läuft."), ("en", "A dog runs.")):
            path = folder / f"{name}.{language}.gz"
            path.write_bytes(gzip.compress(f"{sentence}\n".encode() * 5, mtime=0))
    return {path.name: sha256(path) for path in folder.iterdir()}


def test_another_mirror_fetches_nothing_again(make_workflow, tmp_path: Path):
    checksums = write_mirror(tmp_path / "it's a mirror")
    corpus = {"kind": "multi30k", "sha256": checksums}
    workflow = make_workflow({"corpus": corpus, "systems": {"ml": {"objective": "ml"}}})

    def mirrors(*places: object) -> tuple[str, str]:
        return "--config", f"corpus={json.dumps({'mirrors': list(map(str, places))})}"

    result = workflow.run("data", *mirrors(tmp_path / "gone", tmp_path / "it's a mirror"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert workflow.planned("data", *mirrors("http://127.0.0.1:1/other")) == {}
    assert workflow.planned("data") == {}
