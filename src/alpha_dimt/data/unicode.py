"""Unicode normalisation."""

from collections.abc import Sequence
from typing import Literal
from unicodedata import normalize


def compose(lines: Sequence[str], form: Literal["nfc", "as_is"] = "nfc") -> list[str]:
    """Return text in Unicode's composed form (NFC), or as it is.

    Zero-width spaces become spaces, and byte order marks inside a file are removed.
    """
    if form == "as_is":
        return list(lines)
    return [normalize("NFC", line).replace("\u200b", " ").replace("\ufeff", "") for line in lines]
