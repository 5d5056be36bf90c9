"""Moses tokenisation by sacremoses, as the Perl scripts do it."""

from collections.abc import Sequence

from sacremoses import MosesPunctNormalizer, MosesTokenizer

from alpha_dimt.config import Preparation


def tokenise(lines: Sequence[str], language: str, preparation: Preparation) -> list[str]:
    """Return one line of tokens, separated by single spaces, for each raw line.

    The order is that of the Multi30k and MIXER scripts: lower-case (where `lowercase` is
    "before"), normalise punctuation, tokenise with Moses' escapes, lower-case ("after").
    """
    # Without `perl_parity`, sacremoses maps some quotation marks otherwise than the Perl script.
    normaliser = MosesPunctNormalizer(lang=language, perl_parity=True)
    tokeniser = MosesTokenizer(lang=language)
    result = []
    for text in lines:
        if preparation.lowercase == "before":
            text = text.lower()
        if preparation.normalise_punctuation:
            # Perl reads lines with their newline, which its rules for final quotes see.
            text = normaliser.normalize(text + "\n")
        # Joined anew: the rule for a final ".'" leaves a space at the end.
        text = " ".join(tokeniser.tokenize(text, escape=True))
        result.append(text.lower() if preparation.lowercase == "after" else text)
    return result
