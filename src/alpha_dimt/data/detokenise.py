"""Turn Moses tokens into plain text."""

import re
from collections.abc import Sequence

from alpha_dimt.data.unspaced import is_unspaced, join, moses_language

# Clause-final punctuation of Arabic, Indian, Armenian and Ethiopic scripts, which Moses ignores.
_CLOSING = re.compile(r" +(?=[،؛؟۔।॥։።፣፤])")


def detokenise(lines: Sequence[str], language: str) -> list[str]:
    """Undo Moses tokenisation and escapes (sacremoses), and join scripts without spaces."""
    from sacremoses import MosesDetokenizer

    detokeniser = MosesDetokenizer(lang=moses_language(language))
    plain = [_CLOSING.sub("", detokeniser.detokenize(line.split(" "))) for line in lines]
    return [join(line) for line in plain] if is_unspaced(language) else plain
