"""Translate new text: raw lines in, raw lines out, as they arrive."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

from alpha_dimt.config import RunConfig, load
from alpha_dimt.config.training import Decoding, Device
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import finite_json
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import UNK
from alpha_dimt.inference.decode import (
    Trained,
    hypothesis_text,
    load_trained,
    search_all,
)
from alpha_dimt.inference.search import Hypothesis
from alpha_dimt.machine.device import use_threads
from alpha_dimt.runs.paths import ModelFiles, beam_config_of, model_files

LONG = 200
"""Tokens from which a line is translated on its own; others would be padded to its length."""

LONGEST = 1_000
"""Maximum tokens of a line, or those that the model reads; the rest is ignored with a warning."""

BLOCK = 128
"""Lines that are translated together; a block is sorted by length."""

_READ = 2**16  # bytes


class Translation(NamedTuple):
    """One line and its translation.

    Attributes:
        source: line as received.
        source_tokens: tokens that the model reads.
        unknown: number of source tokens outside the vocabulary.
        tokens: tokens of the translation, subwords joined.
        translation: translation as plain text.
        cut: whether the end of the line was ignored.
    """

    source: str
    source_tokens: str
    unknown: int
    tokens: str
    translation: str
    cut: bool


@dataclass(frozen=True)
class Translator:
    """A trained run, ready to translate.

    Attributes:
        trained: trained run.
        decoding: configuration of the search.
    """

    trained: Trained
    decoding: Decoding

    @property
    def longest(self) -> int:
        """Maximum tokens of a line; `<s>` and `</s>` take two positions of the model."""
        positions = self.trained.config.model.longest()
        return LONGEST if positions is None else min(LONGEST, positions - 2)

    def translate(self, lines: Sequence[str]) -> list[Translation]:
        """Translate raw lines, each on its own; a blank line stays blank."""
        segmentation, target = self.trained.segmentation, self.trained.target
        words = [line.split(" ") if line else [] for line in segmentation.cut(lines)]
        filled = [i for i, tokens in enumerate(words) if tokens]
        read = [words[i][: self.longest] for i in filled]
        ids = [self.trained.source.encode(tokens) for tokens in read]
        found = self._search(ids)
        pieces = [
            hypothesis_text(
                hypothesis, tokens, target, replace_unknown=self.decoding.replace_unknown
            )
            for hypothesis, tokens in zip(found, read, strict=True)
        ]
        said, plain = segmentation.join(pieces), segmentation.text(pieces)
        result = [Translation(line, "", 0, "", "", cut=False) for line in lines]
        for row, i in enumerate(filled):
            result[i] = Translation(
                source=lines[i],
                source_tokens=" ".join(read[row]),
                unknown=ids[row].count(UNK),
                tokens=said[row],
                translation=plain[row],
                cut=len(words[i]) > self.longest,
            )
        return result

    def _search(self, ids: list[list[int]]) -> list[Hypothesis]:
        alone = self.decoding.model_copy(update={"batch_size": 1})
        found: dict[int, Hypothesis] = {}
        for decoding, rows in (
            (self.decoding, [i for i, row in enumerate(ids) if len(row) < LONG]),
            (alone, [i for i, row in enumerate(ids) if len(row) >= LONG]),
        ):
            sources = Ragged.from_rows([ids[i] for i in rows])
            hypotheses = search_all(self.trained.model, sources, decoding, self.trained.device)
            found.update(zip(rows, hypotheses, strict=True))
        return [found[i] for i in range(len(ids))]


def load_translator(files: ModelFiles, device: Device = "auto") -> Translator:
    """Load a translator.

    Args:
        files: files of the run.
        device: device to translate on.

    Raises:
        UserError: a file is missing, or the files do not belong together.
    """
    trained = load_trained(load(RunConfig, files.config), files, device)
    decoding = load(Decoding, files.decoding) if files.decoding else Decoding()
    return Translator(trained, decoding.within(trained.config.model.longest()))


def open_translator(
    run: Path, *, beam: int | None, threads: int, device: Device = "auto"
) -> Translator:
    """Load the translator of a run folder, which is self-contained.

    Args:
        run: run folder, results/{corpus}/runs/{system}/seed{seed} or a copy of it.
        beam: beam width; None for that of the experiment, or the default.
        threads: number of CPU threads.
        device: device to translate on.

    Raises:
        UserError: a file is missing, or does not belong to the run.
    """
    files = model_files(load(RunConfig, run / "config.json"), run)
    if not beam_config_of(run).exists():
        files = replace(files, decoding=None)
    use_threads(threads)
    translator = load_translator(files, device)
    if beam is None:
        return translator
    penalty = translator.decoding.length_penalty if beam > 1 else 0.0
    changes = {"beam": beam, "length_penalty": penalty}
    return replace(translator, decoding=translator.decoding.model_copy(update=changes))


def line_blocks(read: Callable[[int], bytes], size: int) -> Iterator[list[bytes]]:
    r"""Yield complete lines as soon as they arrive, in blocks of at most `size`.

    Lines end at "\n" only; a last line without one counts.

    Args:
        read: returns available bytes, blocking until there are some; b"" at the end.
        size: maximum number of lines per block.
    """
    rest = b""
    while data := read(_READ):
        *lines, rest = (rest + data).split(b"\n")
        for start in range(0, len(lines), size):
            yield lines[start : start + size]
    if rest:
        yield [rest]


def decode_line(raw: bytes, number: int) -> str:
    """Return a line as text, without a byte order mark or a trailing carriage return.

    Raises:
        UserError: the line is not UTF-8.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"standard input:{number}: invalid UTF-8 at byte {error.start} of the line; "
            "convert the text to UTF-8"
        ) from error
    return (text.removeprefix("\ufeff") if number == 1 else text).removesuffix("\r")


def translate_stream(
    translator: Translator,
    stdin: BinaryIO,
    stdout: BinaryIO,
    *,
    as_json: bool,
    block_done: Callable[[int], object],
) -> None:
    """Translate lines as they arrive, one line out for each line in.

    Args:
        translator: translator of a run.
        stdin: buffered stream of bytes (`read1`).
        stdout: output stream, flushed after every block.
        as_json: whether to write one JSON object per line.
        block_done: called after each block with its number of lines.

    Raises:
        UserError: a line is not UTF-8; the lines before its block are written.
    """
    number = 0
    for block in line_blocks(stdin.read1, BLOCK):  # type: ignore[attr-defined]
        lines = [decode_line(raw, number + i) for i, raw in enumerate(block, start=1)]
        found = translator.translate(lines)
        for i, one in enumerate(found, start=1):
            if one.cut:
                print(
                    f"warning: standard input:{number + i}: only the first "
                    f"{translator.longest:,} tokens are translated; give one sentence per line",
                    file=sys.stderr,
                )
        text = "".join(f"{_json(one) if as_json else one.translation}\n" for one in found)
        stdout.write(text.encode("utf-8"))
        stdout.flush()
        number += len(block)
        block_done(len(block))


def _json(translation: Translation) -> str:
    return finite_json(translation._asdict())
