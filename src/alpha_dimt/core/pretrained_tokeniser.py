"""The tokeniser of a pretrained model of Hugging Face, in the words of this package.

Its ordinary pieces get the ids 4, 5, ... in the order of its own; its special ones become ours or
are left out.
"""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from transformers import AutoTokenizer

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.ragged import Ints
from alpha_dimt.core.special_ids import IdMap, SpecialIds
from alpha_dimt.core.vocabulary import SPECIALS, UNK, Vocab

NEVER = -1
"""Id of what has no counterpart: such a token is never read or predicted."""


class PretrainedTokeniser:
    """A tokeniser that cuts plain text into pieces, and joins them again."""

    def __init__(self, tokeniser: Any, name: Path) -> None:
        """Take the ids of a tokeniser apart.

        Args:
            tokeniser: of Hugging Face.
            name: where it comes from, for errors.

        Raises:
            UserError: it has no padding or no end of a sentence, or two vocabularies.
        """
        self._tokeniser = tokeniser
        if getattr(tokeniser, "separate_vocabs", False):
            raise UserError(
                f"{name}: source and target have separate vocabularies, which is not supported; "
                "choose a model with a shared one"
            )
        if tokeniser.pad_token_id is None or tokeniser.eos_token_id is None:
            raise UserError(
                f"{name}: this tokeniser has no padding or no end of a sentence; choose that of an "
                "encoder-decoder"
            )
        pieces = tokeniser.convert_ids_to_tokens(list(range(len(tokeniser))))
        odd = [id for id, piece in enumerate(pieces) if not _is_plain(piece)]
        special = SpecialIds(
            pad=tokeniser.pad_token_id,
            eos=tokeniser.eos_token_id,
            start=tokeniser.pad_token_id,
            unk=tokeniser.unk_token_id,
            others=tuple({*tokeniser.all_special_ids, *odd}),
        )
        try:
            self._map = IdMap(len(pieces), special)
        except ValueError as error:
            raise UserError(f"{name}: {error}; choose the tokeniser of another model") from error
        self._has_unknown = tokeniser.unk_token_id is not None
        ordinary = self._map.outside[len(SPECIALS) : self._map.words]
        self.vocab = Vocab(pieces[id] for id in ordinary.tolist())

    @property
    def ids(self) -> Ints:
        """The tokeniser's id of each of ours [V]; `NEVER` where there is none."""
        ids = self._map.outside[: self._map.words].copy()
        if not self._has_unknown:
            ids[UNK] = NEVER
        return ids

    def cut(self, lines: Sequence[str], *, source: bool) -> list[str]:
        """Cut lines of plain text into pieces with spaces between them.

        Args:
            lines: plain text.
            source: whether it is source text; Marian cuts both languages in their own ways.
        """
        if not lines:
            return []
        side = {"text" if source else "text_target": list(lines)}
        rows = self._tokeniser(**side, add_special_tokens=False, verbose=False)["input_ids"]
        return [" ".join(self.vocab.decode(self._inside(row))) for row in rows]

    def _inside(self, ids: Sequence[int]) -> list[int]:
        found = self._map.inside[np.asarray(ids, dtype=np.int64)]
        # Special ones within a sentence are unknown words.
        words = (found >= len(SPECIALS)) & (found < self._map.words)
        return [int(id) for id in np.where(words, found, UNK)]

    def join(self, lines: Sequence[str]) -> list[str]:
        """Return plain text for lines of pieces; unknown words disappear."""
        rows = [self.vocab.encode(line.split(" ")) if line else [] for line in lines]
        return [
            self._tokeniser.decode(
                [int(self._map.outside[id]) for id in row if id != UNK], skip_special_tokens=True
            ).strip()
            for row in rows
        ]

    def archive(self) -> bytes:
        """Return the files of the tokeniser in one archive, the same bytes for the same files."""
        content = io.BytesIO()
        with TemporaryDirectory() as folder, zipfile.ZipFile(content, "w") as archive:
            self._tokeniser.save_pretrained(folder)
            for path in sorted(Path(folder).iterdir()):
                # ZipInfo without a date: of 1980.
                archive.writestr(
                    zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_DEFLATED
                )
        return content.getvalue()


def _is_plain(piece: str | None) -> bool:
    """Return whether a piece can stand in a line of pieces."""
    return (
        bool(piece) and " " not in str(piece) and "\n" not in str(piece) and piece not in SPECIALS
    )


def load_tokeniser(folder: Path) -> PretrainedTokeniser:
    """Load a tokeniser from its folder; nothing is downloaded, and no code of others runs.

    Raises:
        UserError: the folder has none.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder")
    try:
        tokeniser = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # of many kinds
        reason = str(error).strip().split("\n")[0]
        raise UserError(
            f"{folder}: no tokeniser could be loaded from here ({reason}); "
            "tokenizer.save_pretrained(folder) writes one"
        ) from error
    return PretrainedTokeniser(tokeniser, folder)


def read_archive(path: Path) -> PretrainedTokeniser:
    """Load a tokeniser from the archive that a run keeps.

    Raises:
        UserError: the archive is missing or damaged.
    """
    with TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)
        except FileNotFoundError as error:
            raise UserError(
                f"{path}: there is no such file; `alpha-dimt encode` makes it"
            ) from error
        except (zipfile.BadZipFile, OSError) as error:
            raise UserError(
                f"{path}: this archive is damaged ({error}); run `alpha-dimt encode` again"
            ) from error
        return load_tokeniser(Path(folder))
