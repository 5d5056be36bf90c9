"""Moses tokenisation with sacremoses, equal to the Perl scripts."""

import re
import sys
import unicodedata
from collections.abc import Sequence
from functools import cache

from sacremoses import MosesPunctNormalizer, MosesTokenizer

from alpha_dimt.config.preparation import Preparation
from alpha_dimt.data.unicode import compose
from alpha_dimt.data.unspaced import is_unspaced, moses_language, separate

# Whitespace that separates tokens in multi-bleu.perl and in encoded text; other spaces are part of
# tokens.
_BETWEEN_TOKENS = re.compile(r"[ \t\r\v\f]+")


def tokenise(lines: Sequence[str], language: str, preparation: Preparation) -> list[str]:
    """Return one line of tokens, separated by single spaces, for each raw line.

    The order is that of the Multi30k and MIXER scripts: lower-case (if `lowercase` is "before"),
    normalise punctuation, tokenise with Moses' escapes, lower-case ("after"). In a language without
    spaces each character is a token (module `unspaced`). Text that is already tokenised keeps its
    tokens.
    """
    lines = compose(lines, preparation.unicode)
    if preparation.tokenised:
        tokens = [_BETWEEN_TOKENS.sub(" ", line).strip(" ") for line in lines]
        return tokens if preparation.lowercase == "never" else [line.lower() for line in tokens]
    # Without `perl_parity`, sacremoses maps some quotation marks differently from the Perl script.
    normaliser = MosesPunctNormalizer(lang=moses_language(language), perl_parity=True)
    tokeniser = MosesTokenizer(lang=moses_language(language))
    if preparation.unicode == "nfc":
        tokeniser.PAD_NOT_ISALNUM = _pad_all_but(tokeniser.IsAlnum), r" \1 "
    result = []
    for text in lines:
        if preparation.lowercase == "before":
            text = text.lower()
        if preparation.normalise_punctuation:
            # Perl's lines include their newline, which its rules for final quotes depend on.
            text = normaliser.normalize(text + "\n")
        if is_unspaced(language):
            text = separate(text)
        # Split and joined again, since the rule for a final ".'" leaves a trailing space.
        text = " ".join(tokeniser.tokenize(text, escape=True))
        result.append(text.lower() if preparation.lowercase == "after" else text)
    return result


@cache
def _pad_all_but(letters: str) -> re.Pattern[str]:
    """Return the pattern of characters that Moses pads, given its alphabet extended by marks.

    Perl's alphabet lacks marks without a composed letter, so Yoruba's "ọ̀" would be split in two;
    and it lacks the zero-width joiners between letters of Persian and Indian scripts.
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
