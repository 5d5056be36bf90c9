"""Corpus scores with their definitions, computed by sacreBLEU.

`multi_bleu` is the paper's metric; the others score detokenised text against the raw references,
as is usual today. All values are percentages; only for TER is lower better. For a language without
spaces, the tokens of `multi_bleu` and TER are characters, and the other scores use sacreBLEU's
tokeniser for that language.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sacrebleu.metrics import BLEU, CHRF, TER

from alpha_dimt.data.detokenise import detokenise
from alpha_dimt.data.unicode import compose
from alpha_dimt.data.unspaced import is_unspaced, join, separate
from alpha_dimt.evaluation.tokeniser import tokeniser_of

# multi-bleu.perl reads bytes, so it splits at ASCII whitespace only; Python, and hence sacreBLEU,
# also splits at these. They occur inside real tokens, so they are replaced one to one by
# private-use characters before sacreBLEU sees them.
_NOT_SPACE = "\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    chr(code) for code in range(0x2000, 0x200B)
)
_PROTECT = {ord(character): 0xF0000 + ord(character) for character in _NOT_SPACE}

_CHARACTERS = "each character of a script without spaces is"
_CASES = {True: "lower-cased", False: "cased", None: "text as given"}


@dataclass(frozen=True)
class Score:
    """A corpus score.

    Attributes:
        metric: short name of the metric.
        value: score, a percentage.
        definition: description of the compared texts.
        signature: sacreBLEU's signature of the computation.
    """

    metric: str
    value: float
    definition: str
    signature: str


@dataclass(frozen=True)
class BleuScore(Score):
    """A BLEU score and its parts.

    Attributes:
        precisions: precisions of 1- to 4-grams, percentages.
        brevity_penalty: exp(1 - ref_len / hyp_len), at most 1.
        ratio: hyp_len / ref_len.
        hyp_len: number of tokens in the hypotheses.
        ref_len: number of tokens in the references.
    """

    precisions: tuple[float, float, float, float]
    brevity_penalty: float
    ratio: float
    hyp_len: int
    ref_len: int

    def __str__(self) -> str:
        """Return the line that multi-bleu.perl prints."""
        precisions = "/".join(f"{precision:.1f}" for precision in self.precisions)
        return (
            f"BLEU = {self.value:.2f}, {precisions} (BP={self.brevity_penalty:.3f}, "
            f"ratio={self.ratio:.3f}, hyp_len={self.hyp_len}, ref_len={self.ref_len})"
        )


def multi_bleu(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    lowercased: bool | None = None,
    characters: bool = False,
) -> BleuScore:
    """Score tokenised text as multi-bleu.perl does (Papineni et al., 2002; Moses).

    No re-tokenisation, no case folding, no smoothing; tokens are separated by ASCII whitespace.

    Args:
        hypotheses: N tokenised sentences.
        references: N tokenised sentences.
        lowercased: case that the definition states; None to state none.
        characters: whether the definition states that the tokens are characters.

    Raises:
        ValueError: there are no sentences, or the numbers of sentences differ.
    """
    return _bleu(
        BLEU(tokenize="none", smooth_method="none", force=True),
        [line.translate(_PROTECT) for line in hypotheses],
        [line.translate(_PROTECT) for line in references],
        name="multi-bleu",
        definition=f"multi-bleu, tokenised {_CASES[lowercased]}"
        + (f"; {_CHARACTERS} a token" if characters else ""),
    )


def sentence_statistics(
    hypotheses: Sequence[str], references: Sequence[str]
) -> npt.NDArray[np.float64]:
    """Return the statistics of `multi_bleu` for each sentence.

    Args:
        hypotheses: N tokenised sentences.
        references: N tokenised sentences.

    Returns:
        [N, 10] counts: tokens of the hypothesis, tokens of the reference, matched 1- to 4-grams,
        all 1- to 4-grams of the hypothesis. `bleu_of` scores the sum of any rows.
    """
    metric = BLEU(tokenize="none", smooth_method="none", force=True, effective_order=True)
    rows = []
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        score = metric.sentence_score(
            hypothesis.translate(_PROTECT), [reference.translate(_PROTECT)]
        )
        rows.append([score.sys_len, score.ref_len, *score.counts, *score.totals])
    return np.array(rows, dtype=np.float64).reshape(-1, 10)


def bleu_of(statistics: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return BLEU (percentages, no smoothing) of summed statistics.

    Args:
        statistics: [..., 10] sums of rows of `sentence_statistics`.

    Returns:
        [...].
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        log_precision = np.log(statistics[..., 2:6] / statistics[..., 6:10]).mean(axis=-1)
        log_penalty = np.minimum(0, 1 - statistics[..., 1] / statistics[..., 0])
        # NaN: nothing matched, or no hypothesis is long enough for a 4-gram.
        bleu = 100 * np.exp(log_precision + log_penalty)
    return np.where(np.isnan(bleu), 0.0, bleu)


def detokenised_scores(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    language: str,
    lowercased: bool,
    detokenised_reference: bool = False,
) -> dict[str, Score]:
    """Return sacreBLEU, chrF2 and TER of detokenised hypotheses.

    Both sides are compared in Unicode's composed form (NFC). In a language without spaces, spaces
    beside its characters are ignored.

    Args:
        hypotheses: N sentences in Moses tokens, with its escapes; they are detokenised here.
        references: N raw sentences, as published.
        language: ISO 639 code of the text.
        lowercased: whether the hypotheses are lower-case; if so, case is ignored.
        detokenised_reference: whether the references were detokenised too, because the corpus
            consists of tokens only; the definition states it.

    Raises:
        ValueError: there are no sentences, or the numbers of sentences differ.
    """
    plain, references = compose(detokenise(hypotheses, language)), compose(references)
    reference = "detokenised reference" if detokenised_reference else "raw reference"
    case = "case ignored" if lowercased else "case counts"
    definition = f"{{}}, detokenised against the {reference}, {case}"
    tokeniser, reason = tokeniser_of(language)
    words = "" if tokeniser == "13a" else f", tokeniser {tokeniser}"
    if reason:
        words += f" ({reason})"
    edited = plain, references
    if is_unspaced(language):
        references = [join(line) for line in references]
        edited = [separate(line) for line in plain], [separate(line) for line in references]
    chrf, ter = CHRF(lowercase=lowercased), TER(case_sensitive=not lowercased)
    scores: dict[str, Score] = {
        "sacrebleu": _bleu(
            BLEU(lowercase=lowercased, force=True, tokenize=tokeniser),
            plain,
            references,
            name="sacreBLEU",
            definition=definition.format("BLEU") + words,
        )
    }
    for key, name, metric, (ours, theirs), units in (
        ("chrf", "chrF2", chrf, (plain, references), ""),
        ("ter", "TER", ter, edited, f"; {_CHARACTERS} a word" if is_unspaced(language) else ""),
    ):
        value = metric.corpus_score(ours, [theirs]).score
        signature = str(metric.get_signature())
        scores[key] = Score(name, value, definition.format(name) + units, signature)
    return scores


def _bleu(
    metric: BLEU,
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    name: str,
    definition: str,
) -> BleuScore:
    if not hypotheses or len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses and {len(references)} references")
    score = metric.corpus_score(hypotheses, [references])
    first, second, third, fourth = score.precisions
    return BleuScore(
        metric=name,
        value=score.score,
        definition=definition,
        signature=str(metric.get_signature()),
        precisions=(first, second, third, fourth),
        brevity_penalty=score.bp,
        ratio=score.ratio,
        hyp_len=score.sys_len,
        ref_len=score.ref_len,
    )
