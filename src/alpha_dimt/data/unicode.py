"""One form for text that looks alike."""

from collections.abc import Sequence
from typing import Literal
from unicodedata import normalize


def compose(lines: Sequence[str], form: Literal["nfc", "as_is"] = "nfc") -> list[str]:
    """Return text in Unicode's composed form (NFC), or as it is.

    Zero-width spaces become spaces, and byte order marks that are not at the start of a file go.
    """
    if form == "as_is":
        return list(lines)
    return [normalize("NFC", line).replace("\u200b", " ").replace("\ufeff", "") for line in lines]
