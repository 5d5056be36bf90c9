"""Numbers of comparisons as text."""

from alpha_dimt.evaluation.across_seeds import POWER, Sensitivity
from alpha_dimt.evaluation.scatter import RUNAWAY_TIMES, RUNAWAY_TOKENS
from alpha_dimt.runs.read import Run
from alpha_dimt.tables.significance.columns import Spread
from alpha_dimt.tables.table1 import formatted_interval

LARGEST = 100
"""BLEU; no difference is larger."""

MINUS = str.maketrans("-", "−")


def sensitivity_text(found: Sensitivity | None) -> str:
    """Return what the experiment could find."""
    if found is None:
        return (
            "nothing more can be said about other trainings: a minimal detectable difference takes "
            "two seeds that all systems have, with differences that scatter."
        )
    corrected = ""
    if found.detectable_corrected > LARGEST:
        corrected = ", and none at the strictest level of the correction"
    elif found.detectable_corrected > found.detectable:
        corrected = (
            f", of {found.detectable_corrected:.2f} at the strictest level of the correction"
        )
    return (
        f"between two systems of one seed the difference scatters by {found.sd:.2f} BLEU "
        f"(standard deviation, 95 % interval {found.sd_interval[0]:.2f} to "
        f"{found.sd_interval[1]:.2f}). {found.seeds} seeds find a true difference of "
        f"{found.detectable:.2f} BLEU with a probability of {100 * POWER:g} % in one comparison"
        f"{corrected}; {found.wanted:g} BLEU would need {_seeds_wanted(found)}."
    )


def _seeds_wanted(found: Sensitivity) -> str:
    fewest, most = found.seeds_interval
    return f"{found.seeds_wanted:,} seeds ({fewest:,} to {most:,})"


def without_runaways_text(whole: Spread, without: Spread) -> str:
    """Return what the experiment could find, were it not for a few translations that run away."""
    count = whole.sentences - without.sentences
    sentences = f"{count:,} of {whole.sentences:,} sentences"
    said = (
        f" In {sentences} a translation of some run runs away (it has more than {RUNAWAY_TIMES} "
        f"times the tokens of its reference and {RUNAWAY_TOKENS} more)."
    )
    found = without.sensitivity
    if found is None:
        return said
    return said + (
        f" Without {'it' if count == 1 else 'them'} the difference scatters by {found.sd:.2f} "
        f"BLEU, {found.seeds} seeds find a true difference of {found.detectable:.2f}, and "
        f"{found.wanted:g} BLEU would need {_seeds_wanted(found)}."
    )


def definition(about: Run) -> str:
    """Return the definition of BLEU that the tables use."""
    return f"Metric: {about.definition} (sacreBLEU {about.signature})."


def signed(value: float, digits: int = 2) -> str:
    """Return a difference with its sign."""
    return f"{value:+.{digits}f}".translate(MINUS)


def signed_interval(ends: tuple[float, float] | None, digits: int = 2) -> str:
    """Return the ends of an interval of a difference, each with its sign."""
    return formatted_interval(ends, "+", digits).translate(MINUS)


def p_text(p: float | None) -> str:
    """Return a p-value with three decimals; nothing where there is none."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.0005 else f"{p:.3f}"


def formatted_p(p: float) -> str:
    """Return a p-value as it stands in a sentence."""
    return f"p {p_text(p)}" if p < 0.0005 else f"p = {p_text(p)}"
