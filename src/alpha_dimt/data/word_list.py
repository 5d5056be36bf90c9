"""A vocabulary provided by the user: one word per line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from alpha_dimt.config.preparation import Preparation
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.vocabulary import SPECIALS
from alpha_dimt.data.aligned import own_lines
from alpha_dimt.data.manifest import source_of
from alpha_dimt.data.unicode import compose


class WordList(NamedTuple):
    """A vocabulary provided by the user.

    Attributes:
        path: path of the file.
        words: words of the list.
    """

    path: Path
    words: list[str]

    def about(self, counts: Mapping[str, int]) -> dict[str, Any]:
        """Return the list's entry in a report; `counts` are word counts of the training text."""
        unused = sum(word not in counts for word in self.words)
        return source_of(self.path) | {"words": len(self.words), "unused": unused}


def read_word_list(path: Path, preparation: Preparation) -> WordList:
    """Read a list; its words are composed (NFC) if the text is.

    Raises:
        UserError: the file cannot be read or holds no word, or a line is blank, has a space, names
            a special token or repeats a word.
    """
    words: Sequence[str] = compose(own_lines(path), preparation.unicode)
    if not words:
        raise UserError(f"{path}: the file is empty; give one word per line")
    first_line: dict[str, int] = {}
    for number, word in enumerate(words, start=1):
        if problem := _problem(word, first_line.setdefault(word, number), number):
            raise UserError(f"{path}:{number}: {problem}")
    return WordList(path, list(words))


def _problem(word: str, first: int, number: int) -> str:
    if not word.strip():
        return "this line is blank; a list has one word per line"
    if len(word.split()) > 1 or word != word.strip():
        return f"{word!r} has a space; a list has one word per line, without counts or ids"
    if word in SPECIALS:
        return f"{word} is added to every vocabulary; remove the line"
    if first != number:
        return f"{word!r} is also in line {first}; remove one of them"
    return ""
