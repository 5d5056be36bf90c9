"""Score files: print as multi-bleu.perl does, or write JSON with definitions and signatures."""

import dataclasses
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import (
    decode_lines,
    finite_json,
    read_lines,
    sha256,
    write_json,
)
from alpha_dimt.data.unspaced import is_unspaced
from alpha_dimt.evaluation.metrics import detokenised_scores, multi_bleu, sentence_statistics
from alpha_dimt.runs.paths import record_of

STDIN = Path("-")
"""The name of standard input among files."""


@dataclass(frozen=True)
class Text:
    """A text file: its path as given, its lines and its SHA-256."""

    path: Path
    lines: list[str]
    sha256: str

    def identity(self) -> dict[str, Any]:
        """Return the file's entry in a report: path, SHA-256, number of lines."""
        return {"path": str(self.path), "sha256": self.sha256, "lines": len(self.lines)}


def print_scores(reference: Path, hypotheses: Sequence[Path], *, as_json: bool) -> None:
    """Print multi-bleu of each file of hypotheses (plain or .gz text, tokenised; STDIN).

    Nothing is printed before all files have been read and checked.

    Raises:
        UserError: a file is missing, empty or not text, or the numbers of lines differ.
    """
    references = _read(reference)
    texts = [_read(path) for path in hypotheses]
    for text in texts:
        _check_aligned(text, references)
    scores = [multi_bleu(text.lines, references.lines) for text in texts]
    if as_json:
        document = {
            "reference": references.identity(),
            "hypotheses": [
                {**text.identity(), "multi_bleu": dataclasses.asdict(score)}
                for text, score in zip(texts, scores, strict=True)
            ],
        }
        print(finite_json(document, indent=2))
        return
    for text, score in zip(texts, scores, strict=True):
        print(f"{text.path}: {score}")
    print(f"definition: {scores[0].definition}; {scores[0].signature}")


def evaluate_file(
    hypotheses: Path,
    *,
    tokenised: Path,
    raw: Path,
    language: str,
    lowercase: bool,
    out: Path,
    detokenised_reference: bool = False,
) -> None:
    """Write every score of a file of hypotheses as JSON, each with its definition.

    Args:
        hypotheses: tokenised text, one sentence per line.
        tokenised: reference tokenised in the same way; for multi-bleu.
        raw: reference as published; for sacreBLEU, chrF and TER.
        language: ISO 639 code of the text.
        lowercase: whether `hypotheses` and `tokenised` are lower-case.
        out: JSON file.
        detokenised_reference: whether `raw` was made from tokens, because the corpus has nothing
            else (`preparation.tokenised`).

    Raises:
        UserError: a file is missing, empty or not text, the numbers of lines differ, or `out` is
            the file for the record of the translations.
    """
    if out.resolve() == record_of(hypotheses).resolve():
        raise UserError(
            f"{out}: this is the file for the record of {hypotheses}; name another file for the "
            "scores"
        )
    text, reference, raw_reference = _read(hypotheses), _read(tokenised), _read(raw)
    _check_aligned(text, reference)
    _check_aligned(text, raw_reference)
    made = translated(hypotheses, text)
    scores = {
        "multi_bleu": multi_bleu(
            text.lines,
            reference.lines,
            lowercased=lowercase,
            characters=is_unspaced(language) and not detokenised_reference,
        ),
        **detokenised_scores(
            text.lines,
            raw_reference.lines,
            language=language,
            lowercased=lowercase,
            detokenised_reference=detokenised_reference,
        ),
    }
    write_json(
        out,
        {
            "hypotheses": text.identity(),
            "translated": made,
            "references": {"tokenised": reference.identity(), "raw": raw_reference.identity()},
            "scores": {key: dataclasses.asdict(score) for key, score in scores.items()},
        },
    )


def translated(hypotheses: Path, text: Text) -> dict[str, Any] | None:
    """Return the record that `decode` wrote beside its translations; None for other text.

    A file of this name that is no such record counts as none.

    Raises:
        UserError: the translations have changed since.
    """
    path = record_of(hypotheses)
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    if not (isinstance(record, dict) and {"run_key", "decoding"} <= record.keys()):
        return None
    if record.get("hypotheses") != text.sha256:
        raise UserError(
            f"{hypotheses}: this is not the text that {path.name} beside it describes; decode again"
        )
    return record


def statistics_of(hypotheses: Path, reference: Path) -> npt.NDArray[np.float64]:
    """Return the BLEU statistics of each sentence, see `metrics.sentence_statistics`.

    Raises:
        UserError: a file is missing, empty or not text, or the numbers of lines differ.
    """
    text, references = _read(hypotheses), _read(reference)
    _check_aligned(text, references)
    return sentence_statistics(text.lines, references.lines)


def _check_aligned(hypotheses: Text, references: Text) -> None:
    if len(hypotheses.lines) != len(references.lines):
        raise UserError(
            f"{hypotheses.path} has {len(hypotheses.lines)} lines and {references.path} has "
            f"{len(references.lines)}; line n of one must be the translation of line n of the other"
        )


def _read(path: Path) -> Text:
    if path == STDIN:
        raw = sys.stdin.buffer.read()
        lines, checksum = decode_lines(raw, Path("standard input")), hashlib.sha256(raw).hexdigest()
    elif path.suffix == ".gz":
        lines, checksum = read_lines(path), sha256(path)
    else:
        raw = _bytes(path)
        lines, checksum = decode_lines(raw, path), hashlib.sha256(raw).hexdigest()
    if not lines:
        raise UserError(f"{path}: the file is empty; give one sentence per line")
    return Text(path, lines, checksum)


def _bytes(path: Path) -> bytes:
    """Return the content of a file, which may be a pipe: it is read once."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error
