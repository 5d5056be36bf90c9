"""Languages that are written without spaces: there, each character is a token.

A character is a letter with its marks. Words and numbers of other scripts stay whole.
"""

import regex

# ISO 639 codes: Chinese, Japanese, Thai, Lao, Khmer, Burmese, Shan, Mon, Tibetan, Dzongkha.
LANGUAGES = frozenset(
    [
        *("zh", "zho", "cmn", "yue", "wuu", "nan", "hak", "gan", "hsn", "lzh"),
        *("ja", "jpn", "th", "tha", "lo", "lao", "km", "khm", "my", "mya", "shn", "mnw"),
        *("bo", "bod", "dz", "dzo"),
    ]
)

_SCRIPTS = "".join(
    rf"\p{{Script_Extensions={name}}}"
    for name in (
        *("Han", "Hiragana", "Katakana", "Bopomofo", "Thai", "Lao", "Khmer", "Myanmar"),
        "Tibetan",
    )
)
_CHARACTER = regex.compile(rf"(?!\p{{Nd}})[{_SCRIPTS}]\p{{M}}*")
# Spaces beside these are removed: characters as above, and non-ASCII punctuation such as 。 and ！.
# Letters and digits of other scripts keep their spaces.
_NO_SPACE = rf"[{_SCRIPTS}[^\p{{ASCII}}\p{{L}}\p{{M}}\p{{N}}\s]]"
_SPACE = regex.compile(rf"(?V1)(?<={_NO_SPACE})\s+|\s+(?={_NO_SPACE})")


def is_unspaced(language: str) -> bool:
    """Return whether a language is written without spaces."""
    return language in LANGUAGES


def moses_language(language: str) -> str:
    """Return the language of the Moses rules to use: English for words inside unspaced text."""
    return "en" if is_unspaced(language) else language


def separate(text: str) -> str:
    """Return text with spaces around each character of a script without spaces."""
    return " ".join(_CHARACTER.sub(r" \g<0> ", text).split())


def join(text: str) -> str:
    """Return text without the spaces beside characters of a script without spaces."""
    return str(_SPACE.sub("", text)).strip()
