"""Tokens and their ids."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_lines, write_lines

PAD, UNK, BOS, EOS = range(4)
SPECIALS = ("<pad>", "<unk>", "<s>", "</s>")


class Vocab:
    """A fixed two-way map between tokens and ids; ids 0 to 3 are pad, unk, bos and eos."""

    def __init__(self, words: Iterable[str]) -> None:
        """Build from the ordinary tokens, most frequent first; specials are put before them."""
        self.tokens: tuple[str, ...] = (*SPECIALS, *words)
        ids = {token: index for index, token in enumerate(self.tokens)}
        if len(ids) != len(self.tokens):
            token, _ = Counter(self.tokens).most_common(1)[0]
            raise UserError(f"the vocabulary lists {token!r} twice; list each token once")
        # Text must not map to a special: "</s>" within a sentence would end it.
        self._ids = {token: index for token, index in ids.items() if index >= len(SPECIALS)}

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Return ids; tokens outside the vocabulary or spelled like a special become UNK."""
        return [self._ids.get(token, UNK) for token in tokens]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return tokens for ids."""
        return [self.tokens[index] for index in ids]

    @classmethod
    def from_counts(
        cls, counts: Counter[str], *, size: int | None = None, min_frequency: int = 1
    ) -> "Vocab":
        """Build from counts: the `size` most frequent words seen at least `min_frequency` times.

        Ties are broken alphabetically, so the result does not depend on the order of the corpus.
        Words spelled like a special are left out and so become UNK.
        """
        kept = sorted(
            ((count, word) for word, count in counts.items() if word not in SPECIALS),
            key=lambda pair: (-pair[0], pair[1]),
        )
        return cls(word for count, word in kept[:size] if count >= min_frequency)

    def save(self, path: Path) -> None:
        """Write one token per line; the line number (from 0) is the id."""
        write_lines(path, self.tokens)

    @classmethod
    def load(cls, path: Path) -> "Vocab":
        """Read what `save` wrote.

        Raises:
            UserError: the file does not start with the four specials, or a line is blank, has a
                space or repeats an earlier one.
        """
        lines: Sequence[str] = read_lines(path)
        if tuple(lines[: len(SPECIALS)]) != SPECIALS:
            raise UserError(
                f"{path}:1: a vocabulary starts with {' '.join(SPECIALS)}, one per line; "
                "was this file made by `alpha-dimt encode`?"
            )
        first_line: dict[str, int] = {}
        for number, line in enumerate(lines, start=1):
            if not line or " " in line:
                raise UserError(
                    f"{path}:{number}: {line!r} is not a word; run `alpha-dimt encode` again"
                )
            if first_line.setdefault(line, number) != number:
                raise UserError(
                    f"{path}:{number}: the vocabulary lists {line!r} twice (also in line "
                    f"{first_line[line]}); run `alpha-dimt encode` again"
                )
        return cls(lines[len(SPECIALS) :])
