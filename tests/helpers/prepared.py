"""Records of stages, for corpora and runs that a test writes by hand."""

from pathlib import Path

from alpha_dimt.config import DataConfig, RunConfig
from alpha_dimt.core.files import sha256, write_json
from alpha_dimt.runs.paths import model_files


def note_encoded(encoded: Path, config: DataConfig) -> None:
    """Write the report.json of the vocabularies and splits in a folder."""
    corpus = config.corpus
    splits = {path.stem: {"sha256": sha256(path)} for path in encoded.glob("*.arrow")}
    vocabularies = {
        language: {"sha256": sha256(encoded / f"vocab.{language}.txt")}
        for language in (corpus.source, corpus.target)
    }
    report = {"config": config.fingerprint(), "splits": splits, "vocabularies": vocabularies}
    write_json(encoded / "report.json", report)


def note_trained(run: Path, config: RunConfig) -> None:
    """Write the run.json of the weights and vocabularies in a run folder."""
    parts = model_files(config, run).parts()
    files = {name: sha256(path) for name, path in parts.items()}
    write_json(run / "run.json", {"run_key": config.fingerprint(), "files": files})
