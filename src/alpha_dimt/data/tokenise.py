"""Moses tokenisation by sacremoses, as the Perl scripts do it."""

import re
import sys
import unicodedata
from collections.abc import Sequence
from functools import cache

from sacremoses import MosesPunctNormalizer, MosesTokenizer

from alpha_dimt.config.preparation import Preparation
from alpha_dimt.data.unicode import compose
from alpha_dimt.data.unspaced import is_unspaced, moses_language, separate

# As multi-bleu.perl and the reader of encoded text part tokens; other spaces stand inside them.
_BETWEEN_TOKENS = re.compile(r"[ \t\r\v\f]+")


def tokenise(lines: Sequence[str], language: str, preparation: Preparation) -> list[str]:
    """Return one line of tokens, separated by single spaces, for each raw line.

    The order is that of the Multi30k and MIXER scripts: lower-case (where `lowercase` is
    "before"), normalise punctuation, tokenise with Moses' escapes, lower-case ("after"). In a
    language without spaces each character is a token (module `unspaced`). Text that is tokenised
    already keeps its tokens.
    """
    lines = compose(lines, preparation.unicode)
    if preparation.tokenised:
        tokens = [_BETWEEN_TOKENS.sub(" ", line).strip(" ") for line in lines]
        return tokens if preparation.lowercase == "never" else [line.lower() for line in tokens]
    # Without `perl_parity`, sacremoses maps some quotation marks otherwise than the Perl script.
    normaliser = MosesPunctNormalizer(lang=moses_language(language), perl_parity=True)
    tokeniser = MosesTokenizer(lang=moses_language(language))
    if preparation.unicode == "nfc":
        tokeniser.PAD_NOT_ISALNUM = _pad_all_but(tokeniser.IsAlnum), r" \1 "
    result = []
    for text in lines:
        if preparation.lowercase == "before":
            text = text.lower()
        if preparation.normalise_punctuation:
            # Perl reads lines with their newline, which its rules for final quotes see.
            text = normaliser.normalize(text + "\n")
        if is_unspaced(language):
            text = separate(text)
        # Joined again: the rule for a final ".'" leaves a space at the end.
        text = " ".join(tokeniser.tokenize(text, escape=True))
        result.append(text.lower() if preparation.lowercase == "after" else text)
    return result


@cache
def _pad_all_but(letters: str) -> re.Pattern[str]:
    """Return what Moses puts spaces around, given its alphabet; marks are part of it here.

    Perl's alphabet lacks the marks that have no composed letter, so that Yoruba's "ọ̀" would be cut
    in two; and the zero-width joiners that stand between letters in Persian and Indian scripts.
    """
    marks = "".join(
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character).startswith("M")
    )
    joiners = "\u200c\u200d"
    return re.compile(
        rf"([^{letters}{marks}{joiners}\s\.'\`\,\-]"
        rf"|(?<![{letters}{marks}])[{joiners}]|[{joiners}](?![{letters}{marks}]))"
    )
